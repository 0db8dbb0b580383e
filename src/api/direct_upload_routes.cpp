#include "api/direct_upload_routes.h"

#include <algorithm>

#include "api/upload_routes.h"
#include "base/clock.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

// RFC 6838 §4.2: it becomes a signed header.
bool is_media_type(std::string_view text) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || std::string_view("!#$&-^_.+/").contains(static_cast<char>(c)); };
  const auto slash = text.find('/');
  return std::ranges::all_of(text, plain) && slash != text.npos && slash > 0 && slash + 1 < text.size() && slash == text.rfind('/');
}

std::string read_media_type(Members& body) {
  std::string type = body.maybe_text("content_type", {.max = 100}).value_or("application/octet-stream");
  if (!is_media_type(type))
    body.refuse("content_type", "media_type", {"Expected a type such as video/mp4.", "应为 video/mp4 之类的类型。"}, {{"received", type}});
  return type;
}

std::string read_sha256(Members& body) {
  std::string given = body.maybe_text("sha256", {.max = 64}).value_or("");
  std::ranges::transform(given, given.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!given.empty() && (given.size() != 64 || given.find_first_not_of("0123456789abcdef") != given.npos))
    body.refuse("sha256", "sha256", {"Expected 64 hexadecimal digits.", "应为 64 位十六进制数。"}, {{"received", given}});
  return given;
}

Answer begin(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(object, std::move(read));
  Members body(object);
  const auto size = static_cast<std::uint64_t>(body.integer("size", 1, INT64_MAX));
  const files::Purpose purpose = read_kind(body);
  const std::string name = body.maybe_text("filename", {.max = 255}).value_or("");
  const std::string type = read_media_type(body);
  FLUX_CO_CHECK(body.check());
  auto begun = co_await api.parts.uploads->begin_direct(principal.user_id, purpose, name, size, type);
  FLUX_CO_TRY(direct, std::move(begun));
  json::object headers;
  for (const auto& [key, value] : direct.request.headers) headers[key] = value;
  co_return private_json({{"id", direct.upload.id},
                          {"method", direct.request.method},
                          {"url", direct.request.url},
                          {"headers", std::move(headers)},
                          {"expires_at", iso8601(direct.request.expires_at)}});
}

Answer complete(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(object, std::move(read));
  Members body(object);
  const std::string sha256 = read_sha256(body);
  FLUX_CO_CHECK(body.check());
  auto completed = co_await api.parts.uploads->complete_direct(std::string(request.param("id")), principal.user_id, sha256);
  FLUX_CO_TRY(file, std::move(completed));
  co_return private_json(kept_json(api, file, request.language()));
}

}  // namespace

void add_direct_upload_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/uploads/direct", bind(api, begin));
  router.post("/api/v1/uploads/{id}/complete", bind(api, complete));
}

}  // namespace fluxgate::api
