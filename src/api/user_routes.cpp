#include "api/user_routes.h"

#include "base/crypto.h"
#include "credits/ledger.h"
#include "identity/input.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using identity::UserDocument;
using Answer = awaitable<Result<http::Response>>;

constexpr std::size_t kFormLimit = 768 * 1024;
constexpr std::int64_t kPageSize = 30;
constexpr std::int64_t kPageMax = 100'000;
constexpr std::int64_t kAllMax = 10'000;
constexpr std::int64_t kActiveSeconds = 180;
constexpr std::size_t kQueryMax = 200;
const Credits kCreditMax = Credits::whole(1'000'000'000'000);

std::string four_decimals(Credits credit) {
  const std::int64_t n = credit.in_thousandths();
  return fmt::format("{}{}.{:03}0", n < 0 ? "-" : "", std::abs(n) / 1000, std::abs(n) % 1000);
}

// ---- lists ----

Result<identity::UserQuery> read_query(const http::Request& request) {
  identity::UserQuery query;
  query.text = request.query("query").value_or("");
  query.order_by = request.query("order_by").value_or("created_at");
  query.ascending = request.query("direction").value_or("desc") == "asc";
  query.limit = kPageSize;
  FLUX_TRY(page, query_integer(request, "page", 1, 1, kPageMax));
  query.offset = (page - 1) * kPageSize;
  const auto refused = [](std::string name, Text message) {
    FieldError field;
    field.loc = {std::string("query"), std::move(name)};
    field.type = "value_error";
    field.message = std::move(message);
    return fail(Error::invalid(std::move(field)));
  };
  if (query.text.size() > kQueryMax || query.text.find('\0') != std::string::npos)
    return refused("query", {fmt::format("Expected at most {} bytes of text.", kQueryMax),
                             fmt::format("应为最多 {} 字节的文本。", kQueryMax)});
  if (!identity::is_user_order(query.order_by))
    return refused("order_by", {"Expected name, email, created_at, last_active_at, updated_at or role.",
                                "应为 name、email、created_at、last_active_at、updated_at 或 role。"});
  return query;
}

// Members that held secrets or another's documents in the original stay, empty.
json::object listed_user(const identity::User& user, const std::optional<Credits>& credit) {
  json::object body = user_body(user);
  for (std::string_view member : {"api_key", "settings", "info", "oauth_sub", "phone"})
    body[member] = nullptr;
  if (credit)
    body["credit"] = four_decimals(*credit);
  else
    body["credit"] = 0;
  return body;
}

Answer list(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(query, read_query(request));
  const auto page = co_await people.identity.list_users(query);
  json::array users = co_await people.database.read([found = page.users](db::Tx& tx) {
    json::array bodies;
    for (const identity::User& user : found) bodies.push_back(listed_user(user, spendable(tx, user.id)));
    return bodies;
  });
  co_return private_json({{"users", std::move(users)}, {"total", page.total}});
}

Answer list_all(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  identity::UserQuery query;
  query.limit = kAllMax;
  const auto page = co_await people.identity.list_users(query);
  json::array users;
  for (const identity::User& user : page.users)
    users.push_back({{"id", user.id},
                     {"name", user.name},
                     {"email", user.email},
                     {"role", json::string(identity::name(user.role))}});
  co_return private_json({{"users", std::move(users)}, {"total", page.total}});
}

// ---- one user ----

bool is_active(const People& people, const identity::User& user) {
  return people.clock.now_ms() / 1000 - user.last_active_at < kActiveSeconds;
}

awaitable<Result<identity::User>> named_user(const People& people, http::Request& request, Role minimum) {
  auto admitted = co_await people.guard(request, minimum);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto user = co_await people.identity.user(std::string(request.param("id")));
  co_return user;
}

Answer show(const People& people, http::Request& request) {
  auto found = co_await named_user(people, request, Role::user);
  FLUX_CO_TRY(user, std::move(found));
  co_return private_json({{"name", user.name},
                          {"profile_image_url", user.profile_image_url},
                          {"active", is_active(people, user)}});
}

Answer show_active(const People& people, http::Request& request) {
  auto found = co_await named_user(people, request, Role::user);
  FLUX_CO_TRY(user, std::move(found));
  co_return private_json({{"active", is_active(people, user)}});
}

// A data URL's bytes, or a redirect to the picture.
Answer show_picture(const People& people, http::Request& request) {
  auto found = co_await named_user(people, request, Role::user);
  FLUX_CO_TRY(user, std::move(found));
  const std::string& url = user.profile_image_url;
  constexpr std::string_view kMarker = ";base64,";
  const auto marker = url.find(kMarker);
  // Checked again: an imported row may hold any type, and a browser would run some of them.
  if (url.starts_with("data:") && identity::clean_picture(url) && marker != std::string::npos)
    if (auto bytes = crypto::unbase64(std::string_view(url).substr(marker + kMarker.size())))
      co_return http::Response::text(std::move(*bytes), url.substr(5, marker - 5))
          .with("X-Content-Type-Options", "nosniff")
          .with("Cache-Control", "private, max-age=300");
  const bool followable = !url.starts_with("data:") && identity::clean_picture(url);
  co_return http::Response::redirect(followable ? url : "/user.png");
}

// A number or a decimal text; nullopt with a refusal in `form` when it is neither.
std::optional<Credits> read_credits(Members& form, std::string_view name, Credits least) {
  const auto* value = form.maybe_value(name);
  if (value == nullptr) return std::nullopt;
  std::string text;
  if (value->is_string())
    text = value->as_string();
  else if (value->is_number())
    text = fmt::format("{}", value->to_number<double>());
  const auto credit = Credits::parse(text);
  if (credit && *credit >= least && *credit <= kCreditMax) return credit;
  form.refuse(
      name, "decimal",
      {fmt::format("Expected a number of credits from {} to {} with at most three decimals.",
                   least.to_string(), kCreditMax.to_string()),
       fmt::format("应为 {} 到 {} 之间、最多三位小数的积分数。", least.to_string(), kCreditMax.to_string())});
  return std::nullopt;
}

