#include "product.h"

#include "base/crypto.h"
#include "files/rows.h"

namespace fluxgate::simulation {

namespace json = boost::json;

namespace {

class SimModel final : public catalogue::Model {
 public:
  const std::string& id() const override { return id_; }
  const std::string& provider() const override { return provider_; }
  const std::string& kind() const override { return kind_; }
  const Text& title() const override { return text_; }
  const Text& description() const override { return text_; }
  int rev() const override { return 1; }
  const json::object& schema() const override { return schema_; }
  json::object descriptor() const override { return {}; }
  Result<catalogue::Normalised> validate(std::string_view, const json::object& input) const override {
    catalogue::Normalised normalised;
    normalised.params = input;
    normalised.images = images_of(input);
    return normalised;
  }
  catalogue::Quote quote(const json::object& params) const override { return quote_for(params, images_of(params)); }
  catalogue::Quote quote_for(const json::object&, int images) const override {
    return {Credits::whole(5) * images, 1, {}};
  }
  std::string upstream_path(std::string_view) const override { return "m"; }
  json::object upstream_body(std::string_view, const json::object& params, const std::vector<std::string>&) const override {
    return {{"task", params.at("prompt")}, {"images", images_of(params)}};
  }

 private:
  static int images_of(const json::object& params) {
    const auto* images = params.if_contains("images");
    return images ? static_cast<int>(images->as_int64()) : 1;
  }

  std::string id_ = "m", provider_ = "flux", kind_ = "text_to_image";
  Text text_;
  json::object schema_;
};

class SimCatalogue final : public catalogue::Catalogue {
 public:
  const catalogue::Model* find(std::string_view id) const override { return id == "m" ? &model_ : nullptr; }
  Result<const catalogue::Model*> require(std::string_view, std::string_view) const override { return &model_; }
  std::vector<const catalogue::Model*> models(std::string_view) const override { return {&model_}; }
  const std::string& etag() const override { return etag_; }

 private:
  SimModel model_;
  std::string etag_;
};

class SimIncoming final : public files::Incoming {
 public:
  explicit SimIncoming(const Refusal& refusal) : refusal_(refusal) {}
  Result<void> write(std::string_view piece) override {
    bytes_ += piece;
    return refusal_ ? refusal_() : Result<void>{};
  }
  awaitable<Result<files::Stored>> finish() override {
    files::Stored stored;
    stored.sha256 = crypto::sha256_hex(bytes_);
    stored.key = stored.sha256;
    stored.size = bytes_.size();
    stored.mime = "image/png";
    co_return stored;
  }

 private:
  const Refusal& refusal_;
  std::string bytes_;
};

class SimFiles final : public files::Files {
 public:
  explicit SimFiles(Refusal refusal) : refusal_(std::move(refusal)) {}
  std::unique_ptr<files::Incoming> begin(files::Purpose) override { return std::make_unique<SimIncoming>(refusal_); }
  std::string link(std::string_view, std::string_view, Millis) const override { return {}; }
  Result<std::string> check_link(std::string_view, std::string_view, std::string_view, Millis) const override { return ""; }
  std::string file_id_of(std::string_view) const override { return {}; }
  void insert(db::Tx& tx, const files::FileRow& row, const files::Stored& stored) const override {
    files::insert_row(tx, row, stored);
  }
  std::optional<files::FileRow> find(db::Tx& tx, std::string_view id, std::string_view owner) const override {
    return files::find_row(tx, id, owner);
  }
  std::string path_of(std::string_view) const override { return {}; }
  std::uint64_t limit_of(files::Purpose) const override { return UINT64_MAX; }
  awaitable<Result<std::string>> thumbnail_path(std::string_view, int, files::PreviewFormat) override { co_return ""; }
  awaitable<Result<std::string>> data_uri(std::string_view, std::uint64_t) override { co_return ""; }
  awaitable<Result<std::string>> local_copy(std::string_view) override { co_return ""; }
  void sweep() override {}
  void attach(files::Remote&) override {}

 private:
  const Refusal refusal_;
};

}  // namespace

std::shared_ptr<const catalogue::Catalogue> sim_catalogue() { return std::make_shared<SimCatalogue>(); }
std::unique_ptr<files::Files> sim_files(Refusal refusal) { return std::make_unique<SimFiles>(std::move(refusal)); }

}  // namespace fluxgate::simulation
