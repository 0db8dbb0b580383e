#include "sandbox/webhooks.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/log.h"
#include "net/http_client.h"
#include "sandbox/service.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr int kAttempts = 10;
constexpr double kLateSeconds = 30;
constexpr Millis kRetryMax = 600'000;
constexpr Millis kStep = 200;  // how late a moved clock is noticed
constexpr Millis kHourInSeconds = 3600;
constexpr auto kFirstTimeout = std::chrono::seconds(15);

std::string key_file(const std::string& folder) { return folder + "/webhook.key"; }

std::optional<crypto::Ed25519KeyPair> read_keys(const std::string& path) {
  std::ifstream file(path);
  std::string public_hex, secret_hex;
  if (!(file >> public_hex >> secret_hex)) return std::nullopt;
  auto public_key = crypto::unhex(public_hex);
  auto secret_key = crypto::unhex(secret_hex);
  if (!public_key || !secret_key) return std::nullopt;
  return crypto::Ed25519KeyPair{*public_key, *secret_key};
}

std::string hex_of(std::string_view bytes) {
  return crypto::hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

// The folder's key pair. Two sandboxes that start at once agree: a link to a complete file is made by
// one of them only.
crypto::Ed25519KeyPair load_keys(const std::string& folder) {
  const std::string path = key_file(folder);
  if (auto keys = read_keys(path)) return *keys;
  auto fresh = crypto::new_ed25519_key_pair();
  const std::string draft = fmt::format("{}.{}", path, crypto::random_hex(4));
  int descriptor = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  std::string text = hex_of(fresh.public_key) + " " + hex_of(fresh.secret_key) + "\n";
  if (descriptor >= 0 && write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()))
    std::ignore = link(draft.c_str(), path.c_str());
  if (descriptor >= 0) close(descriptor);
  unlink(draft.c_str());
  return read_keys(path).value_or(std::move(fresh));
}

json::object public_part(const crypto::Ed25519KeyPair& keys) {
  return {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", crypto::base64url(keys.public_key)}};
}

std::string webhook_body(const Record& record, const Outcome& outcome, std::string_view base) {
  json::object body{{"request_id", record.id}, {"gateway_request_id", record.id}};
  json::object payload = outcome.body;
  add_picture_links(record, outcome, base, payload);
  body["status"] = outcome.status == 200 ? "OK" : "ERROR";
  if (outcome.status != 200) body["error"] = fmt::format("Invalid status code: {}", outcome.status);
  body["payload"] = std::move(payload);
  return json::serialize(body);
}

}  // namespace

HeaderList sign_webhook(const crypto::Ed25519KeyPair& keys, const WebhookSignature& who,
                        std::string_view body) {
  std::string timestamp = std::to_string(who.timestamp_s);
  std::string message =
      fmt::format("{}\n{}\n{}\n{}", who.request_id, who.user_id, timestamp, crypto::sha256_hex(body));
  return {{"Content-Type", "application/json"},
          {"X-Fal-Webhook-Request-Id", who.request_id},
          {"X-Fal-Webhook-User-Id", who.user_id},
          {"X-Fal-Webhook-Timestamp", timestamp},
          {"X-Fal-Webhook-Signature", hex_of(crypto::sign_ed25519(keys.secret_key, message))}};
}

// Everything below runs on the sender's thread, except where said.
struct WebhookSender::Impl {
  explicit Impl(Service& service_in)
      : service(service_in),
        keys(load_keys(service_in.options.folder)),
        rotated(crypto::new_ed25519_key_pair()) {}

  awaitable<void> follow(std::string id);
  awaitable<bool> wait_until(Millis due);
  awaitable<bool> attempt(Record record, std::optional<Fault> fault);
  void spawn(std::string id) { group.spawn("webhook " + id, follow(id)); }

  Service& service;
  const crypto::Ed25519KeyPair keys;
  const crypto::Ed25519KeyPair rotated;  // a second key, published once it was used
  std::atomic<bool> rotated_published{false};
  std::string base_url;
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
  CoroGroup group{context.get_executor()};
  std::unique_ptr<net::HttpClient> client;
  std::thread thread;
};

