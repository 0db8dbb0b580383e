// How expected failures travel. A function that can be refused returns Result<T>; exceptions are
// for bugs and lost infrastructure (database gone, disk full).
//
// An Error is a decision (`errc`, which fixes the HTTP status), a stable machine-readable `code`,
// a sentence in two languages for the caller, and members that explain it (`context`). Invalid
// input also lists each offending field. `internal` is for the log only: secrets and upstream
// bodies may stand there and nowhere else.
#pragma once

#include <cstdlib>
#include <expected>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json.hpp>

#include "base/text.h"

namespace fluxgate {

// The decisions a caller can be told. DESIGN §7 fixes what each means over HTTP.
enum class Errc {
  bad_request,           // 400 the message cannot be read
  unauthorized,          // 401 no valid token
  insufficient_credits,  // 402
  forbidden,             // 403 the role does not allow it
  not_found,             // 404 unknown, or another's
  method_not_allowed,    // 405
  conflict,              // 409
  payload_too_large,     // 413
  unsupported_media,     // 415 judged by content
  invalid,               // 422
  too_many_requests,     // 429 with retry_after_s
  unavailable,           // 503 disabled or draining
  upstream,              // 502 the provider answered nonsense or not at all
  internal,              // 500
};

int http_status(Errc errc);

// One refused field of a 422, in FastAPI's shape: loc = ["body", "num_images"].
struct FieldError {
  std::vector<std::variant<std::string, std::int64_t>> loc;
  std::string type;  // machine code, e.g. "less_than_equal"
  Text message;
  boost::json::object context;
  boost::json::value input;
};

class Error {
 public:
  Error() = default;
  Error(Errc errc, std::string code, Text message)
      : errc_(errc), code_(std::move(code)), message_(std::move(message)) {}

  static Error invalid(FieldError field);
  static Error invalid(std::vector<FieldError> fields);

  Error&& with(std::string_view key, boost::json::value value) && {
    context_[key] = std::move(value);
    return std::move(*this);
  }
  Error&& log(std::string internal) && {
    internal_ = std::move(internal);
    return std::move(*this);
  }
  Error&& retry_after(int seconds) && {
    retry_after_s_ = seconds;
    return std::move(*this);
  }

  Errc errc() const { return errc_; }
  const std::string& code() const { return code_; }
  const Text& message() const { return message_; }
  const boost::json::object& context() const { return context_; }
  const std::vector<FieldError>& fields() const { return fields_; }
  const std::string& internal() const { return internal_; }
  int retry_after_s() const { return retry_after_s_; }  // 0 = not said

 private:
  Errc errc_ = Errc::internal;
  std::string code_ = "internal";
  Text message_{"Our mistake.", "服务器内部错误。"};
  boost::json::object context_;
  std::vector<FieldError> fields_;
  std::string internal_;
  int retry_after_s_ = 0;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> fail(Errc errc, std::string code, Text message) {
  return std::unexpected(Error(errc, std::move(code), std::move(message)));
}

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace fluxgate

// Stays on in release. Guards invariants of ours; never used on input.
#define FLUX_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::fluxgate::assertion_failed(#expression, __FILE__, __LINE__))

// `FLUX_TRY(user, find(id));` declares `user`, or returns the error.
#define FLUX_TRY(name, ...)                                                \
  auto name##_or = (__VA_ARGS__);                                          \
  if (!name##_or) return std::unexpected(std::move(name##_or).error());    \
  [[maybe_unused]] auto& name = *name##_or

// The same inside a coroutine.
#define FLUX_CO_TRY(name, ...)                                             \
  auto name##_or = (__VA_ARGS__);                                          \
  if (!name##_or) co_return std::unexpected(std::move(name##_or).error()); \
  [[maybe_unused]] auto& name = *name##_or

// For Result<void>, which has no value to name.
#define FLUX_CHECK(...)                                                     \
  if (auto checked = (__VA_ARGS__); !checked) return std::unexpected(std::move(checked).error())
#define FLUX_CO_CHECK(...)                                                  \
  if (auto checked = (__VA_ARGS__); !checked) co_return std::unexpected(std::move(checked).error())
