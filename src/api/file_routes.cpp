#include "api/file_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "files/names.h"

namespace fluxgate::api {
namespace {

using identity::Role;

constexpr int kSides[] = {320, 640, 1280};

std::unexpected<Error> file_not_found() {
  return fail(Errc::not_found, "file_not_found", {"There is no such file.", "文件不存在。"});
}

// Whose file it must be: "" = anyone's, because the link says so or an admin asks.
awaitable<Result<std::string>> allowed_owner(const Api& api, http::Request& request) {
  const auto expiry = request.query("e");
  const auto signature = request.query("s");
  if (expiry || signature) {
    FLUX_CO_TRY(id, api.parts.files.check_link(request.param("id"), expiry.value_or(""),
                                               signature.value_or(""), api.parts.clock.now_ms()));
    co_return std::string();
  }
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  co_return scope_of(principal);
}

Result<int> read_side(const http::Request& request) {
  const auto text = request.query("w");
  if (!text || text->empty()) return 0;
  for (int side : kSides)
    if (*text == std::to_string(side)) return side;
  return refuse_field("query", "w", "enum", {"Expected 320, 640 or 1280.", "应为 320、640 或 1280。"},
                      boost::json::string(text->substr(0, 64)), {{"expected", "320, 640, 1280"}});
}

// Types a browser shows without running anything.
bool is_shown(std::string_view mime) {
  return (mime.starts_with("image/") && mime != "image/svg+xml") || mime.starts_with("video/") ||
         mime.starts_with("audio/");
}

// Listed, and not with q=0 (RFC 9110 §12.4.2).
bool takes_avif(std::string_view accept) {
  std::string_view element = accept.substr(std::min(accept.find("image/avif"), accept.size()));
  if (element.empty()) return false;
  element = element.substr(0, element.find(','));
  const std::size_t q = element.find("q=");
  return q == std::string_view::npos || element.find_first_of("123456789", q) != std::string_view::npos;
}

// What `f` asks for, else the smaller one where the browser says that it knows it.
Result<files::PreviewFormat> read_format(const http::Request& request) {
  const std::string asked = request.query("f").value_or("");
  if (asked == "avif") return files::PreviewFormat::avif;
  if (asked == "webp") return files::PreviewFormat::webp;
  if (!asked.empty())
    return refuse_field("query", "f", "enum", {"Expected webp or avif.", "应为 webp 或 avif。"},
                        boost::json::string(asked.substr(0, 64)), {{"expected", "webp, avif"}});
  return takes_avif(request.header("accept")) ? files::PreviewFormat::avif : files::PreviewFormat::webp;
}

std::string_view extension_of(files::PreviewFormat format) { return format == files::PreviewFormat::avif ? "avif" : "webp"; }

// The file's own name. `extension` is that of what is sent instead, "" for the file itself: a preview is another kind of
// picture, also of a video.
std::string name_of(const files::FileRow& file, std::string_view extension) {
  if (extension.empty()) return file.filename;
  const std::size_t dot = file.filename.rfind('.');
  return fmt::format("{}.{}", file.filename.substr(0, dot == 0 ? file.filename.npos : dot), extension);
}

// The name under which a browser saves the file: date and prompt, for those whose prompt it is. Somebody who was
// only given the link gets the date and the file's own name.
awaitable<std::string> saved_as(const Api& api, http::Request& request, const files::FileRow& file, std::string_view extension) {
  std::string name = fmt::format("{} {}", iso8601(file.created_at).substr(0, 10), name_of(file, extension));
  if (file.source_task_id.empty()) co_return name;
  const auto caller = co_await api.guard.recognise(request);
  if (!caller || (caller->user_id != file.user_id && !caller->is_admin())) co_return name;
  const auto found = co_await api.parts.tasks.find(file.source_task_id, file.user_id);
  if (!found) co_return name;
  const auto same = std::ranges::find(found->files, file.id, &tasks::TaskFile::file_id);
  const int position = same == found->files.end() ? 0 : same->position;
  const std::string_view own = std::string_view(file.key).substr(file.key.rfind('.') + 1);
  co_return files::download_name(file.created_at, found->task.prompt, position, extension.empty() ? own : extension);
}

// To the store that has the file; `process` is how it is to make a preview of it.
Answer redirect(const Api& api, http::Request& request, const files::FileRow& file, bool saved, std::string_view extension,
                std::string process) {
  std::string title = name_of(file, extension);
  if (saved) title = co_await saved_as(api, request, file, extension);
  FLUX_CO_TRY(link, api.parts.depot.link(file, {.content_disposition = content_disposition(saved, title),
                                                .image_process = process,
                                                .head = request.is_head()}));
  // Much shorter than the link lives, so that whoever has this answer still has time to follow it.
  const auto fresh = (link.expires_at - api.parts.clock.now_ms()) / 4'000;
  auto answer = http::Response::redirect(link.url).with("Cache-Control", fmt::format("private, max-age={}", std::clamp<Millis>(fresh, 0, 300)));
  if (!process.empty()) answer.headers.emplace_back("Vary", "Accept");
  co_return answer;
}

Answer show(const Api& api, http::Request& request) {
  auto owner = co_await allowed_owner(api, request);
  FLUX_CO_TRY(scope, std::move(owner));
  FLUX_CO_TRY(side, read_side(request));
  FLUX_CO_TRY(format, read_format(request));
  auto found =
      co_await api.parts.database.read([&files = api.parts.files, id = std::string(request.param("id")),
                                        scope](db::Tx& tx) { return files.find(tx, id, scope); });
  if (!found) co_return file_not_found();
  // Known by its link only: taken over with an old database.
  if (!found->url.empty() && !api.parts.depot.can_read(*found))
    co_return http::Response::redirect(found->url).with("Cache-Control", "private, max-age=300");
  const bool wants_file = request.query("download").value_or("") == "1";
  const std::string_view extension = side == 0 ? "" : extension_of(format);
  if (found->place != files::kLocal && !api.parts.depot.proxies(*found, wants_file)) {
    const std::string process = side == 0 ? "" : api.parts.depot.preview_by_store(*found, side, format);
    if (side == 0 || !process.empty()) {
      auto answer = co_await redirect(api, request, *found, wants_file || !is_shown(found->mime), extension, process);
      co_return answer;
    }
  }

  http::FileBody body;
  body.content_type = found->mime;
  body.etag = found->sha256.empty() ? found->id : found->sha256;
  if (side == 0) {
    auto copied = co_await api.parts.files.local_copy(found->key);
    FLUX_CO_TRY(path, std::move(copied));
    body.path = path;
  } else {
    auto made = co_await api.parts.files.thumbnail_path(found->key, side, format);
    FLUX_CO_TRY(path, std::move(made));
    body.path = path;
    body.content_type = fmt::format("image/{}", extension);
    body.etag += fmt::format("-{}-{}", side, extension);
  }
  const bool shown = is_shown(body.content_type);
  const bool download = !shown || wants_file;
  if (!shown) body.content_type = "application/octet-stream";
  std::string name = name_of(*found, extension);
  if (download) name = co_await saved_as(api, request, *found, extension);
  http::Response response = http::Response::file(std::move(body))
                                .with("Cache-Control", "private, max-age=604800, immutable")
                                .with("Content-Disposition", content_disposition(download, name))
                                .with("X-Content-Type-Options", "nosniff")
                                .with("Content-Security-Policy", "default-src 'none'; sandbox")
                                .with("Cross-Origin-Resource-Policy", "cross-origin");
  if (side != 0) response.headers.emplace_back("Vary", "Accept");
  co_return response;
}

}  // namespace

std::string content_disposition(bool download, std::string_view name) {
  constexpr std::string_view kPlain = "!#$&+-.^_`|~";  // RFC 8187 §3.2.1 attr-char, with letters and digits
  std::string ascii, encoded;
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kPlain.find(c) != std::string_view::npos;
    ascii += plain || c == ' ' ? c : '_';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  std::string line = fmt::format("{}; filename=\"{}\"", download ? "attachment" : "inline", ascii);
  if (encoded != ascii) line += fmt::format("; filename*=UTF-8''{}", encoded);
  return line;
}

void add_file_routes(http::Router& router, const ApiPtr& api) {
  router.get("/files/{id}/{name}", bind(api, show));
}

}  // namespace fluxgate::api
