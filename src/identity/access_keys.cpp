#include "identity/access_keys.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "db/introspect.h"

namespace fluxgate::identity {
namespace {

constexpr std::size_t kVisible = 8;  // hex digits of the prefix
constexpr std::size_t kKeyBytesMax = 128;
constexpr Millis kRevokedKept = 30LL * 24 * 3600 * 1000;  // ended keys stay a month for questions

AccessKey read_key(const db::Row& row) {
  return {row.str(0), row.str(1), row.str(2), row.i64(3), row.maybe_i64(4), row.maybe_i64(5)};
}

// Where Open WebUI keeps its keys, in clear: a column of `user`, or since the end of 2025 a table. Asked each time:
// its migrations may run while we serve.
bool keys_in_column(db::Tx& tx) { return db::has_column(tx, "user", "api_key"); }
bool keys_in_table(db::Tx& tx) { return db::has_column(tx, "api_key", "key") && db::has_column(tx, "api_key", "user_id"); }

std::optional<std::string> imported_key_owner(db::Tx& tx, std::string_view token, Millis now) {
  const auto user_id = [](const db::Row& row) { return row.str(0); };
  std::optional<std::string> owner;
  if (keys_in_column(tx)) owner = tx.first("SELECT id FROM \"user\" WHERE api_key = $1", {token}, user_id);
  if (!owner && keys_in_table(tx))
    owner = tx.first("SELECT user_id FROM api_key WHERE key = $1 AND (expires_at IS NULL OR expires_at > $2)", {token, now / 1000},
                     user_id);
  return owner;
}

}  // namespace

FreshKey make_key(std::string_view name, Millis now, std::optional<Millis> expires_at) {
  FreshKey fresh;
  fresh.text = fmt::format("{}{}", kKeyPrefix, crypto::random_hex(16));
  fresh.key.id = new_id(now);
  fresh.key.name = name;
  fresh.key.prefix = fresh.text.substr(0, kKeyPrefix.size() + kVisible);
  fresh.key.created_at = now;
  fresh.key.expires_at = expires_at;
  return fresh;
}

bool looks_like_key(std::string_view token) {
  return token.starts_with(kKeyPrefix) && token.size() <= kKeyBytesMax;
}

Result<void> insert_key(db::Tx& tx, std::string_view user_id, const FreshKey& fresh) {
  const AccessKey& key = fresh.key;
  lock_user(tx, user_id);  // they are counted
  if (!find_user(tx, user_id)) return fail(user_not_found());
  // A default key takes the place of the one it replaces.
  const auto others = tx.number(
      "SELECT COUNT(*) FROM fg_access_key WHERE user_id = $1 AND revoked_at IS NULL AND name <> $2 "
      "AND (expires_at IS NULL OR expires_at > $3)",
      {user_id, key.name == kDefaultKeyName ? kDefaultKeyName : std::string_view(), key.created_at});
  if (others >= kKeysPerUser)
    return fail(Error(Errc::conflict, "too_many_keys",
                      {fmt::format("An account has at most {} keys. Delete one first.", kKeysPerUser),
                       fmt::format("每个账号最多 {} 个密钥,请先删除一个。", kKeysPerUser)})
                    .with("max", kKeysPerUser));
  tx.exec("DELETE FROM fg_access_key WHERE user_id = $1 AND revoked_at < $2",
          {user_id, key.created_at - kRevokedKept});
  if (key.name == kDefaultKeyName) revoke_default_key(tx, user_id, key.created_at);
  tx.exec(
      "INSERT INTO fg_access_key (id, user_id, name, prefix, key_hash, created_at, expires_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {key.id, user_id, key.name, key.prefix, crypto::sha256_hex(fresh.text), key.created_at,
       key.expires_at});
  return {};
}

std::vector<AccessKey> list_keys(db::Tx& tx, std::string_view user_id, Millis now) {
  return tx.all(
      "SELECT id, name, prefix, created_at, last_used_at, expires_at FROM fg_access_key "
      "WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) "
      "ORDER BY created_at DESC, id DESC",
      {user_id, now}, read_key);
}

bool has_imported_key(db::Tx& tx, std::string_view user_id) {
  if (keys_in_column(tx) && tx.number("SELECT COUNT(*) FROM \"user\" WHERE id = $1 AND api_key IS NOT NULL", {user_id}) != 0) return true;
  return keys_in_table(tx) && tx.number("SELECT COUNT(*) FROM api_key WHERE user_id = $1", {user_id}) != 0;
}

bool revoke_key(db::Tx& tx, std::string_view user_id, std::string_view key_id, Millis now) {
  return tx.exec(
             "UPDATE fg_access_key SET revoked_at = $1 WHERE id = $2 AND user_id = $3 AND revoked_at IS NULL",
             {now, key_id, user_id}) != 0;
}

bool revoke_default_key(db::Tx& tx, std::string_view user_id, Millis now) {
  lock_user(tx, user_id);
  const auto ours = tx.exec(
      "UPDATE fg_access_key SET revoked_at = $1 WHERE user_id = $2 AND name = $3 AND revoked_at IS NULL",
      {now, user_id, kDefaultKeyName});
  std::int64_t imported = 0;
  if (keys_in_column(tx))
    imported += tx.exec("UPDATE \"user\" SET api_key = NULL WHERE id = $1 AND api_key IS NOT NULL", {user_id});
  if (keys_in_table(tx)) imported += tx.exec("DELETE FROM api_key WHERE user_id = $1", {user_id});
  return ours + imported != 0;
}

std::optional<KeyOwner> find_key_owner(db::Tx& tx, std::string_view token, Millis now) {
  struct Found {
    std::string user_id, key_id;
    std::optional<Millis> expires_at;
  };
  auto found = tx.first(
      "SELECT user_id, id, expires_at FROM fg_access_key WHERE key_hash = $1 "
      "AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
      {crypto::sha256_hex(token), now},
      [](const db::Row& row) { return Found{row.str(0), row.str(1), row.maybe_i64(2)}; });
  if (!found)
    if (auto owner = imported_key_owner(tx, token, now)) found = Found{std::move(*owner), "", std::nullopt};
  if (!found) return std::nullopt;
  auto user = find_user(tx, found->user_id);
  if (!user) return std::nullopt;
  return KeyOwner{std::move(*user), std::move(found->key_id), found->expires_at};
}

void touch_keys(db::Tx& tx, const std::vector<std::string>& key_ids, Millis now) {
  for (const std::string& id : key_ids)
    tx.exec("UPDATE fg_access_key SET last_used_at = $1 WHERE id = $2", {now, id});
}

}  // namespace fluxgate::identity
