#include "files/rows.h"

#include <charconv>

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

void insert_row(db::Tx& tx, const FileRow& row, const Stored& stored) {
  const std::string filename = fitting(row.filename);
  const std::string extra = metadata(row, stored);
  const std::string time = sql_time(row.created_at);
  const std::optional<std::string_view> task =
      row.source_task_id.empty() ? std::nullopt : std::optional<std::string_view>(row.source_task_id);
  tx.exec(
      "INSERT INTO generated_files (id, user_id, filename, original_filename, file_type, mime_type, "
      "file_size, "
      "storage_provider, local_path, source_type, source_task_id, file_metadata, status, created_at, "
      "updated_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, 'local', $8, $9, $10, $11, 'uploaded', $12, $13)",
      {row.id, row.user_id, filename, filename, file_type(stored.mime), stored.mime, stored.size, stored.key,
       row.source_type, task, extra, time, time});
}

std::optional<FileRow> find_row(db::Tx& tx, std::string_view id, std::string_view owner) {
  return tx.first(
      "SELECT id, user_id, filename, local_path, mime_type, source_type, source_task_id, file_metadata, "
      "file_size, "
      "created_at, CASE WHEN storage_provider = 'local' THEN '' ELSE cloud_url END FROM generated_files WHERE id = $1 AND ($2 = '' OR user_id = $3) AND status = 'uploaded'",
      {id, owner, owner}, [](const db::Row& row) {
        FileRow file;
        file.id = row.str(0);
        file.user_id = row.str(1);
        file.filename = row.str(2);
        file.key = row.text(3).empty() ? row.str(10) : row.str(3);
        file.mime = row.str(4);
        file.source_type = row.str(5);
        file.source_task_id = row.str(6);
        file.sha256 = sha256_in(row.text(7));
        file.size = static_cast<std::uint64_t>(row.i64(8));
        file.created_at = parse_sql_time(row.text(9));
        return file;
      });
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
