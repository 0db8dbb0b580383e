#include "api/tus_routes.h"

#include "api/upload_routes.h"
#include "base/clock.h"
#include "files/uploads.h"
#include "http/tus.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
namespace tus = http::tus;
using files::Upload;
using files::Uploads;
using identity::Role;

constexpr std::string_view kUploads = "/api/v1/uploads/";
constexpr std::string_view kExtensions = "creation,creation-with-upload,expiration,checksum,termination,concatenation";

// The protocol's own status codes beside those of our errors.
int status_of(const Error& error) {
  if (error.code() == "tus_version") return 412;
  if (error.code() == "upload_locked") return 423;
  if (error.code() == "checksum_mismatch") return 460;
  return http_status(error.errc());
}

// Every answer says which protocol it speaks.
Answer speaking(const http::Request& request, Answer handler) {
  auto answer = co_await std::move(handler);
  http::Response response;
  if (answer) {
    response = std::move(*answer);
  } else {
    response = render_error(&request, answer.error());
    response.status = status_of(answer.error());
    if (response.status == 412) response.headers.emplace_back("Tus-Version", tus::kVersion);
  }
  co_return std::move(response).with("Tus-Resumable", std::string(tus::kVersion));
}

Result<void> check_version(const http::Request& request) {
  const std::string_view version = request.header("tus-resumable");
  if (version == tus::kVersion) return {};
  return fail(Error(Errc::bad_request, "tus_version",
                    {"This is the resumable upload protocol tus 1.0.0: send the header Tus-Resumable: 1.0.0.",
                     "此接口使用 tus 1.0.0 协议，请发送请求头 Tus-Resumable: 1.0.0。"})
                  .with("received", json::string(version.substr(0, 32))));
}

std::unexpected<Error> bad_header(std::string name, Text message, std::string_view received) {
  return fail(Error(Errc::bad_request, "bad_header", {name + ": " + message.en, name + "：" + message.zh})
                  .with("header", json::string(name))
                  .with("received", json::string(received.substr(0, 64))));
}

Result<std::uint64_t> size_header(const http::Request& request, std::string name) {
  const std::string_view text = request.header(name);
  if (const auto size = tus::parse_size(text)) return *size;
  return bad_header(std::move(name), {"a number of bytes is needed here.", "此处需要字节数。"}, text);
}

http::Response with_offset(http::Response response, const Upload& upload) {
  if (!upload.concat.empty()) response.headers.emplace_back("Upload-Concat", upload.concat);
  return std::move(response)
      .with("Upload-Offset", std::to_string(upload.offset))
      .with("Upload-Expires", http_date(upload.expires_at));
}

bool has_bytes(const http::Request& request) {
  return request.header("content-type") == tus::kBodyType && request.content_length().value_or(1) > 0;
}

// Adds the request's body to an upload.
awaitable<Result<Upload>> receive(const Api& api, http::Request& request, Upload upload) {
  Uploads& uploads = *api.parts.uploads;
  auto opened = co_await uploads.add(upload.id, upload.user_id, upload.offset);
  FLUX_CO_TRY(adding, std::move(opened));
  if (const std::string_view given = request.header("upload-checksum"); !given.empty()) {
    auto checksum = tus::parse_checksum(given);
    if (!checksum)
      co_return bad_header("Upload-Checksum", {"the algorithm and the digest in base64 are needed.", "需要算法名和 base64 摘要。"}, given);
    FLUX_CO_CHECK(adding->expect(checksum->algorithm, std::move(checksum->digest)));
  }
  std::optional<Error> broken;
  const std::uint64_t room = adding->room();
  while (!broken) {
    auto piece = co_await request.read_some(room);
    if (!piece) broken = std::move(piece).error();
    else if (piece->empty()) break;
    else if (auto written = adding->write(*piece); !written) broken = std::move(written).error();
  }
  auto finished = co_await adding->finish(!broken);
  if (broken) co_return std::unexpected(std::move(*broken));
  co_return finished;
}

// What Upload-Metadata says of the file.
struct Named {
  std::string name;
  files::Purpose purpose;
};
Result<Named> read_metadata(const http::Request& request) {
  const auto metadata = tus::parse_metadata(request.header("upload-metadata"));
  if (!metadata)
    return bad_header("Upload-Metadata", {"pairs of a key and a value in base64 are needed.", "需要键和 base64 值的列表。"},
                      request.header("upload-metadata"));
  const auto text = [&](std::string_view key) {
    const auto found = metadata->find(key);
    return found == metadata->end() ? std::string() : found->second;
  };
  const std::string kind = text("kind").empty() ? "any" : text("kind");
  const auto purpose = files::purpose_named(kind);
  if (!purpose)
    return refuse_field("header", "Upload-Metadata", "enum",
                        {"kind: expected image, video, audio or any.", "kind 应为 image、video、audio 或 any。"},
                        json::string(kind.substr(0, 64)), {{"expected", "image, video, audio, any"}});
  return Named{text("filename").empty() ? text("name") : text("filename"), *purpose};
}

// The ids in the URLs of parts, absolute or not.
Result<std::vector<std::string>> ids_of(const http::Request& request, const tus::Concat& concat) {
  std::vector<std::string> ids;
  for (const std::string& url : concat.parts) {
    const std::size_t at = url.rfind(kUploads);
    if (at == std::string::npos)
      return bad_header("Upload-Concat", {"only uploads of this server can be joined.", "只能合并本服务器上的上传。"},
                        request.header("upload-concat"));
    ids.push_back(url.substr(at + kUploads.size()));
  }
  return ids;
}

