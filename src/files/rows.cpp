#include "files/rows.h"

#include <charconv>

#include <fmt/format.h>

#include "db/post.h"
#include "files/blob_store.h"
#include "files/objects.h"
#include "files/store_table.h"

namespace fluxgate::files {
namespace {

// The column is VARCHAR(255), which PostgreSQL enforces, in characters; bytes are the safe side. The
// end, where the extension stands, is kept.
std::string fitting(std::string_view name) {
  constexpr std::size_t kColumn = 255;
  if (name.size() <= kColumn) return std::string(name);
  std::size_t start = name.size() - kColumn;
  while (start < name.size() && (static_cast<unsigned char>(name[start]) & 0xC0) == 0x80) ++start;
  return std::string(name.substr(start));
}

std::string_view file_type(std::string_view mime) { return mime.substr(0, mime.find('/')); }

std::string metadata(const FileRow& row, const Stored& stored) {
  boost::json::object object;
  object["sha256"] = stored.sha256;
  object["content_type"] = stored.mime;
  object["file_size"] = stored.size;
  if (stored.width > 0) object["width"] = stored.width;
  if (stored.height > 0) object["height"] = stored.height;
  if (stored.duration_ms > 0) object["duration_ms"] = stored.duration_ms;
  if (!stored.dominant_color.empty()) object["dominant_color"] = stored.dominant_color;
  if (!stored.thumbhash.empty()) object["thumbhash"] = stored.thumbhash;
  if (!row.filename.empty()) object["original_filename"] = row.filename;
  return boost::json::serialize(object);
}

std::string sha256_in(std::string_view metadata_text) {
  boost::json::error_code error;
  const auto value = boost::json::parse({metadata_text.data(), metadata_text.size()}, error);
  if (error || !value.is_object()) return "";
  const auto* hash = value.as_object().if_contains("sha256");
  return hash && hash->is_string() ? std::string(hash->as_string().c_str()) : std::string();
}

}  // namespace

namespace {

// The user's sum first: whoever holds its row has the others too.
void count(db::Tx& tx, const FileRow& row, std::string_view type, int files) {
  const std::int64_t bytes = files * static_cast<std::int64_t>(row.size);
  const auto add = [&](std::string_view source, std::string_view type) {
    db::post(tx,
        "INSERT INTO fg_file_usage (user_id, source_type, file_type, files, bytes) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (user_id, source_type, file_type) DO UPDATE SET files = fg_file_usage.files + $4, "
        "bytes = fg_file_usage.bytes + $5",
        {row.user_id, source, type, files, bytes});
  };
  add("", "");
  add(row.source_type.empty() ? "other" : std::string_view(row.source_type), type.empty() ? "other" : type);
}

FileRow read_file(const db::Row& row) {
  FileRow file;
  file.id = row.str(0);
  file.user_id = row.str(1);
  file.filename = row.str(2);
  file.cloud_path = row.str(4);
  file.key = row.is_null(3) ? std::string(key_in(file.cloud_path)) : row.str(3);
  file.mime = row.str(5);
  file.source_type = row.str(6);
  file.source_task_id = row.str(7);
  file.sha256 = sha256_in(row.text(8));
  file.size = static_cast<std::uint64_t>(row.i64(9));
  file.created_at = parse_sql_time(row.text(10));
  if (row.is_null(3)) file.url = row.str(11);
  return file;
}

}  // namespace

void insert_row(db::Tx& tx, const FileRow& row, const Stored& stored) {
  FileRow counted = row;
  counted.mime = stored.mime;
  counted.size = stored.size;
  count(tx, counted, file_type(stored.mime), 1);
  const objects::Object object = objects::refer(tx, stored, row.created_at);
  const std::string filename = fitting(row.filename);
  const std::string extra = metadata(row, stored);
  const std::string time = sql_time(row.created_at);
  const bool local = object.is_local();
  const std::string provider = local ? std::string(kLocal) : provider_of(tx, object.place);
  const auto here = local ? std::optional(object.key) : std::nullopt;
  const auto there = local ? std::nullopt : std::optional(object.cloud_path);
  const auto task = row.source_task_id.empty() ? std::nullopt : std::optional(row.source_task_id);
  db::post(tx,
      "INSERT INTO generated_files (id, user_id, filename, original_filename, file_type, mime_type, file_size, "
      "storage_provider, local_path, cloud_path, source_type, source_task_id, file_metadata, status, created_at, "
      "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'uploaded', $14, $15)",
      {row.id, row.user_id, filename, filename, file_type(stored.mime), stored.mime, stored.size, provider, here, there,
       row.source_type, task, extra, time, time});
}

std::optional<FileRow> find_row(db::Tx& tx, std::string_view id, std::string_view owner) {
  auto file = tx.first(
      "SELECT id, user_id, filename, local_path, cloud_path, mime_type, source_type, source_task_id, file_metadata, "
      "file_size, created_at, cloud_url FROM generated_files WHERE id = $1 AND ($2 = '' OR user_id = $3) AND status = 'uploaded'",
      {id, owner, owner}, read_file);
  if (!file) return file;
  // The object knows best: rows follow it.
  if (const auto object = objects::find(tx, file->key)) {
    file->place = object->place;
    file->cloud_path = object->cloud_path;
  } else if (!file->url.empty()) {
    file->place.clear();
  }
  return file;
}

bool remove_row(db::Tx& tx, std::string_view id, std::string_view owner, Millis now) {
  const auto file = find_row(tx, id, owner);
  if (!file) return false;
  // The user's sum, the object, its rows: as insert_row, and as whoever moves it.
  tx.number(fmt::format("SELECT files FROM fg_file_usage WHERE user_id = $1 AND source_type = '' AND file_type = ''{}", tx.for_update()),
            {file->user_id});
  tx.number(fmt::format("SELECT refs FROM fg_file_object WHERE key = $1{}", tx.for_update()), {file->key});
  // Imported rows may name the kind and no media type.
  const auto type = tx.first("SELECT file_type FROM generated_files WHERE id = $1", {id}, [](const db::Row& row) { return row.str(0); });
  // Of many who remove it one changes the row; that one counts.
  const auto changed =
      file->source_task_id.empty()
          ? tx.exec("DELETE FROM generated_files WHERE id = $1 AND status = 'uploaded'", {id})
          : tx.exec("UPDATE generated_files SET status = 'deleted', local_path = NULL, cloud_path = NULL, cloud_url = NULL, "
                    "updated_at = $2 WHERE id = $1 AND status = 'uploaded'",
                    {id, sql_time(now)});
  if (changed != 1) return false;
  count(tx, *file, type.value_or(""), -1);
  objects::release(tx, file->key, now);
  tx.exec("DELETE FROM fg_file_use WHERE file_id = $1", {id});
  return true;
}

FilePage list_rows(db::Tx& tx, const FileQuery& query) {
  static constexpr const char* kWhere =
      "FROM generated_files WHERE user_id = $1 AND ($2 = '' OR file_type = $2) AND ($3 = '' OR source_type = $3) AND "
      "($4 = '' OR status = $4) AND ($4 <> '' OR status <> 'deleted')";
  static const std::string page = fmt::format(
      "SELECT id, user_id, filename, local_path, cloud_path, mime_type, source_type, source_task_id, file_metadata, "
      "file_size, created_at, cloud_url, file_type, status, error_message {} ORDER BY created_at DESC, id DESC "
      "LIMIT $5 OFFSET $6",
      kWhere);
  static const std::string count = fmt::format("SELECT COUNT(*) {}", kWhere);
  FilePage found;
  found.total = tx.number(count, {query.user_id, query.file_type, query.source_type, query.status});
  found.files = tx.all(page, {query.user_id, query.file_type, query.source_type, query.status, query.limit, query.offset},
                       [](const db::Row& row) {
                         return ListedFile{read_file(row), row.str(12), row.str(13), row.str(14), row.str(8)};
                       });
  return found;
}

void note_use(db::Tx& tx, std::string_view file_id, std::string_view task_id) {
  db::post(tx, "INSERT INTO fg_file_use (file_id, task_id) VALUES ($1, $2) ON CONFLICT (file_id) DO NOTHING", {file_id, task_id});
}

std::string_view key_in(std::string_view cloud_path) {
  // Three segments from the end.
  std::size_t at = std::string_view::npos;
  for (int i = 0; i < 3; ++i) {
    at = at == 0 ? std::string_view::npos : cloud_path.rfind('/', at == std::string_view::npos ? at : at - 1);
    if (at == std::string_view::npos) return cloud_path;
  }
  const std::string_view end = cloud_path.substr(at + 1);
  return is_key(end) ? end : cloud_path;
}

std::string sql_time(Millis time_ms) {
  std::string text = iso8601(time_ms);
  text[10] = ' ';
  return text;
}

Millis parse_sql_time(std::string_view text) {
  if (text.size() < 19) return 0;
  bool valid = true;
  const auto number = [&](std::size_t at, std::size_t count) {
    int value = 0;
    const char* end = text.data() + at + count;
    valid = std::from_chars(text.data() + at, end, value).ptr == end && valid;
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const auto time = std::chrono::hours(number(11, 2)) + std::chrono::minutes(number(14, 2)) +
                    std::chrono::seconds(number(17, 2));
  if (!valid || !day.ok()) return 0;
  Millis fraction = 0;
  if (text.size() > 20 && text[19] == '.') {
    Millis unit = 100;
    for (const char c : text.substr(20, 3)) {
      if (c < '0' || c > '9') break;
      fraction += unit * (c - '0');
      unit /= 10;
    }
  }
  const auto point = std::chrono::sys_days(day) + time;
  return std::chrono::duration_cast<std::chrono::milliseconds>(point.time_since_epoch()).count() + fraction;
}

}  // namespace fluxgate::files
