#include "providers/fal/fal_adapter.h"

#include <boost/url.hpp>

#include "providers/fal/fal_address.h"
#include "providers/fal/fal_answers.h"
#include "providers/fal/fal_errors.h"
#include "providers/fal/fal_events.h"
#include "providers/fal/fal_json.h"
#include "providers/fal/fal_webhook.h"

namespace fluxgate::providers {
namespace {

using namespace fal;

constexpr std::uint64_t kResultBytes = 64 * 1024 * 1024;  // pictures may stand in it as data URIs
constexpr std::uint64_t kAnswerBytes = 1024 * 1024;
constexpr std::uint64_t kEventBytes = 256 * 1024;

// Steps of a conversation. The "-built" ones ask under the built path, after the returned one was refused.
constexpr std::string_view kSubmit = "submit", kStatus = "status", kStatusBuilt = "status-built",
                           kResult = "result", kResultBuilt = "result-built",
                           kResultOfFailure = "result-of-failure",
                           kResultOfFailureBuilt = "result-of-failure-built", kCancel = "cancel",
                           kCancelBuilt = "cancel-built", kProbe = "probe", kWatch = "watch";

Send ask(const Account& account, std::string method, std::string_view path, std::string_view step) {
  Send send;
  send.request.method = std::move(method);
  send.request.url = address(account, path);
  send.request.headers = {{"Authorization", authorization(account)}, {"Accept", "application/json"}};
  send.step = step;
  send.max_body = kAnswerBytes;
  return send;
}

Send ask_submit(const Job& job, const Account& account) {
  std::string path = job.path;
  if (!job.webhook_url.empty())
    path += "?fal_webhook=" + boost::urls::encode(job.webhook_url, boost::urls::unreserved_chars);
  Send send = ask(account, "POST", path, kSubmit);
  boost::json::object body = job.body;
  body.erase("sync_mode");  // ours: it would turn results into data URIs that live for minutes (§3.1)
  send.request.headers.emplace_back("Content-Type", "application/json");
  send.request.body = boost::json::serialize(body);
  send.paid = true;
  return send;
}

Send ask_result(const Account& account, std::string_view path, std::string_view step) {
  Send send = ask(account, "GET", path, step);
  send.max_body = kResultBytes;
  return send;
}

Send ask_status(const Job& job, const Account& account) {
  return ask(account, "GET", text_of(job.reference, "status_path") + "?logs=0", kStatus);
}

Send ask_events(const Job& job, const Account& account) {
  Send send = ask(account, "GET", text_of(job.reference, "status_path") + "/stream?logs=0", kWatch);
  send.request.headers.back() = {"Accept", "text/event-stream"};
  send.max_body = kEventBytes;
  send.streams = true;
  return send;
}

Outcome nothing_to_ask_for() {
  Failed failed{.decision = Decision::lost, .took = Took::maybe, .code = "upstream_lost"};
  failed.message = {"The provider lost this request.", "服务商丢失了该请求。"};
  failed.detail = "the attempt has no reference";
  return failed;
}

Outcome begin(Intent intent, const Job& job, const Account& account, const Adapter::Moment& moment) {
  bool named = !text_of(job.reference, "request_id").empty();
  if (intent == Intent::submit) return ask_submit(job, account);
  // A status nobody has: the key is judged first, and nothing is generated (§8.5).
  if (intent == Intent::probe)
    return ask(account, "GET", "/fal-ai/flux/requests/" + moment.nonce + "/status?logs=0", kProbe);
  if (!named) return nothing_to_ask_for();
  if (intent == Intent::poll) return ask_status(job, account);
  if (intent == Intent::watch) return ask_events(job, account);
  if (intent == Intent::result) return ask_result(account, text_of(job.reference, "response_path"), kResult);
  return ask(account, "PUT", text_of(job.reference, "cancel_path"), kCancel);
}

// 405: the service does not know the form of link that it returned itself (§1.3).
bool try_built(const HttpResponse& response, const Job& job, std::string_view stored,
               std::string_view ending) {
  std::string built = built_path(job.reference, ending);
  return response.status == 405 && !built.empty() && built != text_of(job.reference, stored);
}

Outcome read_results(std::string_view step, const HttpResponse& response, const Job& job,
                     const Account& account) {
  bool badly = step == kResultOfFailure || step == kResultOfFailureBuilt;
  bool built = step == kResultBuilt || step == kResultOfFailureBuilt;
  if (!built && try_built(response, job, "response_path", ""))
    return ask_result(account, built_path(job.reference, ""), badly ? kResultOfFailureBuilt : kResultBuilt);
  return read_result(response, badly);
}

Outcome read_poll(std::string_view step, const HttpResponse& response, const Job& job,
                  const Account& account) {
  if (step.starts_with(kResult)) return read_results(step, response, job, account);
  if (step == kStatus && try_built(response, job, "status_path", "/status"))
    return ask(account, "GET", built_path(job.reference, "/status") + "?logs=0", kStatusBuilt);
  auto said = read_status(response);
  if (auto* ended = std::get_if<AskResult>(&said))
    return ask_result(account, text_of(job.reference, "response_path"),
                      ended->badly ? kResultOfFailure : kResult);
  return std::get<Outcome>(std::move(said));
}

// A clone that has no stream refuses it, answers with the status, or with something else altogether; then the plain
// status is asked for in the same conversation.
Outcome read_watch(std::string_view step, const HttpResponse& response, const Job& job, const Account& account) {
  if (step != kWatch) return read_poll(step, response, job, account);
  if (response.status < 200 || response.status >= 300) return ask_status(job, account);
  if (!response.header("content-type").starts_with("text/event-stream"))
    return read_poll(kStatus, response, job, account);
  HttpResponse told = response;
  told.body = last_event(response.body);
  if (told.body.empty()) return Working{};
  return read_poll(kStatus, told, job, account);
}

Outcome read_cancel(std::string_view step, const HttpResponse& response, const Job& job,
                    const Account& account) {
  if (response.status >= 200 && response.status < 300) return Accepted{};
  if (step == kCancel && try_built(response, job, "cancel_path", "/cancel"))
    return ask(account, "PUT", built_path(job.reference, "/cancel"), kCancelBuilt);
  Failed failed = failed_call(response);
  if (response.status == 400 || response.status == 409) {
    failed.decision = Decision::too_late;
    failed.code = "too_late";
    failed.message = {"Too late, the result is already there.", "已来不及取消，结果已生成。"};
  }
  return failed;
}

// 404 means that the key was taken and the request is unknown; a web page means that this is no queue at all.
Outcome read_probe(const HttpResponse& response) {
  int status = response.status;
  bool answered =
      (status >= 200 && status < 300) || status == 400 || status == 404 || status == 405 || status == 422;
  if (!answered) {
    Failed failed = failed_call(response);
    failed.took = Took::no;
    return failed;
  }
  if (response.header("content-type").starts_with("text/html")) {
    Failed failed = unreadable(response, Took::no);
    failed.decision = Decision::fail;
    failed.code = "upstream_address";
    failed.message = {"This address answers with a web page; it is not the address of the queue API.",
                      "该地址返回的是网页，不是队列 API 的地址。"};
    return failed;
  }
  return Accepted{};
}

Outcome read(Intent intent, const Job& job, const Account& account, std::string_view step,
             const HttpResponse& response) {
  switch (intent) {
    case Intent::submit:
      if (response.status >= 200 && response.status < 300) return read_submit(response, job, account);
      return refused_submit(response);
    case Intent::poll: return read_poll(step, response, job, account);
    case Intent::watch: return read_watch(step, response, job, account);
    case Intent::result: return read_results(step, response, job, account);
    case Intent::cancel: return read_cancel(step, response, job, account);
    case Intent::probe: return read_probe(response);
  }
  return Failed{};
}

class FalAdapter final : public Adapter {
 public:
  std::string_view provider() const override { return "flux"; }

