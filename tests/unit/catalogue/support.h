// What the catalogue's tests share.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "catalogue/catalogue.h"
#include "test_paths.h"

namespace fluxgate::catalogue {

inline std::shared_ptr<const Catalogue> built_in() {
  static const Loaded loaded = load("");
  for (const auto& problem : loaded.problems)
    ADD_FAILURE() << problem.file << " " << problem.where << ": " << problem.what;
  return loaded.catalogue;
}

inline boost::json::array read_vectors(const std::string& name) {
  std::ifstream in(std::string(FLUXGATE_SOURCE_DIR "/tests/fixtures/catalogue-vectors/") + name);
  boost::system::error_code error;
  auto value = boost::json::parse(std::string((std::istreambuf_iterator<char>(in)), {}), error);
  EXPECT_TRUE(!error && value.is_array()) << name << ": " << error.message();
  return value.is_array() ? value.as_array() : boost::json::array{};
}

// "body.image_urls.1 string_type", sorted: their order is not promised.
inline std::vector<std::string> words_of(const std::vector<FieldError>& errors) {
  std::vector<std::string> words;
  for (const FieldError& error : errors) {
    std::string text;
    for (const auto& step : error.loc) {
      if (!text.empty()) text += ".";
      text += step.index() == 0 ? std::get<0>(step) : std::to_string(std::get<1>(step));
    }
    words.push_back(text + " " + error.type);
  }
  std::sort(words.begin(), words.end());
  return words;
}
inline std::vector<std::string> words_of(const boost::json::array& expected) {
  std::vector<std::string> words;
  for (const auto& error : expected) {
    std::string text;
    for (const auto& step : error.at("loc").as_array()) {
      if (!text.empty()) text += ".";
      text += step.is_string() ? std::string(step.as_string()) : boost::json::serialize(step);
    }
    words.push_back(text + " " + std::string(error.at("type").as_string()));
  }
  std::sort(words.begin(), words.end());
  return words;
}

// A folder of the operator's own descriptors.
class OwnFolder {
 public:
  OwnFolder()
      : path_(std::filesystem::temp_directory_path() /
              ("fluxgate-catalogue-" + std::to_string(::getpid()) + "-" + std::to_string(count_++))) {
    std::filesystem::create_directories(path_);
  }
  ~OwnFolder() { std::filesystem::remove_all(path_); }
  OwnFolder(const OwnFolder&) = delete;

  OwnFolder& with(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return *this;
  }
  Loaded loaded() const { return load(path_.string()); }
  std::string path() const { return path_.string(); }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

}  // namespace fluxgate::catalogue
