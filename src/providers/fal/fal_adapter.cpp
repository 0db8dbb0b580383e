#include "providers/fal/fal_adapter.h"

#include <boost/url.hpp>

#include "providers/fal/fal_address.h"
#include "providers/fal/fal_answers.h"
#include "providers/fal/fal_errors.h"
#include "providers/fal/fal_json.h"
#include "providers/fal/fal_webhook.h"

namespace fluxgate::providers {
namespace {

using namespace fal;

constexpr std::uint64_t kResultBytes = 64 * 1024 * 1024;  // pictures may stand in it as data URIs
constexpr std::uint64_t kAnswerBytes = 1024 * 1024;

class FalAdapter final : public Adapter {
 public:
  std::string_view provider() const override { return "flux"; }

  Outcome next(Intent intent, const Job& job, const Account& account, const Moment& moment, std::string_view step,
               const HttpResponse* response) const override {
    if (!response) return begin(intent, job, account, moment);
    switch (intent) {
      case Intent::submit: return response->status < 300 ? read_submit(*response, job.path) : Outcome(refused_submit(*response));
      case Intent::poll: {
        if (step == "result") return read_result(*response);
        auto outcome = read_status(*response);
        return outcome ? std::move(*outcome) : ask_result(job, account);
      }
      case Intent::result: return read_result(*response);
      case Intent::cancel: return read_cancel(*response);
      case Intent::probe: return read_probe(*response);
    }
    return Failed{};
  }

  std::optional<HttpRequest> webhook_keys_request(const Account& account) const override { return keys_request(account); }
  std::vector<std::string> read_webhook_keys(const HttpResponse& response) const override { return read_keys(response); }
  WebhookVerdict on_webhook(const HeaderList& headers, std::string_view body, const Job& job, Millis now,
                            std::span<const std::string> keys) const override {
    return judge(headers, body, job, now, keys);
  }

 private:
  static Outcome begin(Intent intent, const Job& job, const Account& account, const Moment& moment) {
    auto path = [&](std::string_view name) { return text_of(job.reference, name); };
    switch (intent) {
      case Intent::submit: return ask_submit(job, account);
      case Intent::poll: return ask(account, "GET", path("status_path") + "?logs=0", "status");
      case Intent::result: return ask_result(job, account);
      case Intent::cancel: return ask(account, "PUT", path("cancel_path"), "cancel");
      // A status nobody has: the key is judged first, and nothing is generated (§8.5).
      case Intent::probe: return ask(account, "GET", "/fal-ai/flux/requests/" + moment.nonce + "/status", "probe");
    }
    return Failed{};
  }

  static Send ask(const Account& account, std::string method, std::string_view path, std::string step) {
    Send send;
    send.request.method = std::move(method);
    send.request.url = address(account, path);
    send.request.headers = {{"Authorization", authorization(account)}, {"Accept", "application/json"}};
    send.step = std::move(step);
    send.max_body = kAnswerBytes;
    return send;
  }

  static Send ask_submit(const Job& job, const Account& account) {
    std::string path = job.path;
    if (!job.webhook_url.empty())
      path += "?fal_webhook=" + boost::urls::encode(job.webhook_url, boost::urls::unreserved_chars);
    Send send = ask(account, "POST", path, "submit");
    send.request.headers.emplace_back("Content-Type", "application/json");
    send.request.body = boost::json::serialize(job.body);
    send.paid = true;
    return send;
  }

  static Send ask_result(const Job& job, const Account& account) {
    Send send = ask(account, "GET", text_of(job.reference, "response_path"), "result");
    send.max_body = kResultBytes;
    return send;
  }

  static Outcome read_cancel(const HttpResponse& response) {
    if (response.status < 300) return Accepted{};
    Failed failed = failed_call(response);
    if (response.status == 400 || response.status == 409) {
      failed.decision = Decision::too_late;
      failed.code = "too_late";
      failed.message = {"Too late, the result is already there.", "已来不及取消，结果已生成。"};
    }
    return failed;
  }

  static Outcome read_probe(const HttpResponse& response) {
    bool known = response.status < 300 || response.status == 404 || response.status == 405 || response.status == 422 ||
                 response.status == 400;
    if (known) return Accepted{};
    return failed_call(response);
  }
};

}  // namespace

std::unique_ptr<Adapter> make_fal_adapter() { return std::make_unique<FalAdapter>(); }

}  // namespace fluxgate::providers
