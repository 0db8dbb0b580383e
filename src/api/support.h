// What every endpoint needs: who is calling, the JSON body, its members with a precise refusal for each,
// and how an Error becomes an answer.
//
// The order of refusals (DESIGN §7): 401 and 403 by the Guard before a byte of the body is read; then
// read_json: 413, 415, 400; then Members: 422.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coro.h"
#include "base/result.h"
#include "http/server.h"
#include "identity/identity.h"

namespace fluxgate::api {

inline constexpr std::size_t kJsonBodyLimit = 1024 * 1024;
inline constexpr int kJsonDepthLimit = 32;
inline constexpr std::string_view kSessionCookie = "token";

// Admits callers. `co_await guard(request, Role::user)` at the head of a handler. Copyable, thread-safe.
class Guard {
 public:
  // `public_url` (WEBUI_URL) may be empty; its origin counts as ours beside the Host header's.
  Guard(identity::Identity& identity, std::string public_url);

  // unauthorized as Identity::authenticate; forbidden `role_too_low`; forbidden `origin_mismatch` for a
  // request that changes something, is authenticated by the cookie and comes from another site's page
  // (cross-site request forgery): its Origin, else its Referer, must be ours.
  awaitable<Result<identity::Principal>> operator()(http::Request& request, identity::Role minimum) const;

  // For public pages that show more to known callers; nullopt for anyone else.
  awaitable<std::optional<identity::Principal>> recognise(http::Request& request) const;

 private:
  identity::Identity* identity_;
  std::string public_authority_;  // "host:port", "" = none
};

// The bearer token of the request, else its cookie (the first one found is used even if it is bad).
struct PresentedToken {
  std::string text;  // "" = none
  bool by_cookie = false;
};
PresentedToken presented_token(const http::Request& request);

// "https://host:port" under which the caller reached us: the public URL's origin when there is one.
std::string own_origin(const http::Request& request, std::string_view public_url);

// The request's JSON object; of a name that stands twice the last one counts, as in the original.
// payload_too_large beyond `limit`; unsupported_media `content_type` when a type is named and is not JSON;
// bad_request `json_invalid` with the offset; invalid for other JSON than objects and for U+0000 in texts.
awaitable<Result<boost::json::object>> read_json(http::Request& request, std::size_t limit = kJsonBodyLimit);
// Its two halves, for those who need the bytes too: the text of a JSON body, and what it says.
awaitable<Result<std::string>> read_json_text(http::Request& request, std::size_t limit = kJsonBodyLimit);
Result<boost::json::object> parse_json(std::string_view body);

// Reads the members of an object one by one. A member that is absent or null leaves its default; everything
// wrong is collected, so that one answer names all of it. Values are never coerced between types.
//
//   Members body(object);
//   const std::string email = body.text("email", {.max = 254});
//   const auto name = body.maybe_text("name");
//   FLUX_CO_CHECK(body.check());   // 422 with all errors, unknown members among them
class Members {
 public:
  explicit Members(const boost::json::object& object, std::vector<std::string> loc = {"body"});

  struct Length {
    std::size_t min = 0;
    std::size_t max = 100'000;  // bytes; the body's limit is the outer bound
  };
  std::string text(std::string_view name, Length length);
  std::string text(std::string_view name) { return text(name, Length{}); }
  std::optional<std::string> maybe_text(std::string_view name, Length length);
  std::optional<std::string> maybe_text(std::string_view name) { return maybe_text(name, Length{}); }
  // Whole numbers; 5.0 is one too.
  std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<std::int64_t> maybe_integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<double> maybe_number(std::string_view name, double min, double max);
  std::optional<bool> maybe_flag(std::string_view name);
  const boost::json::object* maybe_object(std::string_view name);
  const boost::json::array* maybe_array(std::string_view name, std::size_t max_items);
  // The raw value for the caller to judge; nullptr when absent or null.
  const boost::json::value* maybe_value(std::string_view name);

  // A refusal the caller found itself.
  void refuse(std::string_view name, std::string type, Text message, boost::json::object context = {});
  // Names that are accepted and not read.
  void ignore(std::string_view name);

  // With unknown members among the errors, each with the nearest name that was asked for.
  Result<void> check();

 private:
  const boost::json::value* required(std::string_view name);
  void wrong_type(std::string_view name, std::string type, Text message, const boost::json::value& value);

  const boost::json::object& object_;
  std::vector<std::string> loc_;
  std::vector<std::string> known_;
  std::vector<FieldError> errors_;
};

// A query parameter as a whole number, `fallback` when absent; invalid with loc ["query", name].
Result<std::int64_t> query_integer(const http::Request& request, std::string_view name, std::int64_t fallback,
                                   std::int64_t min, std::int64_t max);

// The candidate most like `word` (edit distance at most a third of its length), or "".
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// {"detail", "code", …context}; a 422's detail lists {loc, msg, type, ctx, input}. In the caller's language.
// What only we may know goes to the log. `request` is null when not even its head could be read.
http::Response render_error(const http::Request* request, const Error& error);

// The handler's answer, or 503 `database_unavailable` when the database could not be reached or written: nothing
// was done then, and the same request may be sent again. Or 503 `outcome_unknown`, when it may have been done.
awaitable<Result<http::Response>> or_unavailable(awaitable<Result<http::Response>> handler);

// JSON that no cache may keep: sessions, accounts, keys.
http::Response private_json(const boost::json::value& value, int status = 200);

}  // namespace fluxgate::api
