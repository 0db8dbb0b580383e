#include "identity/users.h"

#include "identity/input.h"

namespace fluxgate::identity {
namespace {

constexpr std::string_view kColumns =
    "u.id, u.name, u.email, u.role, u.profile_image_url, u.created_at, u.updated_at, u.last_active_at, "
    "COALESCE(f.tokens_valid_after, 0)";
constexpr std::string_view kFrom = "FROM \"user\" u LEFT JOIN fg_user f ON f.user_id = u.id";
constexpr int kColumnCount = 9;
// Accounts of the address $1, which is in lower case; in old databases some are stored as they were typed.
constexpr std::string_view kHasAddress = "(u.email = $1 OR LOWER(TRIM(u.email)) = $1)";
constexpr std::string_view kFirstOfThem = "ORDER BY CASE WHEN u.email = $1 THEN 0 ELSE 1 END, u.created_at, u.id LIMIT 1";

User read_user(const db::Row& row) {
  User user;
  user.id = row.str(0);
  user.name = row.str(1);
  user.email = row.str(2);
  user.role = role_of(row.text(3));
  user.profile_image_url = row.str(4);
  user.created_at = row.i64(5);
  user.updated_at = row.i64(6);
  user.last_active_at = row.i64(7);
  user.tokens_valid_after = row.i64(8);
  return user;
}

std::string email_claim(std::string_view email) { return fmt::format("email:{}", email); }

// True when `user_id` now holds the address. Waits, on PostgreSQL, for another that is just claiming it.
bool claim_email(db::Tx& tx, std::string_view email, std::string_view user_id, Millis now) {
  const std::string claim = email_claim(email);
  if (tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
              {claim, user_id, now}) == 1)
    return true;
  // A claim outlives its account when Open WebUI removed it or changed its address; then it is taken over.
  const auto holder = tx.first("SELECT value FROM fg_once WHERE name = $1", {claim},
                               [](const db::Row& row) { return row.str(0); });
  if (!holder) return false;
  if (*holder == user_id) return true;
  return tx.exec(
             "UPDATE fg_once SET value = $1 WHERE name = $2 AND value = $3 AND NOT EXISTS "
             "(SELECT 1 FROM \"user\" WHERE id = $3 AND email = $4)",
             {user_id, claim, *holder, email}) == 1;
}

void release_email(db::Tx& tx, std::string_view email, std::string_view user_id) {
  tx.exec("DELETE FROM fg_once WHERE name = $1 AND value = $2", {email_claim(email), user_id});
}

bool email_in_use(db::Tx& tx, std::string_view email, std::string_view except_id) {
  return tx.number(fmt::format("SELECT COUNT(*) FROM \"user\" u WHERE {} AND u.id <> $2", kHasAddress), {email, except_id}) != 0;
}

bool wins_first_admin(db::Tx& tx, std::string_view user_id, Millis now) {
  if (tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM \"user\" WHERE COALESCE(email, '') <> $1 LIMIT 1) AS one", {kLocalUser}) != 0)
    return false;
  return tx.exec(
             "INSERT INTO fg_once (name, value, created_at) VALUES ('first_admin', $1, $2) "
             "ON CONFLICT DO NOTHING",
             {user_id, now}) == 1;
}

std::optional<Credentials> find_with_hash(db::Tx& tx, std::string_view where, std::string_view value) {
  return tx.first(
      fmt::format("SELECT {}, a.password, CASE WHEN a.active THEN 1 ELSE 0 END {} "
                  "LEFT JOIN auth a ON a.id = u.id WHERE {} {}",
                  kColumns, kFrom, where, kFirstOfThem),
      {value}, [](const db::Row& row) {
        Credentials found{read_user(row), std::nullopt};
        if (row.flag(kColumnCount + 1)) found.password_hash = row.maybe_str(kColumnCount);
        return found;
      });
}

