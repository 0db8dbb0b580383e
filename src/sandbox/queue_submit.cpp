#include <charconv>

#include "base/crypto.h"
#include "sandbox/data_uri.h"
#include "sandbox/queue.h"
#include "sandbox/replies.h"
#include "sandbox/webhooks.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr std::size_t kBodyMax = 128u << 20;
constexpr Millis kWaitMin = 100, kWaitMax = 300;

// An endpoint id that nobody plays (§1.8: app unknown, path unknown).
http::Response unknown_endpoint(const std::string& id) {
  auto parts = split_endpoint_id(id);
  if (parts && knows_app(parts->app))
    return detail_reply(404, fmt::format("Path /{} not found", parts->path));
  auto slash = id.find('/');
  return detail_reply(
      404, fmt::format("Application \"{}\" not found", id.substr(slash == id.npos ? 0 : slash + 1)));
}

http::Response malformed_body(std::string_view type, std::string_view message) {
  return http::Response::json(
      json::object{{"detail", json::array{problem({"body"}, message, type, nullptr)}}}, 422);
}

std::string prompt_of(const json::object& input) {
  const json::value* prompt = input.if_contains("prompt");
  return prompt && prompt->is_string() ? std::string(prompt->get_string()) : std::string();
}

std::optional<double> decimal(std::string_view text) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool asks_for(const std::vector<Fault>& faults, Stage stage, std::string_view action) {
  return std::ranges::any_of(
      faults, [&](const Fault& fault) { return fault.stage == stage && fault.action == action; });
}

struct Submission {
  Record draft;
  Book::Plan plan;
  std::string scope;  // what its faults are counted for while it has no id
};

std::uint64_t draw_seed(const Options& options) {
  std::uint64_t number = crypto::random_u64();
  return options.big_seeds ? (number >> 2) | (1ull << 60) : number >> 32;
}

// Everything about a submit that is decided before it is written down.
Submission prepare(Service& service, const Endpoint& endpoint, json::object input, const Caller& caller,
                   const http::Request& request) {
  Submission submission;
  Record& draft = submission.draft;
  CheckedInput checked = check_input(endpoint, input, service.probe());
  const double scale = service.options.latency_scale;
  const double jitter = static_cast<double>(crypto::random_u64() % 1024) / 1023;
  submission.plan.wait_ms = static_cast<Millis>(scale * (kWaitMin + (kWaitMax - kWaitMin) * jitter));
  submission.plan.run_ms =
      static_cast<Millis>(scale * static_cast<double>(run_time_ms(endpoint, checked, jitter)));
  if (auto limit = decimal(request.header("x-fal-request-timeout")); limit && *limit > 0)
    submission.plan.start_limit_ms = std::max<Millis>(1, static_cast<Millis>(*limit * 1000));
  draft.endpoint = endpoint.id;
  draft.account = caller.account;
  draft.seed = checked.input.seed ? *checked.input.seed : draw_seed(service.options);
  draft.faults = faults_in_prompt(prompt_of(input));
  submission.scope = fmt::format("{} {}", caller.account, stable_digest(prompt_of(input)));
  draft.input = std::move(input);
  return submission;
}

// The whole of an accepted submit's answer (§1.4).
http::Response accepted_reply(Service& service, const Record& record, std::string base,
                              const std::string& fault) {
  if (fault == "foreign-urls") base = "https://queue.upstream.invalid";
  json::object body{{"status", "IN_QUEUE"}};
  add_links(record, base, body);
  body["queue_position"] = service.book.position(record);
  if (fault == "no-id") body.erase("request_id");
  if (fault == "no-urls")
    for (std::string_view key : {"response_url", "status_url", "cancel_url"}) body.erase(key);
  return with_request_id(http::Response::json(body), record.id);
}

// The synchronous host holds the caller until the run is over.
awaitable<http::Response> run_to_end(Service& service, Record record, std::string base) {
  while (phase_at(record, service.clock.now_ms()) != Phase::completed) {
    bool go_on = co_await pause(service, std::max<Millis>(1, record.end_ms - service.clock.now_ms()));
    auto again = service.book.find(record.id);
    if (!go_on || !again) break;
    record = *again;
  }
  FollowUp call{record, std::move(base), record.faults};
  http::Response response = co_await answer_result(service, std::move(call));
  co_return response;
}

