#include "tasks/archive.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include "base/ids.h"
#include "tasks/task_state.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }
json::value or_null(const std::optional<Millis>& at) { return at ? json::value(*at) : json::value(nullptr); }

json::object task_json(const Task& task) {
  return {{"id", task.id},
          {"legacy_id", or_null(task.legacy_id)},
          {"user_id", task.user_id},
          {"provider", task.provider},
          {"endpoint", task.endpoint},
          {"model", task.model},
          {"status", name(task.state)},
          {"prompt", task.prompt},
          {"params", task.params},
          {"inputs", json::value_from(task.inputs)},
          {"images", task.images},
          {"quote", task.quote.as_number()},
          {"quote_rev", task.quote_rev},
          {"charged", task.charged.as_number()},
          {"seed", or_null(task.seed)},
          {"result", task.result},
          {"error_code", or_null(task.error_code)},
          {"error_param", or_null(task.error_param)},
          {"error_message", or_null(task.error_message.en)},
          {"batch_id", or_null(task.batch_id)},
          {"cached_from", or_null(task.cached_from)},
          {"created_at", task.created_at},
          {"started_at", or_null(task.started_at)},
          {"completed_at", or_null(task.completed_at)}};
}

Error failed(const std::filesystem::path& path, int error) {
  const std::string why = std::strerror(error);
  return Error(Errc::internal, "archive_failed",
               {fmt::format("The archive {} cannot be written: {}.", path.string(), why),
                fmt::format("无法写入归档文件 {}：{}。", path.string(), why)});
}

struct CloseGz {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzFile = std::unique_ptr<gzFile_s, CloseGz>;

bool sync_path(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

bool write_lines(const std::filesystem::path& path, const std::vector<Leaving>& leaving) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  GzFile file(gzdopen(fd, "wb6"));
  if (!file) {
    ::close(fd);
    return false;
  }
  for (const Leaving& one : leaving) {
    const std::string line = json::serialize(archive_line(one)) + "\n";
    if (gzwrite(file.get(), line.data(), static_cast<unsigned>(line.size())) != static_cast<int>(line.size())) return false;
  }
  return gzclose(file.release()) == Z_OK && sync_path(path, O_RDONLY);
}

}  // namespace

json::object archive_line(const Leaving& leaving) {
  json::array files, attempts;
  for (const TaskFile& file : leaving.files)
    files.push_back({{"file_id", file.file_id}, {"name", file.name}, {"mime", file.mime}, {"sha256", file.sha256},
                     {"size", file.size}, {"width", file.width}, {"height", file.height}, {"seed", or_null(file.seed)},
                     {"flagged", file.flagged}});
  for (const Attempt& attempt : leaving.attempts)
    attempts.push_back({{"id", attempt.id}, {"number", attempt.number}, {"account_id", attempt.account_id},
                        {"reference", attempt.reference}, {"sent_at", attempt.sent_at}});
  return {{"task", task_json(leaving.task)}, {"files", std::move(files)}, {"attempts", std::move(attempts)}};
}

Result<std::string> write_archive(const std::filesystem::path& folder, const std::vector<Leaving>& leaving, Millis now) {
  std::error_code made;
  std::filesystem::create_directories(folder, made);
  if (made) return fail(failed(folder, made.value()));
  const std::chrono::sys_time<std::chrono::milliseconds> today{std::chrono::milliseconds(now)};
  const auto path = folder / fmt::format("tasks-{:%Y%m%d}-{}.jsonl.gz", today, new_id(now));
  const auto writing = std::filesystem::path(path).replace_extension(".new");
  if (!write_lines(writing, leaving) || ::rename(writing.c_str(), path.c_str()) != 0 || !sync_path(folder, O_RDONLY | O_DIRECTORY)) {
    const int why = errno;
    std::filesystem::remove(writing, made);
    return fail(failed(path, why));
  }
  return path.string();
}

}  // namespace fluxgate::tasks
