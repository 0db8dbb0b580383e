#include "base/crypto.h"
#include "sandbox/queue.h"
#include "sandbox/replies.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr std::size_t kHugeBytes = 20u << 20;

std::string_view action_of(const std::optional<Fault>& fault) {
  return fault ? std::string_view(fault->action) : std::string_view();
}

// Status faults that keep a request from ever finishing.
bool never_ends(const Service& service, const std::vector<Fault>& faults) {
  auto lasting = service.faults.lasting(Stage::status, faults);
  return lasting && (lasting->action.starts_with("stuck") || lasting->action == "growing-queue");
}

struct Pretence {
  Phase phase;
  int position;
};

// What the status says in place of the truth.
Pretence pretend(Service& service, const Record& record, std::string_view action, Pretence truth) {
  if (action == "stuck-queue") return {Phase::queued, 0};
  if (action == "stuck-running") return {Phase::running, 0};
  if (action == "growing-queue") return {Phase::queued, service.faults.turn(record.id + " position") * 7};
  if (action == "regress") {
    int turn = service.faults.turn(record.id + " regress");
    if (turn <= 3) return {turn == 2 ? Phase::queued : Phase::running, 1};
  }
  return truth;
}

void distort(json::object& body, std::string_view action) {
  if (action == "odd-shapes") {
    body["logs"] = json::object();
    body["metrics"] = json::object();
    if (auto* position = body.if_contains("queue_position")) *position = json::serialize(*position);
  }
  if (action == "no-logs") body.erase("logs");
  if (action == "unknown-word") body["status"] = "PENDING";
}

awaitable<Result<void>> inline_pictures(Service& service, Outcome outcome, bool huge, json::object& body) {
  json::value* images = body.if_contains("images");
  if (!images || !images->is_array()) co_return Result<void>();
  for (std::size_t i = 0; i < images->get_array().size(); ++i) {
    FLUX_CO_TRY(bytes, co_await service.gallery.picture(outcome.pictures[i]));
    std::string file = *bytes;
    if (huge) file.resize(std::max(file.size(), kHugeBytes));  // decoders ignore what follows the end
    std::string uri = fmt::format("data:{};base64,", media_type(outcome.pictures[i].format));
    images->get_array()[i].as_object()["url"] = uri + crypto::base64(file);
  }
  co_return Result<void>();
}

// The body of a request that went well, links or pictures included.
awaitable<Result<json::object>> finished_body(Service& service, const FollowUp& call, Outcome outcome,
                                              std::string action) {
  json::object body = outcome.body;
  const std::string base = action == "foreign-media" ? "https://media.upstream.invalid" : call.base;
  add_picture_links(call.record, outcome, base, body);
  if (outcome.as_data_uri)
    FLUX_CO_CHECK(co_await inline_pictures(service, outcome, action == "huge-data-uri", body));
  if (action == "wrapped") {
    json::object envelope{{"status", "COMPLETED"}, {"logs", json::array()}};
    envelope["response"] = std::move(body);
    co_return envelope;
  }
  co_return body;
}

bool has_expired(const Service& service, const Record& record) {
  return service.clock.now_ms() > record.end_ms + service.options.time_to_live_ms;
}

}  // namespace

Result<std::vector<Fault>> header_faults(const http::Request& request) {
  return parse_faults(request.header("x-sandbox-fault"));
}

http::Response with_request_id(http::Response response, std::string_view id) {
  response.headers.emplace_back("X-Fal-Request-Id", id);
  return response;
}

awaitable<http::Response> answer_status(Service& service, FollowUp call) {
  service.counters.add(Count::status);
  const Record& record = call.record;
  auto fault = service.faults.hit(Stage::status, call.faults, record.id);
  const std::string action(action_of(fault));
  if (fault) {
    auto instead = co_await play_before(service, *fault, record.id);
    if (instead) co_return std::move(*instead);
    if (action == "lost") co_return not_found_reply();
    if (action == "405") co_return detail_reply(405, "Method Not Allowed");
  }
  const Millis now = service.clock.now_ms();
  Pretence truth{phase_at(record, now), service.book.position(record)};
  Pretence said = pretend(service, record, action, truth);
  Outcome outcome;
  if (said.phase == Phase::completed) outcome = service.outcome(record);
  StatusView view{call.base, call.with_logs, said.position};
  json::object body = status_body(record, outcome, said.phase, now, view);
  distort(body, action);
  int code = said.phase == Phase::completed || action == "always-200" ? 200 : 202;
  http::Response response = with_request_id(http::Response::json(body, code), record.id);
  if (fault && action != "lost") response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

awaitable<http::Response> answer_result(Service& service, FollowUp call) {
  service.counters.add(Count::results);
  const Record& record = call.record;
  auto fault = service.faults.hit(Stage::result, call.faults, record.id);
  const std::string action(action_of(fault));
  if (fault) {
    auto instead = co_await play_before(service, *fault, record.id);
    if (instead) co_return std::move(*instead);
  }
  bool unfinished =
      phase_at(record, service.clock.now_ms()) != Phase::completed || never_ends(service, call.faults);
  if (unfinished || action == "not-ready")
    co_return with_request_id(detail_reply(400, "Request is still in progress"), record.id);
  if (action == "expired" || has_expired(service, record)) co_return not_found_reply();
  Outcome outcome = outcome_of(record, service.probe(), service.answer_options(), action);
  http::Response response;
  if (outcome.status != 200) {
    response = http::Response::json(outcome.body, outcome.status);
  } else {
    auto body = co_await finished_body(service, call, outcome, action);
    response = body ? http::Response::json(*body) : detail_reply(500, "Internal Server Error");
  }
  for (auto& header : outcome.headers) response.headers.push_back(std::move(header));
  response = with_request_id(std::move(response), record.id);
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

awaitable<http::Response> answer_cancel(Service& service, FollowUp call) {
  service.counters.add(Count::cancels);
  const Record& record = call.record;
  auto fault = service.faults.hit(Stage::cancel, call.faults, record.id);
  const std::string action(action_of(fault));
  if (fault) {
    auto instead = co_await play_before(service, *fault, record.id);
    if (instead) co_return std::move(*instead);
  }
  auto said = [](std::string_view word, int code) {
    return http::Response::json(json::object{{"status", word}}, code);
  };
  http::Response response = said("CANCELLATION_REQUESTED", 202);
  auto outcome = Book::CancelOutcome::accepted;
  if (action == "late")
    outcome = Book::CancelOutcome::already_finished;
  else if (action != "ignored")
    outcome = service.book.cancel(record.id);
  if (outcome == Book::CancelOutcome::already_finished)
    response = said("ALREADY_COMPLETED", 400);
  else if (outcome == Book::CancelOutcome::unknown)
    response = not_found_reply();
  else if (action == "ok-200")
    response = said("OK", 200);
  response = with_request_id(std::move(response), record.id);
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

}  // namespace fluxgate::sandbox
