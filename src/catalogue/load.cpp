// From files to a checked catalogue.
#include <filesystem>
#include <fstream>
#include <span>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/embedded.h"
#include "catalogue/model.h"
#include "catalogue/refusals.h"

namespace fluxgate {
std::span<const EmbeddedFile> embedded_catalogue();
}

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::uintmax_t kFileBytesMax = 256 * 1024;

class LoadedCatalogue final : public Catalogue {
 public:
  const Model* find(std::string_view id) const override {
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  Result<const Model*> require(std::string_view provider, std::string_view id) const override {
    const Model* model = find(id);
    if (model && model->provider() == provider) return model;
    std::vector<std::string> known;
    for (const auto& [name, each] : by_id_)
      if (each->provider() == provider) known.push_back(name);
    return fail(Error::invalid(refuse::unknown_model(json::value(id), nearest(id, known))));
  }
  std::vector<const Model*> models(std::string_view provider) const override {
    std::vector<const Model*> list;
    for (const auto& [name, model] : by_id_)
      if (provider.empty() || model->provider() == provider) list.push_back(model.get());
    return list;
  }
  const std::string& etag() const override { return etag_; }

  void add(std::shared_ptr<const Model> model) { by_id_[model->id()] = std::move(model); }
  void seal() {
    crypto::Sha256 hash;
    for (const auto& [name, model] : by_id_) hash.update(json::serialize(model->descriptor()));
    etag_ = crypto::hex(hash.finish()).substr(0, 20);
  }

 private:
  std::map<std::string, std::shared_ptr<const Model>, std::less<>> by_id_;
  std::string etag_;
};

// "shared.json" of a provider's folder: named schema parts, and what the original's endpoints knew.
struct Shared {
  json::object parts;
  OriginalMembers original;
};

// Replaces "$use": "name" by the named part; members beside it win.
void resolve(json::value& value, const json::object& parts, const std::string& pointer, Schema::Problems& problems) {
  if (auto* list = value.if_array())
    for (auto& item : *list) resolve(item, parts, pointer, problems);
  auto* object = value.if_object();
  if (!object) return;
  if (auto* use = object->if_contains("$use")) {
    std::string name = use->is_string() ? std::string(use->as_string()) : "";
    auto* part = parts.if_contains(name);
    if (!part || !part->is_object()) {
      problems.emplace_back(pointer, fmt::format("$use names \"{}\", which shared.json lacks", name));
      return;
    }
    json::object merged = part->as_object();
    for (auto& [member, own] : *object)
      if (member != "$use") merged[member] = own;
    *object = std::move(merged);
  }
  for (auto& [name, child] : *object) resolve(child, parts, pointer + "/" + std::string(name), problems);
}

class Loader {
 public:
  explicit Loader(const std::map<std::string, Credits>& prices) : prices_(prices) {}

  void file(const std::string& name, std::string_view text) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 16;
    json::value value = json::parse(text, error, {}, options);
    if (error || !value.is_object()) return problem(name, "", error ? "is no JSON: " + error.message() : "must be a JSON object");
    if (name.ends_with("shared.json")) return shared(std::move(value.as_object()));
    descriptor(name, std::move(value));
  }

  void folder(const std::string& path) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error))
      if (entry.is_regular_file(error) && entry.path().extension() == ".json") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& each : files) {
      if (std::filesystem::file_size(each, error) > kFileBytesMax) {
        problem(each.string(), "", "is larger than 256 KiB");
        continue;
      }
      std::ifstream in(each, std::ios::binary);
      file(each.string(), std::string((std::istreambuf_iterator<char>(in)), {}));
    }
  }

  Loaded finish() {
    for (const auto& [id, price] : prices_)
      if (auto model = models_.find(id); model != models_.end()) model->second->override_price(price);
    auto catalogue = std::make_shared<LoadedCatalogue>();
    for (auto& [id, model] : models_) catalogue->add(model);
    catalogue->seal();
    Loaded loaded;
    loaded.problems = std::move(problems_);
    if (loaded.problems.empty()) loaded.catalogue = std::move(catalogue);
    return loaded;
  }

 private:
  void problem(const std::string& file, std::string where, std::string what) {
    problems_.push_back({file, where.empty() ? "/" : std::move(where), std::move(what)});
  }
  void shared(json::object source) {
    if (auto* parts = source.if_contains("parts"); parts && parts->is_object()) shared_.parts = parts->as_object();
    if (auto* original = source.if_contains("original"); original && original->is_object())
      for (auto& [endpoint, members] : original->as_object()) shared_.original[std::string(endpoint)] = members.as_object();
  }
  void descriptor(const std::string& name, json::value value) {
    Schema::Problems found;
    resolve(value, shared_.parts, "", found);
    auto model = DescribedModel::compile(value.as_object(), shared_.original, found);
    for (auto& [where, what] : found) problem(name, where, what);
    if (found.empty()) models_[model->id()] = std::move(model);
  }

  const std::map<std::string, Credits>& prices_;
  Shared shared_;
  std::map<std::string, std::shared_ptr<DescribedModel>> models_;
  std::vector<Problem> problems_;
};

}  // namespace

Loaded load(const std::string& override_dir, const std::map<std::string, Credits>& price_overrides) {
  Loader loader(price_overrides);
  for (const EmbeddedFile& file : embedded_catalogue())
    if (file.name.ends_with("shared.json")) loader.file(std::string(file.name), file.text);
  for (const EmbeddedFile& file : embedded_catalogue())
    if (!file.name.ends_with("shared.json")) loader.file(std::string(file.name), file.text);
  if (!override_dir.empty()) loader.folder(override_dir);
  return loader.finish();
}

}  // namespace fluxgate::catalogue