// "%50\%%" finds "50%".
std::string like_pattern(std::string_view text) {
  std::string pattern = "%";
  for (char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

std::string_view document_column(UserDocument which) {
  return which == UserDocument::settings ? "settings" : "info";
}

}  // namespace

Role role_of(std::string_view text) { return parse_role(text).value_or(Role::pending); }

Error email_taken() {
  return Error(Errc::bad_request, "email_taken",
               {"This e-mail address already has an account.", "该邮箱已被注册。"});
}

Error user_not_found() {
  return Error(Errc::not_found, "user_not_found", {"There is no such user.", "用户不存在。"});
}

Result<User> insert_user(db::Tx& tx, const NewUser& user, FirstAdmin first, Millis now) {
  if (email_in_use(tx, user.email, user.id) || !claim_email(tx, user.email, user.id, now))
    return fail(email_taken());
  const bool may_be_first = first == FirstAdmin::wins || user.role == Role::admin;
  const Role role = may_be_first && wins_first_admin(tx, user.id, now) ? Role::admin : user.role;
  const std::int64_t seconds = now / 1000;
  tx.exec(
      "INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, "
      "last_active_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $6, $6)",
      {user.id, user.name, user.email, name(role), user.profile_image_url, seconds});
  tx.exec("INSERT INTO auth (id, email, password, active) VALUES ($1, $2, $3, TRUE)",
          {user.id, user.email, user.password_hash});
  tx.exec("INSERT INTO fg_user (user_id, created_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
          {user.id, now});
  return *find_user(tx, user.id);
}

std::optional<User> find_user(db::Tx& tx, std::string_view id) {
  return tx.first(fmt::format("SELECT {} {} WHERE u.id = $1", kColumns, kFrom), {id}, read_user);
}

void lock_user(db::Tx& tx, std::string_view id) {
  tx.number(fmt::format("SELECT 1 FROM \"user\" WHERE id = $1{}", tx.for_update()), {id});
}

std::optional<User> find_user_by_email(db::Tx& tx, std::string_view email) {
  return tx.first(fmt::format("SELECT {} {} WHERE {} {}", kColumns, kFrom, kHasAddress, kFirstOfThem), {email}, read_user);
}

std::optional<Credentials> find_credentials_by_email(db::Tx& tx, std::string_view email) {
  return find_with_hash(tx, kHasAddress, email);
}
std::optional<Credentials> find_credentials(db::Tx& tx, std::string_view user_id) {
  return find_with_hash(tx, "u.id = $1", user_id);
}

std::string primary_admin_id(db::Tx& tx) {
  const auto read_id = [](const db::Row& row) { return row.str(0); };
  const auto winner =
      tx.first("SELECT u.id FROM fg_once o JOIN \"user\" u ON u.id = o.value WHERE o.name = 'first_admin'",
               {}, read_id);
  if (winner) return *winner;
  return tx.first("SELECT id FROM \"user\" ORDER BY created_at, id LIMIT 1", {}, read_id).value_or("");
}

Result<User> change_user(db::Tx& tx, std::string_view id, const UserChange& change, Millis now) {
  lock_user(tx, id);
  const auto before = find_user(tx, id);
  if (!before) return fail(user_not_found());
  const std::string email = change.email.value_or(before->email);
  const Role role = change.role.value_or(before->role);
  const bool moves = email != before->email;
  if (moves && (email_in_use(tx, email, id) || !claim_email(tx, email, id, now))) return fail(email_taken());
  if (moves) release_email(tx, before->email, id);

  tx.exec(
      "UPDATE \"user\" SET name = $1, email = $2, role = $3, profile_image_url = $4, updated_at = $5 "
      "WHERE id = $6",
      {change.name.value_or(before->name), email, name(role),
       change.profile_image_url.value_or(before->profile_image_url), now / 1000, id});
  if (moves) tx.exec("UPDATE auth SET email = $1 WHERE id = $2", {email, id});
  if (change.password_hash &&
      tx.exec("UPDATE auth SET password = $1 WHERE id = $2", {*change.password_hash, id}) == 0)
    tx.exec("INSERT INTO auth (id, email, password, active) VALUES ($1, $2, $3, TRUE)",
            {id, email, *change.password_hash});
  if (moves || change.password_hash || role != before->role) end_tokens(tx, id, now);
  return *find_user(tx, id);
}

void refresh_hash(db::Tx& tx, std::string_view id, std::string_view old_hash, std::string_view new_hash) {
  tx.exec("UPDATE auth SET password = $1 WHERE id = $2 AND password = $3", {new_hash, id, old_hash});
}

Millis end_tokens(db::Tx& tx, std::string_view user_id, Millis now) {
  // One above now: a token issued in this very millisecond ends too, the next one is issued at the bound.
  tx.exec(
      "INSERT INTO fg_user (user_id, tokens_valid_after, created_at) VALUES ($1, $2, $3) "
      "ON CONFLICT (user_id) DO UPDATE SET tokens_valid_after = CASE "
      "WHEN fg_user.tokens_valid_after >= $2 THEN fg_user.tokens_valid_after + 1 ELSE $2 END",
      {user_id, now + 1, now});
  return tx.number("SELECT tokens_valid_after FROM fg_user WHERE user_id = $1", {user_id});
}

void remove_user(db::Tx& tx, std::string_view id, Millis now) {
  lock_user(tx, id);
  if (const auto user = find_user(tx, id)) release_email(tx, user->email, id);
  tx.exec("DELETE FROM auth WHERE id = $1", {id});
  tx.exec("DELETE FROM fg_access_key WHERE user_id = $1", {id});
  tx.exec("DELETE FROM \"user\" WHERE id = $1", {id});
  // Read by files/retention.h, which has the files removed, also those that tasks still under way deliver.
  tx.exec("INSERT INTO fg_once (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", {fmt::format("closed:{}", id), now});
  // fg_user stays: it numbers the events of tasks that are still running.
  end_tokens(tx, id, now);
}

bool is_user_order(std::string_view column) {
  constexpr std::string_view kOrders[] = {"name",           "email",      "created_at",
                                          "last_active_at", "updated_at", "role"};
  return std::ranges::find(kOrders, column) != std::end(kOrders);
}

UserPage list_users(db::Tx& tx, const UserQuery& query) {
  FLUX_ASSERT(is_user_order(query.order_by));  // it becomes SQL text
  constexpr std::string_view kMatch =
      "($1 = '' OR LOWER(u.name) LIKE LOWER($2) ESCAPE '\\' OR LOWER(u.email) LIKE LOWER($2) ESCAPE '\\')";
  const std::string pattern = like_pattern(query.text);
  const std::string_view direction = query.ascending ? "ASC" : "DESC";
  UserPage page;
  page.users = tx.all(fmt::format("SELECT {} {} WHERE {} ORDER BY u.{} {}, u.id {} LIMIT $3 OFFSET $4",
                                  kColumns, kFrom, kMatch, query.order_by, direction, direction),
                      {query.text, pattern, query.limit, query.offset}, read_user);
  page.total =
      tx.number(fmt::format("SELECT COUNT(*) FROM \"user\" u WHERE {}", kMatch), {query.text, pattern});
  return page;
}

std::int64_t count_users(db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM \"user\""); }

boost::json::object load_document(db::Tx& tx, std::string_view user_id, UserDocument which) {
  const auto text = tx.first(fmt::format("SELECT {} FROM \"user\" WHERE id = $1", document_column(which)),
                             {user_id}, [](const db::Row& row) { return row.str(0); });
  boost::system::error_code broken;
  auto value = boost::json::parse(text.value_or("null"), broken);
  if (broken || !value.is_object()) return {};  // NULL and the text "null" both mean nothing (§3.3)
  return std::move(value.as_object());
}

void store_document(db::Tx& tx, std::string_view user_id, UserDocument which,
                    const boost::json::object& value) {
  tx.exec(fmt::format("UPDATE \"user\" SET {} = $1 WHERE id = $2", document_column(which)),
          {boost::json::serialize(value), user_id});
}

void touch_users(db::Tx& tx, const std::vector<std::string>& user_ids, Millis now) {
  for (const std::string& id : user_ids)
    tx.exec("UPDATE \"user\" SET last_active_at = $1 WHERE id = $2 AND last_active_at < $1",
            {now / 1000, id});
}

}  // namespace fluxgate::identity