  Outcome next(Intent intent, const Job& job, const Account& account, const Moment& moment,
               std::string_view step, const HttpResponse* response) const override {
    if (!response) return begin(intent, job, account, moment);
    Outcome outcome = read(intent, job, account, step, *response);
    if (auto* failed = std::get_if<Failed>(&outcome)) hide_key(*failed, account.key);
    return outcome;
  }

  // Settings may say {"stream": false}, for clones that keep the call open and tell nothing.
  bool can_watch(const Account& account) const override {
    const auto* stream = account.settings.if_contains("stream");
    return !stream || !stream->is_bool() || stream->as_bool();
  }

  std::optional<HttpRequest> webhook_keys_request(const Account& account) const override {
    return keys_request(account);
  }
  std::vector<std::string> read_webhook_keys(const HttpResponse& response) const override {
    return read_keys(response);
  }
  WebhookVerdict on_webhook(const HeaderList& headers, std::string_view body, const Job& job,
                            const Account& account, Millis now,
                            std::span<const std::string> keys) const override {
    WebhookVerdict verdict = judge(headers, body, job, now, keys);
    if (verdict.outcome)
      if (auto* failed = std::get_if<Failed>(&*verdict.outcome)) hide_key(*failed, account.key);
    return verdict;
  }
};

}  // namespace

std::unique_ptr<Adapter> make_fal_adapter() { return std::make_unique<FalAdapter>(); }

}  // namespace fluxgate::providers
