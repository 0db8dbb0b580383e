#include "files/objects.h"

#include <fmt/format.h>

#include "db/turns.h"
#include "files/rules.h"
#include "files/rows.h"

namespace fluxgate::files::objects {
namespace {

constexpr std::string_view kColumns = "key, size, refs, place, cloud_path, etag, tries, error";

Object read(const db::Row& row) {
  return {row.str(0), static_cast<std::uint64_t>(row.i64(1)), row.i64(2), row.str(3),
          row.str(4), row.str(5),                             row.i64(6), row.str(7)};
}

// Whether what is stored now is to be brought to a store.
bool store_takes_new(db::Tx& tx) {
  return tx.number("SELECT 1 FROM cloud_storage_config WHERE enabled AND auto_upload AND provider <> 'local' LIMIT 1") != 0;
}

// Claims of nodes that live no more are void.
constexpr std::string_view kFree =
    "(owner IS NULL OR owner = $1 OR NOT EXISTS (SELECT 1 FROM fg_node n WHERE n.id = fg_file_object.owner AND "
    "n.lease_until > $2))";

}  // namespace

Object refer(db::Tx& tx, const Stored& stored, Millis now) {
  const bool local = stored.place == kLocal;
  // A copy that came again beside one in a store is tidied away at once.
  const std::optional<Millis> due = local && store_takes_new(tx) ? std::optional(now) : std::nullopt;
  static const std::string sql = fmt::format(
      "INSERT INTO fg_file_object (key, size, refs, place, cloud_path, etag, next_at) VALUES ($1, $2, 1, $3, $4, $5, $6) "
      "ON CONFLICT (key) DO UPDATE SET refs = fg_file_object.refs + 1, "
      "next_at = CASE WHEN fg_file_object.place = 'local' THEN $6 ELSE $7 END RETURNING {}",
      kColumns);
  const auto cloud_path = local ? std::nullopt : std::optional(stored.cloud_path);
  const auto etag = local ? std::nullopt : std::optional(stored.etag);
  const std::optional<Millis> tidy = local ? std::optional(now) : std::nullopt;
  return *tx.first(sql, {stored.key, stored.size, stored.place, cloud_path, etag, due, tidy}, read);
}

void release(db::Tx& tx, std::string_view key, Millis now) {
  const Millis gone_at = now + load_rules(tx).grace_ms;
  tx.exec(
      "UPDATE fg_file_object SET refs = refs - 1, next_at = CASE WHEN refs = 1 THEN $2 ELSE next_at END "
      "WHERE key = $1 AND refs > 0",
      {key, gone_at});
}

std::optional<Object> find(db::Tx& tx, std::string_view key) {
  static const std::string sql = fmt::format("SELECT {} FROM fg_file_object WHERE key = $1", kColumns);
  return tx.first(sql, {key}, read);
}

std::vector<Object> page(db::Tx& tx, std::string_view after, int limit) {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_file_object WHERE refs > 0 AND key > $1 ORDER BY key LIMIT $2", kColumns);
  return tx.all(sql, {after, limit}, read);
}

bool reserve(db::Tx& tx, const Stored& stored, Millis now) {
  const Millis until = now + load_rules(tx).grace_ms;
  const auto path = stored.place == kLocal ? std::nullopt : std::optional(stored.cloud_path);
  return tx.exec(
             "INSERT INTO fg_file_object (key, size, refs, place, cloud_path, next_at) VALUES ($1, $2, 0, $3, $4, $5) "
             "ON CONFLICT (key) DO UPDATE SET next_at = CASE WHEN fg_file_object.refs = 0 THEN $5 ELSE "
             "fg_file_object.next_at END WHERE fg_file_object.refs > 0 OR fg_file_object.owner IS NULL",
             {stored.key, stored.size, stored.place, path, until}) == 1;
}

void abandon(db::Tx& tx, const std::vector<Stored>& all, Millis now) {
  for (const Stored& stored : all) static_cast<void>(reserve(tx, stored, now));
}

std::vector<Object> claim(db::Tx& tx, std::string_view node, Millis now, int limit, const std::set<std::string>& under_way) {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_file_object WHERE next_at <= $3 AND {} ORDER BY next_at, key LIMIT $4", kColumns, kFree);
  static const std::string locked = sql + " FOR UPDATE SKIP LOCKED";
  auto due = tx.all(tx.dialect() == db::Dialect::postgresql ? locked : sql,
                    {node, db::shared_now(tx, now), now, limit + static_cast<int>(under_way.size())}, read);
  std::erase_if(due, [&](const Object& object) { return under_way.contains(object.key); });
  due.resize(std::min(due.size(), static_cast<std::size_t>(limit)));
  for (const Object& object : due) tx.exec("UPDATE fg_file_object SET owner = $2 WHERE key = $1", {object.key, node});
  return due;
}

std::optional<Object> claim_one(db::Tx& tx, std::string_view node, std::string_view key, Millis now) {
  static const std::string sql =
      fmt::format("UPDATE fg_file_object SET owner = $1 WHERE key = $3 AND {} RETURNING {}", kFree, kColumns);
  return tx.first(sql, {node, db::shared_now(tx, now), key}, read);
}

bool any_due(db::Tx& tx, Millis now) {
  return tx.number("SELECT 1 FROM fg_file_object WHERE next_at <= $1 LIMIT 1", {now}) != 0;
}

bool moved(db::Tx& tx, std::string_view node, const Object& object, const Moved& to, Millis now) {
  const Millis gone_at = now + load_rules(tx).grace_ms;
  const bool local = to.place == kLocal;
  const auto path = local ? std::nullopt : std::optional(to.cloud_path);
  const auto etag = local ? std::nullopt : std::optional(to.etag);
  if (tx.exec("UPDATE fg_file_object SET place = $3, cloud_path = $4, etag = $5, owner = NULL, tries = 0, error = NULL, "
              "next_at = CASE WHEN refs = 0 THEN $6 ELSE NULL END WHERE key = $1 AND owner = $2 AND place = $7",
              {object.key, node, to.place, path, etag, gone_at, object.place}) != 1)
    return false;
  const std::string time = sql_time(now);
  const auto url = local || to.cloud_url.empty() ? std::nullopt : std::optional(to.cloud_url);
  const auto here = local ? std::optional(object.key) : std::nullopt;
  if (object.is_local())
    tx.exec(
        "UPDATE generated_files SET storage_provider = $2, local_path = $3, cloud_path = $4, cloud_url = $5, "
        "updated_at = $6 WHERE local_path = $1",
        {object.key, to.provider, here, path, url, time});
  else
    tx.exec(
        "UPDATE generated_files SET storage_provider = $2, local_path = $3, cloud_path = $4, cloud_url = $5, "
        "updated_at = $6 WHERE cloud_path = $1",
        {object.cloud_path, to.provider, here, path, url, time});
  return true;
}

void put_back(db::Tx& tx, std::string_view node, std::string_view key, std::optional<Millis> next_at,
              std::string_view error, bool counted) {
  const auto said = error.empty() ? std::nullopt : std::optional(error);
  tx.exec(
      "UPDATE fg_file_object SET owner = NULL, next_at = $3, error = $4, tries = tries + $5 WHERE key = $1 AND owner = $2",
      {key, node, next_at, said, counted});
}

bool may_remove(db::Tx& tx, std::string_view node, std::string_view key) {
  return tx.number("SELECT 1 FROM fg_file_object WHERE key = $1 AND owner = $2 AND refs = 0", {key, node}) != 0;
}

bool removed(db::Tx& tx, std::string_view node, std::string_view key, Millis now) {
  if (tx.exec("DELETE FROM fg_file_object WHERE key = $1 AND owner = $2 AND refs = 0", {key, node}) == 1) return true;
  const auto object = find(tx, key);
  if (!object) return true;
  if (object->is_local()) {
    put_back(tx, node, key, now);
    return false;
  }
  static_cast<void>(moved(tx, node, *object, {std::string(kLocal), std::string(kLocal), {}, {}, {}}, now));
  tx.exec("UPDATE fg_file_object SET next_at = $2 WHERE key = $1", {key, now});
  return false;
}

}  // namespace fluxgate::files::objects