// Waits for the request's end, then tries until somebody takes it.
awaitable<void> WebhookSender::Impl::follow(std::string id) {
  auto record = service.book.find(id);
  if (!record) co_return;
  auto fault = service.faults.hit(Stage::webhook, record->faults, id);
  bool never = fault && fault->action == "never";
  // A stuck request never ends, so it has nothing to tell.
  auto stuck = service.faults.lasting(Stage::status, record->faults);
  never = never || (stuck && (stuck->action.starts_with("stuck") || stuck->action == "growing-queue"));
  if (never) {
    service.book.webhook_done(id);
    co_return;
  }
  // Its end may move while it waits: others can be cancelled.
  while (record && !record->cancelled() && phase_at(*record, service.clock.now_ms()) != Phase::completed) {
    bool go_on = co_await wait_until(record->end_ms);
    if (!go_on) co_return;
    record = service.book.find(id);
  }
  if (!record || record->cancelled()) {
    service.book.webhook_done(id);
    co_return;
  }
  if (fault && fault->action == "late") {
    double seconds = fault->seconds >= 0 ? fault->seconds : kLateSeconds;
    bool go_on = co_await wait_until(record->end_ms + static_cast<Millis>(seconds * 1000));
    if (!go_on) co_return;
  }
  Millis delay = service.options.webhook_retry_ms;
  for (int number = 1; number <= kAttempts; ++number) {
    bool taken = co_await attempt(*record, fault);
    if (taken && fault && fault->action == "duplicate") taken = co_await attempt(*record, fault);
    if (taken) break;
    bool go_on = co_await wait_until(service.clock.now_ms() + delay);
    if (!go_on) co_return;
    delay = std::min(delay * 2, kRetryMax);
  }
  service.book.webhook_done(id);
}

// By the sandbox's clock, in steps, so that a clock that is moved by a test is noticed.
awaitable<bool> WebhookSender::Impl::wait_until(Millis due) {
  while (!service.stopping && service.clock.now_ms() < due) {
    Millis step = std::clamp<Millis>(due - service.clock.now_ms(), 1, kStep);
    co_await pause(service, step);
  }
  co_return !service.stopping;
}

awaitable<bool> WebhookSender::Impl::attempt(Record record, std::optional<Fault> fault) {
  if (!client) co_return false;  // stopping
  const std::string action = fault ? fault->action : "";
  Outcome outcome = service.outcome(record);
  HttpRequest request{.method = "POST", .url = record.webhook};
  request.body = webhook_body(record, outcome, base_url);
  WebhookSignature who{record.id, record.account, service.clock.now_ms() / 1000};
  if (action == "old-timestamp") who.timestamp_s -= kHourInSeconds;
  if (action == "rotated-key") rotated_published = true;
  std::string_view signed_body = action == "bad-signature" ? std::string_view("other bytes") : request.body;
  request.headers = sign_webhook(action == "rotated-key" ? rotated : keys, who, signed_body);
  request.headers.emplace_back("User-Agent", "fluxgate-sandbox");
  service.counters.add(Count::webhooks_sent);
  net::CallOptions options;
  options.timeout = kFirstTimeout;
  options.max_body = 64 * 1024;
  auto reply = co_await client->call(std::move(request), std::move(options));
  bool taken = reply && reply->status >= 200 && reply->status < 300;
  // Redirects are not followed and end the matter (§5.3).
  bool refused = reply && reply->status >= 300 && reply->status < 400;
  if (taken) service.counters.add(Count::webhooks_delivered);
  co_return taken || refused;
}

WebhookSender::WebhookSender(Service& service) : impl_(std::make_unique<Impl>(service)) {}

WebhookSender::~WebhookSender() { stop(); }

void WebhookSender::start(std::string base_url) {
  impl_->base_url = std::move(base_url);
  impl_->client = net::make_http_client(impl_->context);
  for (std::string& id : impl_->service.book.open_webhooks()) impl_->spawn(std::move(id));
  impl_->thread = std::thread([impl = impl_.get()] { impl->context.run(); });
}

void WebhookSender::cancel() {
  if (!impl_->thread.joinable()) return;
  boost::asio::post(impl_->context, [impl = impl_.get()] {
    impl->group.stop();
    impl->client.reset();
  });
}

void WebhookSender::stop() {
  if (!impl_->thread.joinable()) return;
  cancel();
  boost::asio::post(impl_->context, [impl = impl_.get()] { impl->work.reset(); });
  impl_->thread.join();
}

void WebhookSender::schedule(const Record& record) {
  boost::asio::post(impl_->context, [impl = impl_.get(), id = record.id] {
    if (!impl->group.stopping()) impl->spawn(id);
  });
}

awaitable<void> WebhookSender::deliver_now(Record record) {
  co_await boost::asio::co_spawn(impl_->context, impl_->attempt(std::move(record), std::nullopt),
                                 use_awaitable);
}

boost::json::object WebhookSender::key_set() const {
  json::array list{public_part(impl_->keys)};
  if (impl_->rotated_published) list.push_back(public_part(impl_->rotated));
  return {{"keys", std::move(list)}};
}

}  // namespace fluxgate::sandbox
