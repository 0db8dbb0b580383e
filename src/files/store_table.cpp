#include "files/store_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "db/settings.h"
#include "files/rows.h"

namespace fluxgate::files {
namespace {

namespace json = boost::json;
namespace setting = db::setting;

constexpr const char* kSelect =
    "SELECT id, provider, enabled, secret_id, secret_key, region, bucket, domain, auto_upload, allowed_types, "
    "max_file_size, base_path, image_path, video_path, options, created_at, updated_at FROM cloud_storage_config "
    "ORDER BY enabled DESC, updated_at DESC, id";

json::value parsed(std::string_view text) {
  boost::system::error_code broken;
  auto value = json::parse({text.data(), text.size()}, broken);
  return broken ? json::value() : value;
}

std::vector<std::string> texts_of(const json::value& value, std::vector<std::string> fallback) {
  if (!value.is_array()) return fallback;
  std::vector<std::string> list;
  for (const auto& item : value.as_array())
    if (item.is_string()) list.emplace_back(item.as_string());
  return list;
}

void read_options(StoreRow& row, const json::object& options) {
  const auto text = [&](std::string_view member, std::string& into) { into = setting::text(options, member, into); };
  text("token", row.token);
  text("endpoint", row.endpoint);
  text("addressing", row.addressing);
  text("acl", row.acl);
  text("storage_class", row.storage_class);
  text("links", row.links);
  text("delivery", row.delivery);
  row.accelerate = setting::flag(options, "accelerate", row.accelerate);
  row.image_processing = setting::flag(options, "image_processing", row.image_processing);
  row.link_seconds = static_cast<int>(setting::number(options, "link_seconds", row.link_seconds));
}

json::object options_of(const StoreRow& row) {
  return {{"token", row.token},           {"endpoint", row.endpoint},     {"addressing", row.addressing},
          {"acl", row.acl},               {"storage_class", row.storage_class}, {"links", row.links},
          {"accelerate", row.accelerate}, {"delivery", row.delivery},
          {"link_seconds", row.link_seconds}, {"image_processing", row.image_processing}};
}

StoreRow read_store(const db::Row& row) {
  StoreRow store;
  const auto text = [&](int column, const std::string& fallback) { return row.is_null(column) ? fallback : row.str(column); };
  store.id = row.str(0);
  store.provider = row.str(1);
  store.enabled = row.flag(2);
  store.secret_id = row.str(3);
  store.secret_key = row.str(4);
  store.region = text(5, store.region);
  store.bucket = row.str(6);
  store.domain = row.str(7);
  store.auto_upload = row.flag(8);
  store.allowed_types = texts_of(parsed(row.text(9)), store.allowed_types);
  store.max_file_size = static_cast<std::uint64_t>(std::max<std::int64_t>(0, row.i64(10)));
  store.base_path = row.str(11);
  store.image_path = row.str(12);
  store.video_path = row.str(13);
  if (const auto options = parsed(row.text(14)); options.is_object()) read_options(store, options.as_object());
  store.created_at = parse_sql_time(row.text(15));
  store.updated_at = parse_sql_time(row.text(16));
  return store;
}

Result<std::string> opened(const crypto::Sealer& sealer, const std::string& sealed) {
  if (sealed.empty()) return std::string();
  return sealer.open(sealed);
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

std::vector<StoreRow> load_stores(db::Tx& tx) { return tx.all(kSelect, {}, read_store); }

std::optional<StoreRow> shown_store(db::Tx& tx) {
  return tx.first(kSelect, {}, read_store);
}

void save_store(db::Tx& tx, const StoreRow& row) {
  const auto some = [](const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); };
  json::array types(row.allowed_types.begin(), row.allowed_types.end());
  const std::string allowed = json::serialize(types), options = json::serialize(options_of(row));
  const std::string created = sql_time(row.created_at), updated = sql_time(row.updated_at);
  const auto secret_id = some(row.secret_id), secret_key = some(row.secret_key), bucket = some(row.bucket),
             domain = some(row.domain);
  tx.exec(
      "INSERT INTO cloud_storage_config (id, provider, enabled, secret_id, secret_key, region, bucket, domain, auto_upload, "
      "allowed_types, max_file_size, base_path, image_path, video_path, options, created_at, updated_at) "
      "VALUES ($1, $2, CASE WHEN $3 = 1 THEN TRUE ELSE FALSE END, $4, $5, $6, $7, $8, CASE WHEN $9 = 1 THEN TRUE ELSE FALSE "
      "END, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, "
      "enabled = excluded.enabled, secret_id = excluded.secret_id, secret_key = excluded.secret_key, region = excluded.region, "
      "bucket = excluded.bucket, domain = excluded.domain, auto_upload = excluded.auto_upload, "
      "allowed_types = excluded.allowed_types, max_file_size = excluded.max_file_size, base_path = excluded.base_path, "
      "image_path = excluded.image_path, video_path = excluded.video_path, options = excluded.options, "
      "updated_at = excluded.updated_at",
      {row.id, row.provider, row.enabled, secret_id, secret_key, row.region, bucket, domain, row.auto_upload, allowed,
       row.max_file_size, row.base_path, row.image_path, row.video_path, options, created, updated});
  tx.exec("UPDATE cloud_storage_config SET enabled = FALSE WHERE id <> $1 AND enabled", {row.id});
  tx.exec(
      "DELETE FROM cloud_storage_config WHERE id <> $1 AND NOT EXISTS (SELECT 1 FROM fg_file_object o WHERE o.place = "
      "cloud_storage_config.id) AND NOT EXISTS (SELECT 1 FROM fg_upload u WHERE u.place = cloud_storage_config.id)",
      {row.id});
}

bool same_place(const StoreRow& a, const StoreRow& b) {
  // A service of S3 has one bucket of a name, whatever region is set: a region that is corrected is no other place.
  const bool same_region = a.region == b.region || a.provider == "s3";
  return a.provider == b.provider && a.bucket == b.bucket && same_region && a.endpoint == b.endpoint;
}

std::string provider_of(db::Tx& tx, std::string_view place) {
  const auto found = tx.first("SELECT provider FROM cloud_storage_config WHERE id = $1", {place},
                              [](const db::Row& row) { return row.str(0); });
  return found.value_or(std::string(place));
}

Result<StoreSettings> settings_of(const StoreRow& row, const crypto::Sealer& sealer) {
  FLUX_TRY(id, opened(sealer, row.secret_id));
  FLUX_TRY(secret, opened(sealer, row.secret_key));
  FLUX_TRY(token, opened(sealer, row.token));
  const Credentials credentials{id, secret, token};
  if (row.provider == "s3") {
    S3Settings s3;
    s3.endpoint = row.endpoint.empty() ? fmt::format("https://s3.{}.amazonaws.com", row.region) : row.endpoint;
    s3.region = row.region;
    s3.bucket = row.bucket;
    s3.credentials = credentials;
    s3.addressing = row.addressing == "path"      ? Addressing::path
                    : row.addressing == "virtual" ? Addressing::virtual_host
                                                  : Addressing::automatic;
    s3.acl = row.acl;
    s3.storage_class = row.storage_class;
    s3.link_base = without_slash(row.domain);
    return s3;
  }
  CosSettings cos;
  cos.bucket = row.bucket;
  cos.region = row.region;
  cos.credentials = credentials;
  cos.endpoint = without_slash(row.endpoint);
  cos.accelerate = row.accelerate;
  cos.link_base = without_slash(row.domain);
  cos.links = row.links == "plain"                 ? Links::plain
              : row.links == "signed_without_host" ? Links::signed_without_host
                                                   : Links::signed_;
  cos.acl = row.acl;
  cos.storage_class = row.storage_class;
  return cos;
}

bool takes(const StoreRow& row, std::string_view mime, std::uint64_t size) {
  if (row.max_file_size != 0 && size > row.max_file_size) return false;
  return row.allowed_types.empty() || std::ranges::any_of(row.allowed_types, [&](std::string_view type) {
    if (type == "*" || type == "*/*") return true;
    return type.ends_with("/*") ? mime.starts_with(type.substr(0, type.size() - 1)) : mime == type;
  });
}

std::string path_in(const StoreRow& row, std::string_view key, std::string_view mime) {
  const std::string_view kind = mime.starts_with("image/")   ? std::string_view(row.image_path)
                                : mime.starts_with("video/") ? std::string_view(row.video_path)
                                                             : std::string_view("others/");
  return fmt::format("{}{}{}", row.base_path, kind, key);
}

std::string public_url(const StoreRow& row, std::string_view cloud_path) {
  if (!row.domain.empty()) return fmt::format("{}/{}", without_slash(row.domain), cloud_path);
  if (row.provider == "tencent-cos")
    return fmt::format("https://{}.cos.{}.myqcloud.com/{}", row.bucket, row.region, cloud_path);
  return row.endpoint.empty() ? fmt::format("https://{}.s3.{}.amazonaws.com/{}", row.bucket, row.region, cloud_path)
                              : fmt::format("{}/{}/{}", without_slash(row.endpoint), row.bucket, cloud_path);
}

}  // namespace fluxgate::files
