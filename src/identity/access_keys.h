// Access keys for programs: "sk-" and 32 hex digits (128 random bits), sent as a bearer token. Only the
// SHA-256 is stored, with a visible prefix to tell keys apart; the key itself is shown once, when made.
// A key in Open WebUI's column `user.api_key`, or in its table `api_key`, works too and is never shown
// (spec/seed-api.md §12.1, spec/seed-db.md §2.1).
// All functions work inside the caller's transaction and may be repeated.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"
#include "identity/users.h"

namespace fluxgate::identity {

inline constexpr std::string_view kKeyPrefix = "sk-";
inline constexpr std::string_view kDefaultKeyName = "default";
inline constexpr int kKeysPerUser = 20;

struct AccessKey {
  std::string id;
  std::string name;
  std::string prefix;  // "sk-1a2b3c4d"
  Millis created_at = 0;
  std::optional<Millis> last_used_at;
  std::optional<Millis> expires_at;
};

// A key as it is made: `text` is all that ever shows it.
struct FreshKey {
  AccessKey key;
  std::string text;
};
// Random; makes nothing in the database yet.
FreshKey make_key(std::string_view name, Millis now, std::optional<Millis> expires_at = std::nullopt);

bool looks_like_key(std::string_view token);

// Stores it. With the default name it replaces the user's earlier default key and the imported one.
// conflict `too_many_keys` beyond kKeysPerUser.
Result<void> insert_key(db::Tx& tx, std::string_view user_id, const FreshKey& fresh);

// The working keys of a user, newest first.
std::vector<AccessKey> list_keys(db::Tx& tx, std::string_view user_id, Millis now);
bool has_imported_key(db::Tx& tx, std::string_view user_id);

// False when there was none.
bool revoke_key(db::Tx& tx, std::string_view user_id, std::string_view key_id, Millis now);
// Ends the default key and the imported one.
bool revoke_default_key(db::Tx& tx, std::string_view user_id, Millis now);

struct KeyOwner {
  User user;
  std::string key_id;  // "" for an imported key
  std::optional<Millis> expires_at;
};
std::optional<KeyOwner> find_key_owner(db::Tx& tx, std::string_view token, Millis now);

void touch_keys(db::Tx& tx, const std::vector<std::string>& key_ids, Millis now);

}  // namespace fluxgate::identity
