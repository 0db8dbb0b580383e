// Webhooks and their signatures (spec/upstream-fal.md §5), received by a real server.
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

struct Delivery {
  HeaderList headers;
  std::string body;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
  json::object json() const { return boost::json::parse(body).as_object(); }
};

// Answers with the statuses given, then 200, and keeps what came.
class Receiver {
 public:
  Receiver() : server_({.host = "127.0.0.1", .threads = 1}, routes(), render) { server_.start(); }
  ~Receiver() { server_.stop(std::chrono::milliseconds(500)); }

  std::string url() const { return fmt::format("http://127.0.0.1:{}/hook", server_.port()); }
  void answer_first(std::vector<int> statuses) {
    std::scoped_lock lock(mutex_);
    statuses_.assign(statuses.begin(), statuses.end());
  }
  std::vector<Delivery> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return deliveries_.size() >= count; });
    return deliveries_;
  }

 private:
  static http::Response render(const http::Request*, const Error& error) {
    return http::Response::text(error.message().en, "text/plain", http_status(error.errc()));
  }
  http::Router routes() {
    http::Router router;
    router.post("/hook", [this](http::Request& request) -> awaitable<Result<http::Response>> {
      Delivery delivery;
      for (std::string name : {"x-fal-webhook-request-id", "x-fal-webhook-user-id", "x-fal-webhook-timestamp",
                               "x-fal-webhook-signature", "content-type"})
        delivery.headers.emplace_back(name, request.header(name));
      FLUX_CO_TRY(body, co_await request.read_body(1 << 20));
      delivery.body = std::move(body);
      co_return http::Response::text("", "text/plain", keep(std::move(delivery)));
    });
    return router;
  }
  int keep(Delivery delivery) {
    std::scoped_lock lock(mutex_);
    deliveries_.push_back(std::move(delivery));
    arrived_.notify_all();
    if (statuses_.empty()) return 200;
    int status = statuses_.front();
    statuses_.pop_front();
    return status;
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Delivery> deliveries_;
  std::deque<int> statuses_;
  http::Server server_;
};

class WebhookTest : public SandboxTest {
 protected:
  void SetUp() override { start({.latency_scale = 0, .tiny_images = true, .webhook_retry_ms = 0}); }

  json::object submit_with_webhook(json::object input) {
    return object_of(
        send("POST", fmt::format("/{}?fal_webhook={}", kDev, receiver_.url()), json::serialize(input)));
  }
  bool verifies(const Delivery& delivery) {
    std::string message =
        fmt::format("{}\n{}\n{}\n{}", delivery.header("x-fal-webhook-request-id"),
                    delivery.header("x-fal-webhook-user-id"), delivery.header("x-fal-webhook-timestamp"),
                    crypto::sha256_hex(delivery.body));
    auto signature = crypto::unhex(delivery.header("x-fal-webhook-signature"));
    if (!signature) return false;
    const auto keys = object_of(get("/.well-known/jwks.json"));
    for (const auto& key : keys.at("keys").as_array()) {
      EXPECT_EQ(key.at("kty"), "OKP");
      auto public_key = crypto::unbase64(key.at("x").as_string());
      if (public_key && crypto::verify_ed25519(*public_key, message, *signature)) return true;
    }
    return false;
  }

  Receiver receiver_;
};

TEST_F(WebhookTest, BringsTheResultUnderAValidSignature) {
  auto accepted = submit_with_webhook({{"prompt", "a boat"}, {"seed", 7}});
  auto delivery = receiver_.wait_for(1).at(0);
  EXPECT_TRUE(verifies(delivery));
  EXPECT_EQ(delivery.header("content-type"), "application/json");
  EXPECT_EQ(delivery.header("x-fal-webhook-request-id"), text_of(accepted, "request_id"));
  auto body = delivery.json();
  EXPECT_EQ(text_of(body, "request_id"), text_of(accepted, "request_id"));
  EXPECT_EQ(text_of(body, "status"), "OK");
  EXPECT_EQ(body.at("payload").at("seed"), 7);
  EXPECT_EQ(get(text_of(body.at("payload").at("images").at(0).as_object(), "url"))->status, 200);
}

TEST_F(WebhookTest, BringsTheModelsErrors) {
  submit_with_webhook({{"prompt", 3}});
  auto body = receiver_.wait_for(1).at(0).json();
  EXPECT_EQ(text_of(body, "status"), "ERROR");
  EXPECT_EQ(text_of(body, "error"), "Invalid status code: 422");
  EXPECT_TRUE(body.at("payload").as_object().contains("detail"));
}

TEST_F(WebhookTest, IsRepeatedUntilItIsTaken) {
  receiver_.answer_first({500, 503});
  submit_with_webhook({{"prompt", "a"}});
  auto deliveries = receiver_.wait_for(3);
  ASSERT_EQ(deliveries.size(), 3u);
  EXPECT_EQ(deliveries[0].body, deliveries[2].body);
}

TEST_F(WebhookTest, ComesAfterTheRunAndNotBefore) {
  start({.tiny_images = true});
  submit_with_webhook({{"prompt", "a"}});
  EXPECT_EQ(sandbox_->requests().webhooks_sent, 0u);
  clock_.advance(kLongEnough);
  EXPECT_EQ(receiver_.wait_for(1).size(), 1u);
}

TEST_F(WebhookTest, IsSentByTheNextSandboxOnTheFolderAfterACrash) {
  start({.tiny_images = true});
  auto accepted = submit_with_webhook({{"prompt", "a"}});
  stop();
  clock_.advance(kLongEnough);
  start({.tiny_images = true});
  auto delivery = receiver_.wait_for(1).at(0);
  EXPECT_EQ(delivery.header("x-fal-webhook-request-id"), text_of(accepted, "request_id"));
  EXPECT_TRUE(verifies(delivery)) << "the key pair stays with the folder";
}

TEST_F(WebhookTest, FaultsHaveTheirForms) {
  auto deliver = [&](std::string_view fault, std::size_t count) {
    submit_with_webhook({{"prompt", fmt::format("[fault:webhook-{}]", fault)}});
    return receiver_.wait_for(count);
  };
  EXPECT_EQ(deliver("duplicate", 2).size(), 2u);
  EXPECT_FALSE(verifies(deliver("bad-signature", 3).back()));
  auto old = deliver("old-timestamp", 4).back();
  EXPECT_LT(std::stoll(old.header("x-fal-webhook-timestamp")), clock_.now_ms() / 1000 - 300);
  EXPECT_TRUE(verifies(deliver("rotated-key", 5).back())) << "by a key that was not published before";
  auto early = submit_with_webhook({{"prompt", "[fault:webhook-before-reply]"}});
  auto deliveries = receiver_.wait_for(0);
  ASSERT_EQ(deliveries.size(), 6u) << "it is there when the submit is answered";
  EXPECT_EQ(deliveries.back().header("x-fal-webhook-request-id"), text_of(early, "request_id"));
  submit_with_webhook({{"prompt", "[fault:webhook-never]"}});
  submit_with_webhook({{"prompt", "[fault:webhook-late;seconds=60]"}});
  auto last = submit_with_webhook({{"prompt", "a"}});
  EXPECT_EQ(receiver_.wait_for(7).back().header("x-fal-webhook-request-id"), text_of(last, "request_id"));
  clock_.advance(61'000);
  EXPECT_EQ(receiver_.wait_for(8).size(), 8u);
}

}  // namespace
}  // namespace fluxgate::sandbox
