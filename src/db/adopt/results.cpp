#include "db/adopt/results.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "db/post.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;

std::string member_text(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

int member_side(const json::object& object, std::string_view name) {
  constexpr std::int64_t kSideMax = 100'000;
  const auto* value = object.if_contains(name);
  return value && value->is_int64() ? static_cast<int>(std::clamp<std::int64_t>(value->as_int64(), 0, kSideMax)) : 0;
}

bool is_there(const OldResult& result) { return !result.link.empty() || !result.data.empty(); }

std::vector<OldResult> answered(const json::value& answer) {
  std::vector<OldResult> images;
  const auto* object = answer.if_object();
  const auto* list = object ? object->if_contains("images") : nullptr;
  if (!list || !list->is_array()) return images;
  for (const auto& item : list->as_array()) {
    if (!item.is_object()) continue;
    const json::object& image = item.as_object();
    OldResult result;
    const std::string url = member_text(image, "url");
    result.link = link_of(url);
    if (is_data_uri(url)) result.data = url;
    result.mime = member_text(image, "content_type");
    result.width = member_side(image, "width");
    result.height = member_side(image, "height");
    if (is_there(result)) images.push_back(std::move(result));
  }
  return images;
}

std::string extension_of(std::string_view mime) {
  const std::string_view kind = mime.substr(mime.find('/') + 1);
  return kind == "jpeg" ? "jpg" : std::string(kind);
}

}  // namespace

std::vector<OldResult> choose_results(const ResultSources& from, std::string_view media_type) {
  constexpr std::size_t kMost = 64;
  const std::string stored = link_of(from.stored_url), upstream = link_of(from.url);
  std::vector<OldResult> images = answered(from.answer);

  // A poller and a viewer may both have uploaded the same picture: one of the rows is enough.
  OldResult first;
  const auto same = std::ranges::find(from.uploaded, stored, &OldResult::link);
  if (!stored.empty() && same != from.uploaded.end()) first = *same;
  else if (!stored.empty()) first.link = stored;
  else if (!from.uploaded.empty()) first = from.uploaded.front();
  else if (!upstream.empty()) first.link = upstream;
  else if (is_data_uri(from.url)) first.data = from.url;
  else if (!images.empty()) first = images.front();

  std::vector<OldResult> results;
  if (!is_there(first)) return results;
  if (!images.empty()) {
    first.width = images.front().width;
    first.height = images.front().height;
  }
  results.push_back(std::move(first));
  for (std::size_t i = 1; i < images.size() && i < kMost; ++i) results.push_back(std::move(images[i]));
  for (OldResult& result : results) {
    if (!result.data.empty()) continue;  // its bytes will say
    if (result.mime.empty() || result.mime.size() > 100) result.mime = mime_of_link(result.link, media_type);
    if (result.name.empty())
      result.name = file_name_of_link(result.link, fmt::format("result.{}", extension_of(result.mime)));
  }
  return results;
}

std::vector<OldResult> uploaded_files(Tx& tx, const OldTasks& kind, std::string_view legacy_id) {
  // Chosen and sorted here: there, the index of what is uploaded by time would be taken, and read whole for each task.
  std::vector<std::pair<std::string, OldResult>> files;
  tx.each(
      "SELECT id, cloud_url, filename, mime_type, CAST(created_at AS TEXT), status FROM generated_files WHERE source_type = $1 AND "
      "source_task_id = $2",
      {kind.provider, legacy_id}, [&files](const Row& row) {
        if (row.text(5) != "uploaded" || row.text(1).empty()) return;
        OldResult file;
        file.file_id = row.str(0);
        file.link = link_of(row.text(1));
        file.name = row.str(2);
        file.mime = row.str(3);
        files.emplace_back(row.str(4) + " " + file.file_id, std::move(file));
      });
  std::ranges::sort(files, {}, [](const auto& file) { return file.first; });
  std::vector<OldResult> sorted;
  for (auto& [when, file] : files) sorted.push_back(std::move(file));
  return sorted;
}

std::string insert_kept_file(Tx& tx, const NewFile& file, const KeptFile& kept) {
  std::string id = new_id(file.created_at);
  const std::string_view type = std::string_view(kept.mime).substr(0, kept.mime.find('/'));
  const std::string when = datetime_text(file.created_at);
  const std::string metadata =
      json::serialize(json::object{{"sha256", kept.sha256}, {"content_type", kept.mime}, {"file_size", kept.size}, {"original_filename", file.name}});
  post(tx,
      "INSERT INTO generated_files (id, user_id, filename, file_type, mime_type, file_size, storage_provider, local_path, "
      "source_type, source_task_id, file_metadata, status, created_at, updated_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, 'local', $7, $8, $9, $10, 'uploaded', $11, $11)",
      {id, file.user_id, file.name, type, kept.mime, kept.size, kept.key, file.source_type,
       file.source_task_id.empty() ? Param(nullptr) : Param(file.source_task_id), metadata, when});
  return id;
}

void insert_results(Work& work, const NewTask& task, std::vector<OldResult>& results) {
  int position = 0;
  for (OldResult& result : results) {
    const bool is_kept = !result.kept.key.empty();
    if (is_kept) {
      result.mime = result.kept.mime;
      const std::string name = fmt::format("result{}", result.kept.key.substr(result.kept.key.rfind('.')));
      result.file_id = insert_kept_file(work.tx, {task.user_id, name, task.provider, task.legacy_id, task.created_at}, result.kept);
    } else if (result.file_id.empty()) {
      result.file_id = new_id(task.created_at);
      const std::string key = work.bucket.usable ? work.bucket.key_in(result.link) : "";
      const std::string_view type = std::string_view(result.mime).substr(0, result.mime.find('/'));
      const std::string when = datetime_text(task.created_at);
      post(work.tx,
          "INSERT INTO generated_files (id, user_id, filename, file_type, mime_type, storage_provider, cloud_url, cloud_path, "
          "source_type, source_task_id, status, created_at, updated_at) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'uploaded', $11, $11)",
          {result.file_id, task.user_id, result.name, type, result.mime, key.empty() ? "link" : "tencent-cos", result.link,
           key.empty() ? Param(nullptr) : Param(key), task.provider, task.legacy_id, when});
    }
    post(work.tx,
        "INSERT INTO fg_task_file (task_id, position, file_id, seed, flagged, sha256, mime, size, width, height) "
        "VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9)",
        {task.id, position++, result.file_id, task.seed.empty() ? Param(nullptr) : Param(task.seed), result.kept.sha256, result.mime,
         result.kept.size, result.width, result.height});
  }
}

}  // namespace fluxgate::db::adopt
