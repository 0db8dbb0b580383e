// The bucket's configuration, and the files that the fork kept there.
#include <fmt/format.h>

#include "db/adopt/source.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

constexpr std::string_view kConfig = "cloud_storage_config";
constexpr std::string_view kFiles = "generated_files";

struct OldStore {
  std::string id, provider, secret_id, secret_key, region, bucket, domain, base_path;
  bool enabled = false;
  Millis created_at = 0, updated_at = 0;

  bool keys_known() const { return !is_missing_secret(secret_id) && !is_missing_secret(secret_key); }
};

std::vector<OldStore> read_stores(Tx& tx, const std::string& table, Millis now) {
  Source source(tx, table);
  const int id = source.pick("id"), provider = source.pick("provider"), enabled = source.pick("enabled"),
            secret_id = source.pick("secret_id"), secret_key = source.pick("secret_key"), region = source.pick("region"),
            bucket = source.pick("bucket"), domain = source.pick("domain|cdn_url"), base = source.pick("base_path|upload_path"),
            created = source.pick("created_at"), updated = source.pick("updated_at");
  std::vector<OldStore> stores;
  source.each("", [&](const OldRow& row) {
    OldStore store{row.id(id, now), row.text(provider), row.text(secret_id), row.text(secret_key), row.text(region),
                   row.text(bucket), row.text(domain), row.text(base)};
    store.enabled = flag_of(row[enabled]).value_or(false);
    store.created_at = time_of(row[created]).value_or(now);
    store.updated_at = time_of(row[updated]).value_or(store.created_at);
    if (store.provider == "tencent_cos" || store.provider.empty()) store.provider = "tencent-cos";
    if (store.base_path.empty()) store.base_path = "generated/";
    stores.push_back(std::move(store));
  });
  return stores;
}

// The repair script's shape: into a table of the fork's own shape, which has been made meanwhile.
void copy_stores(Work& work, const std::string& legacy) {
  const auto stores = read_stores(work.tx, legacy, work.options.now);
  for (const OldStore& store : stores) {
    const std::string created = datetime_text(store.created_at), updated = datetime_text(store.updated_at);
    work.tx.exec(
        "INSERT INTO cloud_storage_config (id, provider, enabled, secret_id, secret_key, region, bucket, domain, auto_upload, "
        "allowed_types, max_file_size, base_path, image_path, video_path, created_at, updated_at) VALUES ($1, $2, "
        "CASE WHEN $3 = 1 THEN TRUE ELSE FALSE END, $4, $5, $6, $7, $8, TRUE, '[\"image/*\", \"video/*\"]', 104857600, $9, "
        "'images/', 'videos/', $10, $11)",
        {store.id, store.provider, store.enabled, store.secret_id, store.secret_key, store.region, store.bucket, store.domain,
         store.base_path, created, updated});
  }
  work.tx.exec(fmt::format("UPDATE {} SET secret_id = NULL, secret_key = NULL", quoted_name(legacy)));
  const auto rows = static_cast<std::int64_t>(stores.size());
  mark_done(work, legacy, rows, rows);
  work.say(legacy, {"The storage configuration was put into the application's shape.", "存储配置已转换为应用的表结构。"}, Level::info, rows,
           rows);
}

// Seals what stands there in clear. Only the first row was ever used.
void seal_stores(Work& work) {
  bool first = true;
  for (const OldStore& store : read_stores(work.tx, std::string(kConfig), work.options.now)) {
    const bool sealed = crypto::Sealer::is_sealed(store.secret_id) && crypto::Sealer::is_sealed(store.secret_key);
    if (first) work.bucket = {store.bucket, store.region, store.domain, store.keys_known() && !store.bucket.empty()};
    const bool nothing_to_seal = store.secret_id.empty() && store.secret_key.empty() && !store.enabled;
    if (sealed || nothing_to_seal) {
      first = false;
      continue;
    }
    const bool keeps = store.keys_known();
    const std::string id = keeps ? work.options.sealer->seal(store.secret_id) : "",
                      key = keeps ? work.options.sealer->seal(store.secret_key) : "";
    work.tx.exec(
        "UPDATE cloud_storage_config SET provider = $1, secret_id = $2, secret_key = $3, "
        "enabled = CASE WHEN $4 = 1 THEN enabled ELSE FALSE END WHERE id = $5",
        {store.provider, keeps ? Param(id) : Param(nullptr), keeps ? Param(key) : Param(nullptr), keeps && first, store.id});
    if (keeps)
      work.say(kConfig, {"The keys of the bucket are sealed now.", "存储桶密钥已加密保存。"});
    else
      work.say(kConfig, {"The keys of the bucket are missing or only their masks were saved; enter them again.",
                         "存储桶密钥缺失，或仅保存了掩码，请重新填写。"}, Level::warning);
    first = false;
  }
}

void copy_files(Work& work, const std::string& legacy) {
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int id = source.pick("id"), user = source.pick("user_id"), name = source.pick("filename"), type = source.pick("file_type"),
            size = source.pick("file_size"), path = source.pick("cloud_path"), url = source.pick("cloud_url"),
            kind = source.pick("source_type"), task = source.pick("source_task_id"), metadata = source.pick("file_metadata"),
            status = source.pick("status"), error = source.pick("error_message"), created = source.pick("created_at"),
            updated = source.pick("updated_at");
  source.each("", [&](const OldRow& row) {
    const auto changed = time_of(row[updated]);
    const Millis made = time_of(row[created]).value_or(changed.value_or(work.options.now));
    const std::string created_at = datetime_text(made), updated_at = datetime_text(changed.value_or(made));
    const std::string file_type = row.text(type), source_type = row.text(kind), state = row.text(status);
    work.tx.exec(
        "INSERT INTO generated_files (id, user_id, filename, file_type, file_size, storage_provider, cloud_url, cloud_path, source_type, "
        "source_task_id, file_metadata, status, error_message, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, 'local', $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        {row.id(id, made), row.text(user), row.text(name), file_type.empty() ? "image" : file_type, integer_of(row[size]), row[url],
         row[path], source_type.empty() ? "unknown" : source_type, row[task], row[metadata], state.empty() ? "pending" : state,
         row[error], created_at, updated_at});
  });
  mark_done(work, legacy, rows, rows);
  work.say(legacy, {fmt::format("{} files were put into the application's shape.", rows),
                    fmt::format("{} 个文件记录已转换为应用的表结构。", rows)}, Level::info, rows, rows);
}

