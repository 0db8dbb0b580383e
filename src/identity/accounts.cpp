// The administration half of Identity: accounts, keys, documents, settings.
#include "base/ids.h"
#include "identity/checked_form.h"
#include "identity/identity.h"
#include "identity/input.h"

namespace fluxgate::identity {
namespace {

constexpr std::size_t kKeyNameMax = 64;  // bytes

Error primary_admin() {
  return Error(Errc::forbidden, "primary_admin",
               {"The first administrator's account is protected: only its owner changes it, and it stays an "
                "administrator.",
                "首位管理员的账号受保护:只能由本人修改,且始终为管理员。"});
}

Error wrong_password() {
  return Error(Errc::bad_request, "wrong_password", {"The current password is wrong.", "当前密码不正确。"});
}

// The change an admin asked for, cleaned. What equals the stored value is not judged: an imported account
// may have an e-mail or picture that today's rules would refuse.
Result<UserChange> cleaned(const User& user, const UserUpdate& update, int password_byte_limit) {
  UserChange change;
  change.role = update.role;
  if (update.name && *update.name != user.name) {
    FLUX_TRY(name, clean_name(*update.name));
    change.name = std::move(name);
  }
  if (update.email && *update.email != user.email) {
    FLUX_TRY(email, clean_email(*update.email));
    change.email = std::move(email);
  }
  if (update.profile_image_url && *update.profile_image_url != user.profile_image_url) {
    FLUX_TRY(picture, clean_picture(*update.profile_image_url));
    change.profile_image_url = std::move(picture);
  }
  if (update.password && !update.password->empty())
    FLUX_CHECK(check_password(*update.password, "password", password_byte_limit));
  return change;
}

Result<void> may_change(db::Tx& tx, std::string_view actor_id, std::string_view user_id,
                        const std::optional<Role>& role) {
  if (primary_admin_id(tx) != user_id) return {};
  if (actor_id != user_id || (role && *role != Role::admin)) return fail(primary_admin());
  return {};
}

Result<void> keys_enabled(db::Tx& tx, const GivenSettings& given) {
  if (account_settings(load_settings(tx), given).enable_api_key) return {};
  return fail(api_key_disabled());
}

}  // namespace

Error api_key_disabled() {
  return Error(Errc::forbidden, "api_key_disabled",
               {"Access keys are switched off.", "访问密钥功能已关闭。"});
}

awaitable<Result<User>> Identity::user(std::string user_id) {
  auto found = co_await database_.read([user_id](db::Tx& tx) { return find_user(tx, user_id); });
  if (!found) co_return fail(user_not_found());
  co_return std::move(*found);
}

awaitable<UserPage> Identity::list_users(UserQuery query) {
  auto page = co_await database_.read(
      [query = std::move(query)](db::Tx& tx) { return identity::list_users(tx, query); });
  co_return page;
}

awaitable<Result<Session>> Identity::change_password(std::string user_id, std::string current,
                                                     std::string next) {
  FLUX_CO_CHECK(check_password(next, "new_password", hashes_.byte_limit()));
  struct Found {
    std::optional<Credentials> credentials;
    AccountSettings settings;
  };
  auto found = co_await database_.read([user_id, given = options_.given](db::Tx& tx) {
    return Found{find_credentials(tx, user_id), account_settings(load_settings(tx), given)};
  });
  if (!found.credentials) co_return fail(user_not_found());
  auto attempted = co_await attempt(fmt::format("password {}", user_id), std::move(current),
                                    found.credentials->password_hash);
  FLUX_CO_TRY(right, std::move(attempted));
  if (!right) co_return fail(wrong_password());

  auto hashed = co_await hashes_.hash(std::move(next));
  FLUX_CO_TRY(hash, std::move(hashed));
  UserChange change;
  change.password_hash = std::move(hash);
  auto changed = co_await database_.write([user_id, change = std::move(change), proven = found.credentials->password_hash,
                                           now = clock_.now_ms()](db::Tx& tx) -> Result<User> {
    lock_user(tx, user_id);  // of two changes at once that know the same password, one wins
    const auto present = find_credentials(tx, user_id);
    if (present && present->password_hash != proven) return fail(wrong_password());
    return change_user(tx, user_id, change, now);
  });
  cache_.forget(user_id);
  FLUX_CO_TRY(user, std::move(changed));
  co_return start_session(std::move(user), tokens_, clock_.now_ms(), found.settings.session_lifetime);
}

awaitable<Result<User>> Identity::update_profile(std::string user_id, std::string name,
                                                 std::string profile_image_url) {
  auto found = co_await user(user_id);
  FLUX_CO_TRY(before, std::move(found));
  UserUpdate update;
  update.name = std::move(name);
  update.profile_image_url = std::move(profile_image_url);
  FLUX_CO_TRY(change, cleaned(before, update, hashes_.byte_limit()));
  auto changed = co_await database_.write([user_id, change = std::move(change), now = clock_.now_ms()](
                                              db::Tx& tx) { return change_user(tx, user_id, change, now); });
  cache_.forget(user_id);
  co_return changed;
}

awaitable<Result<User>> Identity::update_user(Principal actor, std::string user_id, UserUpdate update) {
  auto found = co_await database_.read(
      [user_id, actor_id = actor.user_id, role = update.role](db::Tx& tx) -> Result<User> {
        auto before = find_user(tx, user_id);
        if (!before) return fail(user_not_found());
        FLUX_CHECK(may_change(tx, actor_id, user_id, role));
        return std::move(*before);
      });
  FLUX_CO_TRY(before, std::move(found));
  FLUX_CO_TRY(change, cleaned(before, update, hashes_.byte_limit()));
  if (update.password && !update.password->empty()) {
    auto hashed = co_await hashes_.hash(std::move(*update.password));
    FLUX_CO_TRY(hash, std::move(hashed));
    change.password_hash = std::move(hash);
  }
  auto changed = co_await database_.write([user_id, actor_id = actor.user_id, change = std::move(change),
                                           now = clock_.now_ms()](db::Tx& tx) -> Result<User> {
    FLUX_CHECK(may_change(tx, actor_id, user_id, change.role));
    return change_user(tx, user_id, change, now);
  });
  cache_.forget(user_id);
  co_return changed;
}

awaitable<Result<void>> Identity::delete_user(Principal actor, std::string user_id) {
  if (actor.user_id == user_id)
    co_return fail(Errc::forbidden, "cannot_delete_self",
                   {"You cannot delete your own account.", "不能删除自己的账号。"});
  auto removed = co_await database_.write([user_id, now = clock_.now_ms()](db::Tx& tx) -> Result<void> {
    lock_user(tx, user_id);
    if (!find_user(tx, user_id)) return fail(user_not_found());
    if (primary_admin_id(tx) == user_id) return fail(primary_admin());
    remove_user(tx, user_id, now);
    return {};
  });
  cache_.forget(user_id);
  co_return removed;
}

awaitable<Result<FreshKey>> Identity::create_key(std::string user_id, std::string name,
                                                 std::optional<Millis> expires_at) {
  const Millis now = clock_.now_ms();
  if (name.empty() || name.size() > kKeyNameMax || !clean_name(name))
    co_return fail(field_error("name", "string_too_long",
                               {fmt::format("A key's name has 1 to {} bytes.", kKeyNameMax),
                                fmt::format("密钥名称应为 1 到 {} 字节。", kKeyNameMax)},
                               {{"max_length", kKeyNameMax}}));
  if (expires_at && *expires_at <= now)
    co_return fail(field_error("expires_at", "greater_than", {"This moment has passed.", "该时间已过。"}));
  const FreshKey fresh = make_key(name, now, expires_at);
  auto stored =
      co_await database_.write([user_id, fresh, given = options_.given](db::Tx& tx) -> Result<void> {
        FLUX_CHECK(keys_enabled(tx, given));
        return insert_key(tx, user_id, fresh);
      });
  FLUX_CO_CHECK(std::move(stored));
  cache_.forget(user_id);  // of the default key it replaced
  co_return fresh;
}

awaitable<Result<Identity::Keys>> Identity::keys(std::string user_id) {
  auto found = co_await database_.read([user_id, now = clock_.now_ms()](db::Tx& tx) {
    return Keys{identity::list_keys(tx, user_id, now), has_imported_key(tx, user_id)};
  });
  co_return found;
}

awaitable<Result<bool>> Identity::delete_key(std::string user_id, std::string key_id) {
  const bool deleted = co_await database_.write(
      [user_id, key_id, now = clock_.now_ms()](db::Tx& tx) { return revoke_key(tx, user_id, key_id, now); });
  cache_.forget(user_id);
  co_return deleted;
}

awaitable<Result<bool>> Identity::delete_default_key(std::string user_id) {
  const bool deleted = co_await database_.write(
      [user_id, now = clock_.now_ms()](db::Tx& tx) { return revoke_default_key(tx, user_id, now); });
  cache_.forget(user_id);
  co_return deleted;
}

awaitable<boost::json::object> Identity::document(std::string user_id, UserDocument which) {
  auto value =
      co_await database_.read([user_id, which](db::Tx& tx) { return load_document(tx, user_id, which); });
  co_return value;
}

awaitable<Result<boost::json::object>> Identity::merge_document(std::string user_id, UserDocument which,
                                                                boost::json::object changes) {
  auto merged = co_await database_.write(
      [user_id, which, changes = std::move(changes)](db::Tx& tx) -> Result<boost::json::object> {
        lock_user(tx, user_id);
        auto value = load_document(tx, user_id, which);
        for (const auto& [key, member] : changes) value[key] = member;
        const auto size = boost::json::serialize(value).size();
        if (size > kDocumentBytesMax)
          return fail(Error(Errc::payload_too_large, "document_too_large",
                            {fmt::format("These settings may take {} KiB in all.", kDocumentBytesMax / 1024),
                             fmt::format("这些设置总共最多 {} KiB。", kDocumentBytesMax / 1024)})
                          .with("max", kDocumentBytesMax)
                          .with("actual", size));
        store_document(tx, user_id, which, value);
        return value;
      });
  co_return merged;
}

awaitable<boost::json::object> Identity::stored_settings() {
  auto stored = co_await database_.read([](db::Tx& tx) { return load_settings(tx); });
  co_return stored;
}

awaitable<boost::json::object> Identity::admin_config() {
  const auto stored = co_await stored_settings();
  co_return admin_settings(stored, options_.given);
}

awaitable<Result<boost::json::object>> Identity::set_admin_config(boost::json::object wanted) {
  auto stored = co_await database_.write([wanted = std::move(wanted), given = options_.given,
                                          now = clock_.now_ms()](db::Tx& tx) -> Result<boost::json::object> {
    const auto before = load_settings(tx);
    FLUX_TRY(changes, admin_changes(wanted, before, given));
    store_settings(tx, changes, now);
    return admin_settings(load_settings(tx), given);
  });
  cache_.forget_all();  // what keys may do can have changed
  co_return stored;
}

awaitable<Result<User>> Identity::contact_admin() {
  auto found = co_await database_.read([given = options_.given](db::Tx& tx) -> Result<User> {
    const auto stored = load_settings(tx);
    const auto shown = admin_settings(stored, given);
    auto admin = find_user(tx, primary_admin_id(tx));
    if (!admin || !shown.at("SHOW_ADMIN_DETAILS").as_bool())
      return fail(Errc::bad_request, "not_shown",
                  {"The administrator's address is not shown.", "未公开管理员信息。"});
    if (const auto* email = setting_at(stored, "auth.admin.email"); email != nullptr && email->is_string())
      admin->email = email->as_string();
    return std::move(*admin);
  });
  co_return found;
}

}  // namespace fluxgate::identity
