#include "identity/console.h"

#include "base/ids.h"
#include "identity/checked_form.h"
#include "identity/input.h"

namespace fluxgate::identity {

Console::Console(db::Database& database, const Clock& clock, Options options)
    : database_(database), clock_(clock), options_(std::move(options)) {}

int Console::byte_limit() const {
  return options_.scheme == HashScheme::bcrypt ? kBcryptBytesMax : kPasswordBytesMax;
}

Result<User> Console::add(const SignUp& form, std::optional<Role> role) {
  FLUX_TRY(checked, check_form(form, byte_limit()));
  const Millis now = clock_.now_ms();
  NewUser fresh{new_id(now),     checked.name,
                checked.email,   hash_password(checked.password, options_.scheme, options_.cost),
                checked.picture, role.value_or(Role::user)};
  const FirstAdmin first = role ? FirstAdmin::no : FirstAdmin::wins;
  return database_.write_now([fresh, first, now, hook = options_.on_new_user](db::Tx& tx) -> Result<User> {
    FLUX_TRY(user, insert_user(tx, fresh, first, now));
    if (hook) hook(tx, user.id, now);
    return user;
  });
}

Result<User> Console::find(std::string_view who) {
  return database_.read_now([who = std::string(who)](db::Tx& tx) -> Result<User> {
    auto user = find_user(tx, who);
    if (!user) user = find_user_by_email(tx, lookup_email(who));
    if (!user) return fail(user_not_found());
    return std::move(*user);
  });
}

UserPage Console::list(const UserQuery& query) {
  return database_.read_now([query](db::Tx& tx) { return list_users(tx, query); });
}

Result<User> Console::change(std::string_view who, const UserChange& change) {
  FLUX_TRY(user, find(who));
  return database_.write_now(
      [id = user.id, change, now = clock_.now_ms()](db::Tx& tx) { return change_user(tx, id, change, now); });
}

Result<User> Console::set_password(std::string_view who, std::string_view password) {
  FLUX_CHECK(check_password(password, "password", byte_limit()));
  UserChange wanted;
  wanted.password_hash = hash_password(password, options_.scheme, options_.cost);
  return change(who, wanted);
}

Result<User> Console::set_role(std::string_view who, Role role) {
  UserChange wanted;
  wanted.role = role;
  return change(who, wanted);
}

Result<Session> Console::token(std::string_view who, const Tokens& tokens,
                               std::chrono::milliseconds lifetime) {
  FLUX_TRY(user, find(who));
  return start_session(user, tokens, clock_.now_ms(), lifetime);
}

}  // namespace fluxgate::identity
