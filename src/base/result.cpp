#include "base/result.h"

#include <cstdio>

namespace fluxgate {

int http_status(Errc errc) {
  switch (errc) {
    case Errc::bad_request: return 400;
    case Errc::unauthorized: return 401;
    case Errc::insufficient_credits: return 402;
    case Errc::forbidden: return 403;
    case Errc::not_found: return 404;
    case Errc::method_not_allowed: return 405;
    case Errc::conflict: return 409;
    case Errc::payload_too_large: return 413;
    case Errc::unsupported_media: return 415;
    case Errc::invalid: return 422;
    case Errc::too_many_requests: return 429;
    case Errc::unavailable: return 503;
    case Errc::upstream: return 502;
    case Errc::internal: return 500;
  }
  return 500;
}

Error Error::invalid(FieldError field) {
  std::vector<FieldError> fields;
  fields.push_back(std::move(field));
  return invalid(std::move(fields));
}

Error Error::invalid(std::vector<FieldError> fields) {
  FLUX_ASSERT(!fields.empty());
  Error error(Errc::invalid, "invalid_input", fields.front().message);
  error.fields_ = std::move(fields);
  return error;
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "fluxgate: invariant broken: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace fluxgate
