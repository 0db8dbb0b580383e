#include "files/rules.h"

#include <fmt/format.h>

#include "db/settings.h"
#include "db/turns.h"

namespace fluxgate::files {
namespace {

namespace json = boost::json;
namespace setting = db::setting;

constexpr std::string_view kKey = "files";

Usage read_usage(const db::Row& row) { return {row.i64(0), static_cast<std::uint64_t>(row.i64(1))}; }

Error full(Errc errc, bool of_all, std::uint64_t limit, std::uint64_t used, std::uint64_t received) {
  Text words = of_all ? Text{fmt::format("The server's room for files is used up: {} of {} bytes; {} more were to be kept.",
                                         used, limit, received),
                             fmt::format("服务器的文件空间已用完：已用 {} / {} 字节，还需 {} 字节。", used, limit, received)}
                      : Text{fmt::format("Your room for files is used up: {} of {} bytes; {} more were to be kept. Delete "
                                         "some files, or ask an administrator for more.",
                                         used, limit, received),
                             fmt::format("您的文件空间已用完：已用 {} / {} 字节，还需 {} 字节。请删除部分文件或联系管理员扩容。",
                                         used, limit, received)};
  return Error(errc, "storage_quota", std::move(words))
      .with("scope", of_all ? "all" : "user")
      .with("limit", limit)
      .with("used", used)
      .with("received", received);
}

bool exceeds(std::uint64_t used, std::uint64_t more, std::uint64_t limit) {
  return limit != 0 && (more == 0 ? used >= limit : used + more > limit);
}

}  // namespace

std::uint64_t Rules::limit_of(const std::string& user_id) const {
  const auto own = users.find(user_id);
  return own == users.end() ? user_bytes : own->second;
}

Rules load_rules(db::Tx& tx) {
  const json::object stored = setting::load(tx, kKey);
  const auto bytes = [](const json::object& object, std::string_view member) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, setting::number(object, member, 0)));
  };
  Rules rules;
  rules.user_bytes = bytes(stored, "user_bytes");
  rules.total_bytes = bytes(stored, "total_bytes");
  if (const auto* users = stored.if_contains("users"); users && users->is_object())
    for (const auto& [id, limit] : users->as_object())
      if (limit.is_int64() && limit.as_int64() >= 0) rules.users[std::string(id)] = static_cast<std::uint64_t>(limit.as_int64());
  if (const auto* kept = stored.if_contains("retention_days"); kept && kept->is_object()) {
    const auto days = [&](std::string_view member) { return static_cast<int>(setting::number(kept->as_object(), member, 0)); };
    rules.retention = {days("result_images"), days("result_videos"), days("uploads"), days("unused_uploads")};
  }
  rules.grace_ms = setting::number(stored, "grace_s", rules.grace_ms / 1000) * 1000;
  rules.rev = setting::number(stored, "rev", 0);
  return rules;
}

json::object to_json(const Rules& rules) {
  json::object users;
  for (const auto& [id, limit] : rules.users) users[id] = static_cast<std::int64_t>(limit);
  return {{"user_bytes", static_cast<std::int64_t>(rules.user_bytes)},
          {"total_bytes", static_cast<std::int64_t>(rules.total_bytes)},
          {"users", std::move(users)},
          {"retention_days",
           {{"result_images", rules.retention.result_images},
            {"result_videos", rules.retention.result_videos},
            {"uploads", rules.retention.uploads},
            {"unused_uploads", rules.retention.unused_uploads}}},
          {"grace_s", rules.grace_ms / 1000},
          {"rev", rules.rev}};
}

bool save_rules(db::Tx& tx, const Rules& rules, Millis now) {
  return setting::save(tx, kKey, to_json(rules), rules.rev, now);
}

Usage usage_of(db::Tx& tx, std::string_view user_id) {
  return tx
      .first("SELECT files, bytes FROM fg_file_usage WHERE user_id = $1 AND source_type = '' AND file_type = ''", {user_id},
             read_usage)
      .value_or(Usage{});
}

Usage usage_of_all(db::Tx& tx) {
  return *tx.first("SELECT COALESCE(SUM(files), 0), COALESCE(SUM(bytes), 0) FROM fg_file_usage WHERE source_type = ''", {},
                   read_usage);
}

Result<void> check_room(db::Tx& tx, const std::string& user_id, std::uint64_t bytes, Errc errc) {
  const Rules rules = load_rules(tx);
  const std::uint64_t limit = rules.limit_of(user_id);
  if (limit != 0) {
    // One after the other, so that two that fit alone do not both come in.
    db::take_turns(tx, "files of " + user_id);
    const std::uint64_t used = usage_of(tx, user_id).bytes;
    if (exceeds(used, bytes, limit)) return fail(full(errc, false, limit, used, bytes));
  }
  if (rules.total_bytes != 0) {
    const std::uint64_t used = usage_of_all(tx).bytes;
    if (exceeds(used, bytes, rules.total_bytes)) return fail(full(errc, true, rules.total_bytes, used, bytes));
  }
  return {};
}

}  // namespace fluxgate::files
