#include "api/provider_page.h"

#include "base/json_text.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

constexpr Millis kRemembered = 1'000;

json::value max_images(const catalogue::Model& model) {
  const auto* properties = model.schema().if_contains("properties");
  const auto* count = properties != nullptr ? properties->as_object().if_contains("num_images") : nullptr;
  if (count == nullptr || !count->is_object()) return 1;
  const auto* maximum = count->as_object().if_contains("maximum");
  return maximum != nullptr ? *maximum : json::value(1);
}

json::object model_json(const catalogue::Model& model, Language language) {
  const json::object descriptor = model.descriptor();
  return {{"id", model.id()},
          {"name", model.title().in(language)},
          {"type", model.kind()},
          {"description", model.description().in(language)},
          {"endpoints", descriptor.at("endpoints")},
          {"max_images", max_images(model)},
          {"price", descriptor.at("price")},
          {"rev", model.rev()}};
}

}  // namespace

json::array models_json(const catalogue::Catalogue& catalogue, std::string_view provider, Language language) {
  json::array list;
  for (const catalogue::Model* model : catalogue.models(provider))
    list.push_back(model_json(*model, language));
  return list;
}

ProviderPage::ProviderPage(const Parts& parts, std::string provider)
    : database_(parts.database),
      accounts_(parts.accounts),
      catalogue_(parts.catalogue),
      clock_(parts.clock),
      provider_(std::move(provider)) {}

awaitable<Result<void>> ProviderPage::usable() {
  const Millis now = clock_.now_ms();
  {
    std::lock_guard lock(mutex_);
    if (now < usable_until_) {
      if (refusal_) co_return fail(*refusal_);
      co_return Result<void>();
    }
  }
  auto judged = co_await database_.read([this](db::Tx& tx) { return accounts_.usable(tx, provider_); });
  std::lock_guard lock(mutex_);
  usable_until_ = now + kRemembered;
  refusal_.reset();
  if (!judged) refusal_ = judged.error();
  co_return judged;
}

http::Response ProviderPage::models(bool enabled, Language language) {
  const auto catalogue = catalogue_.get();
  const std::string_view word = language == Language::zh ? "zh" : "en";
  const std::string etag = fmt::format("\"{}-{}-{}\"", catalogue->etag(), enabled ? "on" : "off", word);
  std::shared_ptr<const std::string> text;
  {
    std::lock_guard lock(mutex_);
    Body& body = bodies_[enabled][language == Language::zh];
    if (body.etag != etag) {
      const json::object value{{"models", models_json(*catalogue, provider_, language)},
                               {"enabled", enabled}};
      body = {etag, std::make_shared<const std::string>(json_text(value))};
    }
    text = body.text;
  }
  return http::Response{200,
                        {{"Content-Type", "application/json"},
                         {"ETag", etag},
                         {"Cache-Control", "private, no-cache"},
                         {"Vary", "Accept-Language"}},
                        std::move(text)};
}

void ProviderPage::forget() {
  std::lock_guard lock(mutex_);
  usable_until_ = 0;
}

}  // namespace fluxgate::api
