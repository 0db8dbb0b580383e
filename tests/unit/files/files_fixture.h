// A store in a folder of its own, and an io_context to wait on.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <boost/asio/io_context.hpp>

#include "files/files.h"
#include "pictures.h"
#include "test_paths.h"

namespace fluxgate::files {

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "fluxgate-files-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    options_.directory = directory_;
    options_.link_secret = std::string(32, 'k');
    open();
  }
  ~FilesTest() override {
    files_.reset();
    std::filesystem::remove_all(directory_);
  }
  void open() { files_ = make_files(options_, system_clock()); }

  template <class T>
  T wait(awaitable<T> work) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(work), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    while (!result) {
      if (io_.stopped()) io_.restart();
      io_.run_one();
    }
    return std::move(*result);
  }
  // Written in pieces that cut every signature somewhere.
  Result<Stored> put(Purpose purpose, std::string_view bytes, std::size_t piece = 7000) {
    auto incoming = files_->begin(purpose);
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      FLUX_CHECK(incoming->write(bytes.substr(at, piece)));
    return wait(incoming->finish());
  }
  std::string refusal(Purpose purpose, std::string_view bytes) {
    const auto stored = put(purpose, bytes);
    return stored ? "taken" : stored.error().code();
  }
  std::string content(const std::string& key) const {
    std::ifstream file(files_->path_of(key), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // One of tests/fixtures/media: films of 96 × 64 pixels, blue in their left third, and sounds of a second.
  static std::string fixture(const std::string& name) {
    std::ifstream file(std::string(FLUXGATE_SOURCE_DIR) + "/tests/fixtures/media/" + name, std::ios::binary);
    if (!file) throw std::runtime_error("no fixture " + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  int files_in(std::string_view folder) const {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / folder))
      count += entry.is_regular_file();
    return count;
  }

  std::filesystem::path directory_;
  Options options_;
  boost::asio::io_context io_;
  std::unique_ptr<Files> files_;
};

}  // namespace fluxgate::files