// The rows that say "uploaded" and not where to: nobody could be given such a file. As a condition on the table.
std::string nowhere(Tx& tx, std::string_view table) {
  if (!has_column(tx, table, "status")) return "1 = 0";
  std::string condition = "status = 'uploaded'";
  for (std::string_view column : {"local_path", "cloud_path", "cloud_url"})
    if (has_column(tx, table, column)) condition += fmt::format(" AND COALESCE({}, '') = ''", column);
  return condition;
}

Text nowhere_text(std::int64_t files) {
  return {fmt::format("{} files are called uploaded, but nothing says where they lie; they count as failed.", files),
          fmt::format("{} 个文件标记为已上传，但没有任何位置信息，按失败计。", files)};
}

// The fork wrote storage_provider 'local' whatever it did, and never where the object lies.
void place_files(Work& work) {
  if (const auto lost = work.tx.exec("UPDATE generated_files SET status = 'failed', error_message = 'The previous system did not keep where this "
                                     "file lies.', local_path = NULL, cloud_path = NULL, cloud_url = NULL WHERE " + nowhere(work.tx, kFiles)); lost != 0)
    work.say(kFiles, nowhere_text(lost), Level::warning);
  work.tx.exec("UPDATE generated_files SET local_path = NULL WHERE local_path = ''");
  const std::int64_t links = work.tx.exec(
      "UPDATE generated_files SET storage_provider = 'link' WHERE storage_provider = 'local' AND COALESCE(local_path, '') = '' "
      "AND COALESCE(cloud_url, '') <> ''");
  work.tx.exec(
      "UPDATE generated_files SET mime_type = CASE WHEN LOWER(cloud_url) LIKE '%.png' THEN 'image/png' "
      "WHEN LOWER(cloud_url) LIKE '%.webp' THEN 'image/webp' WHEN LOWER(cloud_url) LIKE '%.gif' THEN 'image/gif' "
      "WHEN LOWER(cloud_url) LIKE '%.webm' THEN 'video/webm' WHEN file_type = 'video' THEN 'video/mp4' "
      "WHEN file_type = 'audio' THEN 'audio/mpeg' ELSE 'image/jpeg' END "
      "WHERE mime_type IS NULL AND storage_provider = 'link'");
  std::int64_t in_bucket = 0;
  std::string domain = work.bucket.domain;
  while (domain.ends_with('/')) domain.pop_back();
  if (const auto scheme = domain.find("://"); scheme != std::string::npos) domain.erase(0, scheme + 3);
  const std::string host = fmt::format("{}.cos.{}.myqcloud.com", work.bucket.name, work.bucket.region);
  for (const std::string& base : {domain, host})
    for (std::string_view scheme : {"https://", "http://"}) {
      if (!work.bucket.usable || base.empty()) continue;
      const std::string prefix = fmt::format("{}{}/", scheme, base);
      in_bucket += work.tx.exec(
          "UPDATE generated_files SET storage_provider = 'tencent-cos', cloud_path = SUBSTR(cloud_url, LENGTH($1) + 1) "
          "WHERE storage_provider = 'link' AND SUBSTR(cloud_url, 1, LENGTH($1)) = $1 AND LENGTH(cloud_url) > LENGTH($1)",
          {prefix});
    }
  if (links != 0)
    work.say(kFiles, {fmt::format("{} files: {} lie in the configured bucket, {} are known by their links only.", links, in_bucket,
                                  links - in_bucket),
                      fmt::format("{} 个文件：{} 个位于已配置的存储桶，{} 个仅有链接。", links, in_bucket, links - in_bucket)});
}

}  // namespace

void storage_over(Work& work) {
  for (const std::string& legacy : waiting(work.tx, kConfig)) copy_stores(work, legacy);
  for (const std::string& legacy : waiting(work.tx, kFiles)) copy_files(work, legacy);
  if (kind_of(work.tx, kConfig) == Kind::table) seal_stores(work);
  if (kind_of(work.tx, kFiles) == Kind::table) place_files(work);
}

void plan_storage(Tx& tx, Lines& lines) {
  for (const std::string& table : still_here(tx, kConfig)) {
    for (const OldStore& store : read_stores(tx, table, 0)) {
      if (crypto::Sealer::is_sealed(store.secret_key)) continue;
      if (store.keys_known())
        lines.push_back({table, {"The keys of the bucket are sealed with the master key.", "存储桶密钥将用主密钥加密。"}});
      else
        lines.push_back({table, {"The keys of the bucket are missing or masked; enter them again afterwards. Until then it is off.",
                                 "存储桶密钥缺失或为掩码，完成后请重新填写，在此之前保持停用。"}, Level::warning});
    }
  }
  for (const std::string& table : still_here(tx, kFiles))
    if (const auto files = tx.number(fmt::format("SELECT COUNT(*) FROM {} WHERE {}", quoted_name(table), nowhere(tx, table))); files != 0)
      lines.push_back({table, nowhere_text(files), Level::warning});
}

}  // namespace fluxgate::db::adopt
