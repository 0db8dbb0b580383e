#include "sandbox/queue.h"
#include "sandbox/replies.h"
#include "sandbox/routes.h"

namespace fluxgate::sandbox {
namespace {

using Reply = awaitable<Result<http::Response>>;

constexpr std::string_view kRedirected = "redirected";

http::Response bytes_reply(std::shared_ptr<const std::string> bytes, std::string_view type) {
  http::Response response;
  response.headers = {{"Content-Type", std::string(type)}, {"Cache-Control", "public, max-age=31536000"}};
  response.body = std::move(bytes);
  return response;
}

// Media faults that are not the same everywhere.
http::Response spoil(http::Response response, const std::string& action, const http::Request& request) {
  auto type =
      std::ranges::find(response.headers, "Content-Type", &std::pair<std::string, std::string>::first);
  if (action == "403") return detail_reply(403, "Access denied");
  if (action == "410") return detail_reply(410, "Gone");
  if (action == "zero") response.body = std::string();
  if (action == "wrong-type")
    response.body = std::string("This was never a picture, whatever the header says.");
  if (action == "mislabelled" && type != response.headers.end()) type->second = "text/plain";
  if (action == "html") return http::Response::text("<!doctype html><title>Sign in</title>", "text/html");
  if (action == "redirect")
    return http::Response::redirect(fmt::format("{}?{}=1", request.path(), kRedirected));
  return response;
}

Reply answer_picture(Service& service, http::Request& request) {
  service.counters.add(Count::media);
  auto name = read_picture_name(request.param("name"));
  auto record = name ? service.book.find(name->id) : std::nullopt;
  if (!record) co_return detail_reply(404, "File not found");
  FLUX_CO_TRY(faults, header_faults(request));
  faults.insert(faults.end(), record->faults.begin(), record->faults.end());
  std::optional<Fault> fault;
  if (!request.query(kRedirected)) fault = service.faults.hit(Stage::media, faults, request.param("name"));
  if (fault) {
    auto instead = co_await play_before(service, *fault, {});
    if (instead) co_return std::move(*instead);
  }
  Outcome outcome = service.outcome(*record);
  const bool ready = phase_at(*record, service.clock.now_ms()) == Phase::completed;
  if (!ready || name->index >= outcome.pictures.size()) co_return detail_reply(404, "File not found");
  const PictureSpec& spec = outcome.pictures[name->index];
  const std::string type(media_type(spec.format));
  FLUX_CO_TRY(bytes, co_await service.gallery.picture(spec));
  http::Response response = bytes_reply(std::move(bytes), type);
  if (fault) {
    response = spoil(std::move(response), fault->action, request);
    response = co_await play_after(service, *fault, std::move(response));
  }
  co_return response;
}

}  // namespace

void add_media_routes(Service& service, http::Router& router) {
  router.get("/files/sandbox/{name}",
             [&service](http::Request& request) { return answer_picture(service, request); });
}

}  // namespace fluxgate::sandbox
