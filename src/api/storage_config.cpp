#include "api/storage_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/support.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using files::StoreRow;

constexpr std::string_view kMask = "****";
constexpr std::size_t kShown = 8;  // characters of secret_id

json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

std::string masked(const std::string& sealed, const crypto::Sealer& sealer) {
  const auto opened = sealed.empty() ? Result<std::string>(std::string()) : sealer.open(sealed);
  return opened ? opened->substr(0, kShown) + std::string(kMask) : std::string(kMask);
}

// A secret as given: nothing and masks keep what is there.
void take_secret(Members& form, std::string_view name, std::string& sealed, const crypto::Sealer& sealer) {
  const auto given = form.maybe_text(name, {.max = 2'000});
  if (!given || given->ends_with(kMask)) return;
  sealed = given->empty() ? std::string() : sealer.seal(*given);
}

void take_text(Members& form, std::string_view name, std::string& into, std::size_t max) {
  if (auto given = form.maybe_text(name, {.max = max})) into = std::move(*given);
}

void take_choice(Members& form, std::string_view name, std::string& into, std::initializer_list<std::string_view> choices) {
  const auto given = form.maybe_text(name, {.max = 64});
  if (!given) return;
  if (std::ranges::find(choices, *given) == choices.end()) {
    std::string list;
    for (std::string_view choice : choices)
      if (!choice.empty()) list += (list.empty() ? "" : ", ") + std::string(choice);
    form.refuse(name, "enum", {fmt::format("Expected one of: {}.", list), fmt::format("应为以下之一：{}。", list)},
                {{"expected", list}, {"received", *given}});
    return;
  }
  into = *given;
}

// "images/": relative, no "..", one slash at the end; "" is the bucket's root.
void take_path(Members& form, std::string_view name, std::string& into) {
  auto given = form.maybe_text(name, {.max = 200});
  if (!given) return;
  if (given->starts_with('/') || given->contains("..") || given->contains('\\') || given->contains("//")) {
    form.refuse(name, "path", {"Expected a relative path such as images/, without .. and //.", "应为相对路径，例如 images/，不含 .. 与 //。"},
                {{"received", *given}});
    return;
  }
  if (!given->empty() && !given->ends_with('/')) *given += '/';
  into = std::move(*given);
}

void take_types(Members& form, StoreRow& row) {
  const auto* list = form.maybe_array("allowed_types", 100);
  if (list == nullptr) return;
  std::vector<std::string> types;
  for (const auto& item : *list) {
    const std::string type = item.is_string() ? std::string(item.as_string()) : "";
    if (type.contains('/') && type.size() <= 100) types.push_back(type);
  }
  if (types.size() != list->size())
    form.refuse("allowed_types", "mime_type", {"Expected media types such as image/* or video/mp4.", "应为媒体类型，例如 image/* 或 video/mp4。"});
  row.allowed_types = std::move(types);
}

Result<void> check_usable(const StoreRow& row, const crypto::Sealer& sealer) {
  if (!row.enabled || !row.is_remote()) return {};
  std::vector<FieldError> errors;
  const auto missing = [&](std::string name, bool given) {
    if (given) return;
    FieldError error;
    error.loc = {std::string("body"), name};
    error.type = "missing";
    error.message = {fmt::format("{} is needed before the storage can be enabled.", name), fmt::format("启用存储前必须填写 {}。", name)};
    errors.push_back(std::move(error));
  };
  missing("secret_id", !row.secret_id.empty());
  missing("secret_key", !row.secret_key.empty());
  missing("bucket", !row.bucket.empty());
  if (!errors.empty()) return fail(Error::invalid(std::move(errors)));
  FLUX_TRY(settings, files::settings_of(row, sealer));
  return files::check(settings);
}

}  // namespace

json::object store_json(const StoreRow& row, const crypto::Sealer& sealer) {
  json::array types(row.allowed_types.begin(), row.allowed_types.end());
  return {{"id", or_null(row.id)},
          {"provider", row.provider},
          {"enabled", row.enabled},
          {"secret_id", row.secret_id.empty() ? json::value(nullptr) : json::value(masked(row.secret_id, sealer))},
          {"secret_key", row.secret_key.empty() ? json::value(nullptr) : json::value(kMask)},
          {"token", row.token.empty() ? json::value(nullptr) : json::value(kMask)},
          {"region", row.region},
          {"bucket", or_null(row.bucket)},
          {"domain", or_null(row.domain)},
          {"auto_upload", row.auto_upload},
          {"allowed_types", std::move(types)},
          {"max_file_size", row.max_file_size},
          {"base_path", row.base_path},
          {"image_path", row.image_path},
          {"video_path", row.video_path},
          {"endpoint", or_null(row.endpoint)},
          {"addressing", row.addressing},
          {"acl", or_null(row.acl)},
          {"storage_class", or_null(row.storage_class)},
          {"accelerate", row.accelerate},
          {"image_processing", row.image_processing},
          {"links", row.links},
          {"delivery", row.delivery},
          {"link_seconds", row.link_seconds},
          {"created_at", row.created_at == 0 ? json::value(nullptr) : json::value(iso8601(row.created_at))},
          {"updated_at", row.updated_at == 0 ? json::value(nullptr) : json::value(iso8601(row.updated_at))}};
}

Result<StoreRow> read_store_form(const json::object& body, StoreRow row, const crypto::Sealer& sealer) {
  Members form(body);
  take_choice(form, "provider", row.provider, {"tencent-cos", "s3", "local"});
  row.enabled = form.maybe_flag("enabled").value_or(row.enabled);
  take_secret(form, "secret_id", row.secret_id, sealer);
  take_secret(form, "secret_key", row.secret_key, sealer);
  take_secret(form, "token", row.token, sealer);
  take_text(form, "region", row.region, 50);
  take_text(form, "bucket", row.bucket, 255);
  take_text(form, "domain", row.domain, 500);
  row.auto_upload = form.maybe_flag("auto_upload").value_or(row.auto_upload);
  take_types(form, row);
  if (const auto size = form.maybe_integer("max_file_size", 0, 1ll << 50)) row.max_file_size = static_cast<std::uint64_t>(*size);
  take_path(form, "base_path", row.base_path);
  take_path(form, "image_path", row.image_path);
  take_path(form, "video_path", row.video_path);
  take_text(form, "endpoint", row.endpoint, 500);
  take_choice(form, "addressing", row.addressing, {"auto", "virtual", "path"});
  take_choice(form, "acl", row.acl, {"", "private", "public-read"});
  take_text(form, "storage_class", row.storage_class, 50);
  row.accelerate = form.maybe_flag("accelerate").value_or(row.accelerate);
  row.image_processing = form.maybe_flag("image_processing").value_or(row.image_processing);
  take_choice(form, "links", row.links, {"signed", "signed_without_host", "plain"});
  take_choice(form, "delivery", row.delivery, {"redirect", "proxy"});
  if (const auto life = form.maybe_integer("link_seconds", 60, 7 * 86'400)) row.link_seconds = static_cast<int>(*life);
  for (const char* shown : {"id", "created_at", "updated_at"}) form.ignore(shown);  // so that an answer can be sent back
  FLUX_CHECK(form.check());
  FLUX_CHECK(check_usable(row, sealer));
  return row;
}

}  // namespace fluxgate::api