http::Response begun(const Upload& upload) {
  return with_offset(http::Response{201, {}, std::string()}, upload)
      .with("Location", std::string(kUploads) + upload.id)
      .with("Cache-Control", "no-store");
}

Answer create(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_CHECK(check_version(request));
  const std::string asked(request.header("upload-concat"));
  const auto concat = asked.empty() ? std::optional(tus::Concat{}) : tus::parse_concat(asked);
  if (!concat) co_return bad_header("Upload-Concat", {"partial, or final; and the parts' URLs, are needed.", "应为 partial，或 final; 加分片 URL 列表。"}, asked);
  FLUX_CO_TRY(named, read_metadata(request));
  const std::string metadata(request.header("upload-metadata"));
  Uploads& uploads = *api.parts.uploads;
  if (!concat->parts.empty()) {
    FLUX_CO_TRY(ids, ids_of(request, *concat));
    auto joined = co_await uploads.concatenate(principal.user_id, named.purpose, named.name, ids, asked, metadata);
    FLUX_CO_TRY(upload, std::move(joined));
    co_return begun(upload);
  }
  FLUX_CO_TRY(length, size_header(request, "Upload-Length"));
  auto created = co_await uploads.create(principal.user_id, named.purpose, named.name, length, asked, metadata);
  FLUX_CO_TRY(upload, std::move(created));
  if (has_bytes(request)) {
    auto received = co_await receive(api, request, upload);
    // Nobody was told where it is, so nobody could go on with it or end it.
    if (!received) co_await uploads.remove(upload.id, upload.user_id);
    FLUX_CO_TRY(grown, std::move(received));
    upload = grown;
  }
  co_return begun(upload);
}

json::object upload_json(const Upload& upload) {
  return {{"id", upload.id},
          {"name", upload.name},
          {"kind", files::name_of(upload.purpose)},
          {"length", upload.length},
          {"offset", upload.offset},
          {"direct", upload.direct},
          {"created_at", iso8601(upload.created_at)},
          {"expires_at", iso8601(upload.expires_at)},
          {"file", nullptr}};
}

// As many as a user may have: no pages.
Answer list_open(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  json::array data;
  for (const Upload& upload : co_await api.parts.uploads->open_of(principal.user_id)) data.push_back(upload_json(upload));
  co_return private_json({{"data", std::move(data)}});
}

// Also HEAD, which sees the headers only.
Answer show(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await api.parts.uploads->find(std::string(request.param("id")), principal.user_id);
  FLUX_CO_TRY(upload, std::move(found));
  json::object body = upload_json(upload);
  if (upload.file) body["file"] = kept_json(api, *upload.file, request.language());
  auto answer = with_offset(private_json(body), upload).with("Upload-Length", std::to_string(upload.length));
  if (!upload.metadata.empty()) answer.headers.emplace_back("Upload-Metadata", upload.metadata);
  co_return answer;
}

Answer append(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_CHECK(check_version(request));
  if (request.header("content-type") != tus::kBodyType)
    co_return fail(Errc::unsupported_media, "content_type",
                   {fmt::format("The Content-Type must be {}.", tus::kBodyType), fmt::format("Content-Type 必须为 {}。", tus::kBodyType)});
  Upload upload;
  upload.id = request.param("id");
  upload.user_id = principal.user_id;
  FLUX_CO_TRY(offset, size_header(request, "Upload-Offset"));
  upload.offset = offset;
  auto received = co_await receive(api, request, upload);
  FLUX_CO_TRY(grown, std::move(received));
  co_return with_offset(http::Response::no_content(), grown).with("Cache-Control", "no-store");
}

Answer terminate(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_CHECK(check_version(request));
  auto removed = co_await api.parts.uploads->remove(std::string(request.param("id")), principal.user_id);
  FLUX_CO_CHECK(std::move(removed));
  co_return http::Response::no_content().with("Cache-Control", "no-store");
}

Answer unknown_method(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_CHECK(std::move(admitted));
  co_return bad_header("X-HTTP-Method-Override", {"PATCH or DELETE is needed here.", "此处需要 PATCH 或 DELETE。"},
                       request.header("x-http-method-override"));
}

// For networks that let only GET and POST through: the real method stands in X-HTTP-Method-Override.
Answer overridden(const Api& api, http::Request& request) {
  const std::string_view method = request.header("x-http-method-override");
  if (method == "PATCH") return append(api, request);
  if (method == "DELETE") return terminate(api, request);
  return unknown_method(api, request);
}

// What this server can do; anybody may ask.
Answer discover(const Api& api, http::Request&) {
  co_return http::Response::no_content()
      .with("Allow", "GET, HEAD, POST, OPTIONS")
      .with("Tus-Version", std::string(tus::kVersion))
      .with("Tus-Extension", std::string(kExtensions))
      .with("Tus-Max-Size", std::to_string(api.parts.files.limit_of(files::Purpose::media_upload)))
      .with("Tus-Checksum-Algorithm", std::string(files::kDigests));
}

http::Handler speak(const ApiPtr& api, ApiHandler handler) {
  return [api, handler](http::Request& request) { return or_unavailable(speaking(request, handler(*api, request))); };
}

}  // namespace

void add_tus_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/uploads", speak(api, create));
  router.get("/api/v1/uploads", speak(api, list_open));
  router.add("OPTIONS", "/api/v1/uploads", speak(api, discover));
  router.get("/api/v1/uploads/{id}", speak(api, show));
  router.add("PATCH", "/api/v1/uploads/{id}", speak(api, append));
  router.del("/api/v1/uploads/{id}", speak(api, terminate));
  router.post("/api/v1/uploads/{id}", speak(api, overridden));
}

}  // namespace fluxgate::api
