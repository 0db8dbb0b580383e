// Storage as both official clients use it (spec/upstream-fal.md §6.1, §6.2): the JS protocol in two
// steps with an anonymous PUT, the Python one with a token, both with parts for large files.
#include <charconv>

#include "sandbox/queue.h"
#include "sandbox/replies.h"
#include "sandbox/routes.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;
using Reply = awaitable<Result<http::Response>>;

constexpr std::size_t kSmallBody = 1u << 20;
constexpr Millis kTokenLife = 3'600'000;

// A file name that can stand in a path.
std::string safe_name(std::string_view wanted) {
  std::string name;
  for (char c : wanted.substr(0, 100))
    name += std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' ? c : '_';
  if (name.empty() || name.front() == '.') name.insert(0, "file");
  return name;
}

std::string file_url(const Service& service, const http::Request& request, std::string_view id,
                     std::string_view name) {
  return fmt::format("{}/files/uploads/{}/{}", service.base_for(request), id, name);
}

json::object object_in(const std::string& text) {
  boost::system::error_code damaged;
  json::value value = json::parse(text, damaged);
  return !damaged && value.is_object() ? value.get_object() : json::object();
}

std::string text_member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Faults of this call: its header, a marker in the file's name, and what the upload link carries.
Result<std::vector<Fault>> faults_of(const http::Request& request, std::string_view file_name) {
  FLUX_TRY(faults, header_faults(request));
  for (Fault& fault : faults_in_prompt(file_name)) faults.push_back(std::move(fault));
  if (auto carried = request.query("fault"))
    if (auto fault = parse_fault(*carried)) faults.push_back(std::move(*fault));
  return std::move(faults);
}

std::optional<Fault> hit(Service& service, const std::vector<Fault>& faults, std::string_view scope,
                         std::initializer_list<std::string_view> own_actions) {
  // Actions of another step of the upload wait for their step.
  static constexpr std::string_view kSteps[] = {"initiate-403", "put-403", "put-500", "unreadable",
                                                "no-etag"};
  std::vector<std::string_view> actions(own_actions);
  for (const FaultKind& kind : fault_kinds())
    if (kind.stages == "*" && std::ranges::count(kSteps, kind.action) == 0) actions.push_back(kind.action);
  return service.faults.hit(Stage::upload, faults, scope, actions);
}

Reply put_bytes(Service& service, http::Request& request, std::string id, int part) {
  service.counters.add(Count::uploads);
  FLUX_CO_TRY(faults, faults_of(request, {}));
  auto fault = hit(service, faults, id, {"put-403", "put-500", "no-etag"});
  if (fault) {
    auto instead = co_await play_before(service, *fault, {});
    if (instead) co_return std::move(*instead);
    if (fault->action == "put-403") co_return detail_reply(403, "The link is not valid.");
    if (fault->action == "put-500") co_return platform_error(500, {});
  }
  FLUX_CO_TRY(digest, co_await service.uploads.receive(request, std::move(id), part));
  const std::string etag = '"' + digest.substr(0, 32) + '"';
  json::object body;
  if (part > 0) body = {{"partNumber", part}, {"etag", etag}};
  auto response = http::Response::json(body);
  if (!fault || fault->action != "no-etag") response.headers.emplace_back("ETag", etag);
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

int part_in(const http::Request& request) {
  auto text = request.param("part");
  int part = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
  return error == std::errc() && end == text.data() + text.size() ? part : -1;
}

Reply complete_upload(Service& service, http::Request& request) {
  FLUX_CO_TRY(text, co_await request.read_body(kSmallBody));
  json::object body = object_in(text);
  const json::value* parts = body.if_contains("parts");
  int count = parts && parts->is_array() ? static_cast<int>(parts->get_array().size()) : 0;
  FLUX_CO_CHECK(service.uploads.complete(request.param("id"), count));
  co_return http::Response::json(json::object());
}

// The Python client's token for the CDN (§6.2).
Reply give_token(Service& service, http::Request& request) {
  auto caller = identify(service, request);
  if (!caller) co_return std::move(caller.error());
  json::object body{{"token", "sandbox-token"}, {"token_type", "Bearer"}};
  body["base_url"] = service.base_for(request);
  body["expires_at"] = iso8601(service.clock.now_ms() + kTokenLife) + "+00:00";
  co_return http::Response::json(body);
}

Reply receive_whole(Service& service, http::Request& request) {
  const std::string id = Uploads::new_upload_id();
  std::string access = file_url(service, request, id, safe_name(request.header("x-fal-file-name")));
  auto stored = co_await put_bytes(service, request, id, 0);
  if (!stored || stored->status != 200) co_return stored;
  co_return http::Response::json(json::object{{"access_url", access}});
}

Reply begin_parts(Service& service, http::Request& request) {
  const std::string id = Uploads::new_upload_id();
  std::string access = file_url(service, request, id, safe_name(request.header("x-fal-file-name")));
  co_return http::Response::json(json::object{{"access_url", access}, {"uploadId", id}});
}

Reply serve_upload(Service& service, http::Request& request) {
  service.counters.add(Count::media);
  FLUX_CO_TRY(faults, header_faults(request));
  auto fault = hit(service, faults, request.param("id"), {"unreadable"});
  auto path = service.uploads.file_of(request.param("id"));
  if (!path || (fault && fault->action == "unreadable")) co_return detail_reply(404, "File not found");
  co_return http::Response::file(
      {*path, std::string(Uploads::sniff(*path)), std::string(request.param("id"))});
}

}  // namespace