struct CreditChange {
  std::optional<Credits> set;  // wins
  std::optional<Credits> add;
};

// Moves the balance by an admin's decision and tells the user's open pages.
awaitable<Result<Credits>> change_credit(const People& people, std::string actor_id, std::string user_id,
                                         CreditChange change) {
  const Millis now = people.clock.now_ms();
  auto changed =
      co_await people.database.write([user_id, actor_id, change, now, stamp = credits::make_stamp(now),
                                      opening = credits::make_stamp(now)](db::Tx& tx) -> Result<Credits> {
        if (!identity::find_user(tx, user_id)) return fail(identity::user_not_found());
        if (!credits::find_account(tx, user_id)) credits::open_account(tx, user_id, Credits(), opening);
        constexpr std::string_view kReason = "admin";
        auto moved = change.set ? credits::set_available(tx, user_id, *change.set, actor_id, kReason, stamp)
                                : credits::grant(tx, user_id, *change.add, actor_id, kReason, stamp);
        FLUX_TRY(account, std::move(moved));
        notify::append(tx, user_id, "credits.changed",
                       {{"balance", account.available().as_number()}, {"held", account.held.as_number()}},
                       now);
        return account.available();
      });
  if (changed) people.hub.changed(user_id);
  co_return changed;
}

Answer set_credit(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  CreditChange change;
  change.add = read_credits(form, "amount", -kCreditMax);
  change.set = read_credits(form, "credit", Credits());
  FLUX_CO_CHECK(form.check());
  if (!change.add && !change.set)
    co_return fail(
        Errc::bad_request, "credit_missing",
        {"Name an amount to add, or the credit to set.", "请提供要增加的 amount 或要设置的 credit。"});
  auto changed = co_await change_credit(people, principal.user_id, std::string(request.param("id")), change);
  FLUX_CO_TRY(credit, std::move(changed));
  co_return http::Response::no_content();
}

Answer update(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request, kFormLimit);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  identity::UserUpdate wanted;
  const std::string role_text = form.text("role");
  wanted.name = form.text("name");
  wanted.email = form.text("email");
  wanted.profile_image_url = form.text("profile_image_url", {0, kFormLimit});
  wanted.password = form.maybe_text("password", {0, 4096});
  const auto credit = read_credits(form, "credit", Credits());
  FLUX_CO_CHECK(form.check());
  FLUX_CO_TRY(role, identity::role_field(role_text));
  wanted.role = role;
  const std::string user_id(request.param("id"));
  auto updated = co_await people.identity.update_user(principal, user_id, std::move(wanted));
  FLUX_CO_TRY(user, std::move(updated));
  json::object answer = user_body(user);
  if (credit) {
    auto changed = co_await change_credit(people, principal.user_id, user_id, {credit, std::nullopt});
    FLUX_CO_TRY(balance, std::move(changed));
    answer["credit"] = four_decimals(balance);
  }
  co_return private_json(answer);
}

Answer remove(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto removed = co_await people.identity.delete_user(principal, std::string(request.param("id")));
  FLUX_CO_CHECK(std::move(removed));
  co_return private_json(true);
}

// ---- the caller's own documents ----

Answer show_document(const People& people, http::Request& request, UserDocument which) {
  auto admitted = co_await people.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const json::object value = co_await people.identity.document(principal.user_id, which);
  co_return private_json(value);
}

Answer merge_document(const People& people, http::Request& request, UserDocument which) {
  auto admitted = co_await people.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  auto merged = co_await people.identity.merge_document(principal.user_id, which, std::move(body));
  FLUX_CO_TRY(value, std::move(merged));
  co_return private_json(value);
}

Answer show_settings(const People& people, http::Request& request) {
  return show_document(people, request, UserDocument::settings);
}
Answer merge_settings(const People& people, http::Request& request) {
  return merge_document(people, request, UserDocument::settings);
}
Answer show_info(const People& people, http::Request& request) {
  return show_document(people, request, UserDocument::info);
}
Answer merge_info(const People& people, http::Request& request) {
  return merge_document(people, request, UserDocument::info);
}

Answer show_permissions(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const json::object stored = co_await people.identity.stored_settings();
  co_return private_json(permissions(stored));
}

}  // namespace

void add_user_routes(http::Router& router, const std::shared_ptr<const People>& people) {
  router.get("/api/v1/users", bind(people, list));
  router.get("/api/v1/users/", bind(people, list));
  router.get("/api/v1/users/all", bind(people, list_all));
  router.get("/api/v1/users/permissions", bind(people, show_permissions));
  router.get("/api/v1/users/user/settings", bind(people, show_settings));
  router.post("/api/v1/users/user/settings/update", bind(people, merge_settings));
  router.get("/api/v1/users/user/info", bind(people, show_info));
  router.post("/api/v1/users/user/info/update", bind(people, merge_info));
  router.get("/api/v1/users/{id}", bind(people, show));
  router.get("/api/v1/users/{id}/active", bind(people, show_active));
  router.get("/api/v1/users/{id}/profile/image", bind(people, show_picture));
  router.post("/api/v1/users/{id}/update", bind(people, update));
  router.put("/api/v1/users/{id}/credit", bind(people, set_credit));
  router.del("/api/v1/users/{id}", bind(people, remove));
}

}  // namespace fluxgate::api