http::Response too_many_at_once() {
  auto response = http::Response::json(
      json::object{{"detail", "Too many requests run at once."}, {"error_type", "concurrent_requests_limit"}},
      429);
  response.headers.emplace_back("X-Fal-Needs-Retry", "1");
  response.headers.emplace_back("X-Fal-Error-Type", "concurrent_requests_limit");
  return response;
}

// Refusals that depend on the queue's state.
std::optional<http::Response> refuse_by_load(Service& service, const QueueCall& call, const Caller& caller) {
  if (call.synchronous && !service.book.has_free_slot(caller.account)) return too_many_at_once();
  auto limit = call.max_queue_length ? decimal(*call.max_queue_length) : std::nullopt;
  if (limit && static_cast<double>(service.book.waiting()) > *limit)
    return detail_reply(429, "The queue is longer than fal_max_queue_length.");
  return std::nullopt;
}

// Writes it down and sets its webhook going.
awaitable<Record> accept(Service& service, Submission submission) {
  const bool early_webhook = asks_for(submission.draft.faults, Stage::webhook, "before-reply");
  if (early_webhook) submission.plan = {};
  Record record = service.book.accept(std::move(submission.draft), submission.plan);
  service.counters.add(Count::accepted);
  if (record.webhook.empty()) co_return record;
  if (early_webhook) {
    co_await service.webhooks->deliver_now(record);
    service.book.webhook_done(record.id);
  } else {
    service.webhooks->schedule(record);
  }
  co_return record;
}

Result<json::object> read_input(const std::string& text, std::optional<http::Response>& refusal) {
  boost::system::error_code damaged;
  json::value body = text.empty() ? json::value(json::object()) : json::parse(text, damaged);
  if (damaged)
    refusal = malformed_body("json_invalid", "JSON decode error");
  else if (!body.is_object())
    refusal = malformed_body("model_attributes_type", "Input should be a valid dictionary");
  if (refusal) return json::object();
  replace_data_uris(body);
  return std::move(body.get_object());
}

}  // namespace

awaitable<Result<http::Response>> answer_submit(Service& service, http::Request& request, QueueCall call,
                                                std::string endpoint_id) {
  service.counters.add(Count::posts);
  auto caller = identify(service, request);
  if (!caller) co_return std::move(caller.error());
  const Endpoint* endpoint = find_endpoint(endpoint_id);
  if (!endpoint) co_return unknown_endpoint(endpoint_id);
  if (caller->without_balance) co_return balance_reply();
  FLUX_CO_TRY(asked_faults, header_faults(request));
  FLUX_CO_TRY(text, co_await request.read_body(kBodyMax));
  std::optional<http::Response> refusal;
  FLUX_CO_TRY(input, read_input(text, refusal));
  if (refusal) co_return std::move(*refusal);
  text = std::string();  // may be large, and the answer may take long

  Submission submission = prepare(service, *endpoint, std::move(input), *caller, request);
  std::vector<Fault>& faults = submission.draft.faults;
  faults.insert(faults.begin(), asked_faults.begin(), asked_faults.end());
  submission.draft.webhook = call.webhook.value_or("");
  auto fault = service.faults.hit(Stage::submit, faults, submission.scope);
  if (fault) {
    auto instead = co_await play_before(service, *fault, {});
    if (instead) co_return std::move(*instead);
    submission.draft.start_timeout = fault->action == "start-timeout";
  }
  auto too_much = refuse_by_load(service, call, *caller);
  if (too_much) co_return std::move(*too_much);

  Record record = co_await accept(service, std::move(submission));
  const std::string base = service.base_for(request);
  http::Response response;
  if (call.synchronous)
    response = co_await run_to_end(service, record, base);
  else
    response = accepted_reply(service, record, base, fault ? fault->action : "");
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

}  // namespace fluxgate::sandbox