awaitable<Result<http::Response>> initiate_upload(Service& service, http::Request& request) {
  auto caller = identify(service, request);
  if (!caller) co_return std::move(caller.error());
  FLUX_CO_TRY(text, co_await request.read_body(kSmallBody));
  const std::string wanted = text_member(object_in(text), "file_name");
  FLUX_CO_TRY(faults, faults_of(request, wanted));
  auto fault = hit(service, faults, wanted, {"initiate-403"});
  if (fault) {
    auto instead = co_await play_before(service, *fault, {});
    if (instead) co_return std::move(*instead);
    if (fault->action == "initiate-403") co_return detail_reply(403, "Uploads are not allowed for this key.");
  }
  const std::string id = Uploads::new_upload_id();
  const std::string name = safe_name(wanted);
  std::string upload_url =
      fmt::format("{}/storage/put/{}/{}?sig=sandbox", service.base_for(request), id, name);
  for (const Fault& later : faults)
    if (later.stage == Stage::upload && later.action.starts_with("put-"))
      upload_url += "&fault=" + later.text();
  http::Response response = http::Response::json(
      json::object{{"upload_url", upload_url}, {"file_url", file_url(service, request, id, name)}});
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

void add_upload_routes(Service& service, http::Router& router) {
  auto initiate = [&service](http::Request& request) { return initiate_upload(service, request); };
  auto whole = [&service](http::Request& request) {
    return put_bytes(service, request, std::string(request.param("id")), 0);
  };
  auto part = [&service](http::Request& request) {
    return put_bytes(service, request, std::string(request.param("id")), part_in(request));
  };
  auto complete = [&service](http::Request& request) { return complete_upload(service, request); };
  router.post("/storage/upload/initiate", initiate);
  router.post("/storage/upload/initiate-multipart", initiate);
  router.put("/storage/put/{id}/{name}", whole);
  router.put("/storage/put/{id}/{name}/{part:int}", part);
  router.post("/storage/put/{id}/{name}/complete", complete);
  router.post("/storage/auth/token",
              [&service](http::Request& request) { return give_token(service, request); });
  router.post("/files/upload",
              [&service](http::Request& request) { return receive_whole(service, request); });
  router.post("/files/upload/multipart",
              [&service](http::Request& request) { return begin_parts(service, request); });
  router.put("/files/uploads/{id}/{name}/multipart/{upload}/{part:int}", part);
  router.post("/files/uploads/{id}/{name}/multipart/{upload}/complete", complete);
  router.get("/files/uploads/{id}/{name}",
             [&service](http::Request& request) { return serve_upload(service, request); });
}

}  // namespace fluxgate::sandbox
