// From files to a checked catalogue.
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/embedded.h"
#include "catalogue/layer.h"
#include "catalogue/model.h"
#include "catalogue/nearest.h"
#include "catalogue/refusals.h"

namespace fluxgate {
std::span<const EmbeddedFile> embedded_catalogue();
}

namespace fluxgate::catalogue {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uintmax_t kFileBytesMax = 256 * 1024;
constexpr std::size_t kFilesMax = 1'000;
constexpr std::size_t kAlternativesMax = 3;

using Models = std::map<std::string, std::shared_ptr<DescribedModel>, std::less<>>;

class LoadedCatalogue final : public Catalogue {
 public:
  explicit LoadedCatalogue(Models models) : by_id_(std::move(models)) {
    crypto::Sha256 hash;
    for (const auto& [id, model] : by_id_) hash.update(json::serialize(model->descriptor()));
    etag_ = crypto::hex(hash.finish()).substr(0, 20);
  }

  const Model* find(std::string_view id) const override {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  Result<const Model*> require(std::string_view provider, std::string_view id) const override {
    const Model* model = find(id);
    if (model && model->provider() == provider) return model;
    std::vector<std::string> known;
    for (const Model* each : models(provider)) known.push_back(each->id());
    return fail(Error::invalid(refuse::unknown_model(id, nearest(id, known))));
  }
  std::vector<const Model*> models(std::string_view provider) const override {
    std::vector<const Model*> list;
    for (const auto& [id, model] : by_id_)
      if (provider.empty() || model->provider() == provider) list.push_back(model.get());
    return list;
  }
  const std::string& etag() const override { return etag_; }

 private:
  Models by_id_;
  std::string etag_;
};

// Files in the order of their names, so that problems come in a stable order.
void read_folder(const std::string& folder, Layer& layer, std::vector<Problem>& problems) {
  std::error_code error;
  if (!fs::exists(folder, error)) return;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown) && entry->path().extension() == ".json")
      files.push_back(entry->path());
  }
  if (error) problems.push_back({folder, "/", "cannot be read: " + error.message()});
  if (files.size() > kFilesMax) {
    problems.push_back({folder, "/", fmt::format("has more than {} files", kFilesMax)});
    return;
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::string text(kFileBytesMax + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (!in.eof() && text.size() <= kFileBytesMax)
      problems.push_back({file.string(), "/", "cannot be read"});
    else if (text.size() > kFileBytesMax)
      problems.push_back({file.string(), "/", "is larger than 256 KiB"});
    else
      layer.add(file.string(), text, problems);
  }
}

void compile_layer(const Layer& layer, Models& models, std::vector<Problem>& problems) {
  for (const auto& [id, source] : layer.sources()) {
    const std::size_t before = problems.size();
    const json::object text = layer.resolved(id, problems);
    if (problems.size() > before) continue;
    const auto* provider = text.if_contains("provider");
    Problems found;
    auto model = DescribedModel::compile(
        text,
        layer.original(provider && provider->is_string() ? std::string_view(provider->as_string()) : ""),
        found);
    for (auto& [where, what] : found) problems.push_back({source.file, where, what});
    if (found.empty()) models[id] = std::move(model);
  }
}

std::size_t common_beginning(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// For each endpoint that a model does not serve, those that do and are nearest to it by name.
void name_alternatives(Models& models) {
  std::map<std::string, std::vector<const Model*>> serving;  // "provider endpoint"
  for (const auto& [id, model] : models)
    for (const std::string& endpoint : model->endpoints())
      serving[model->provider() + " " + endpoint].push_back(model.get());
  for (const auto& [id, model] : models)
    for (auto& [key, others] : serving) {
      const std::string endpoint = key.substr(key.find(' ') + 1);
      if (!key.starts_with(model->provider() + " ") || !model->upstream_path(endpoint).empty()) continue;
      std::vector<const Model*> best = others;
      std::sort(best.begin(), best.end(), [&own = id](const Model* a, const Model* b) {
        const std::size_t first = common_beginning(a->id(), own), second = common_beginning(b->id(), own);
        return first != second ? first > second : a->id() < b->id();
      });
      std::vector<std::string> ids;
      for (std::size_t i = 0; i < std::min(best.size(), kAlternativesMax); ++i) ids.push_back(best[i]->id());
      model->name_alternatives(endpoint, std::move(ids));
    }
}

}  // namespace

Loaded load(const std::string& override_dir, const std::map<std::string, Credits>& price_overrides) {
  Loaded loaded;
  Layer built_in;
  for (const EmbeddedFile& file : embedded_catalogue())
    built_in.add(std::string(file.name), file.text, loaded.problems);
  Layer own(&built_in);
  if (!override_dir.empty()) read_folder(override_dir, own, loaded.problems);

  Models models;
  compile_layer(built_in, models, loaded.problems);
  compile_layer(own, models, loaded.problems);
  if (!loaded.problems.empty()) return loaded;
  for (const auto& [id, price] : price_overrides)
    if (const auto model = models.find(id); model != models.end()) model->second->override_price(price);
  name_alternatives(models);
  loaded.catalogue = std::make_shared<LoadedCatalogue>(std::move(models));
  return loaded;
}

}  // namespace fluxgate::catalogue
