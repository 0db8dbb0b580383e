// A sandbox on a folder of its own, a clock that stands until it is moved, and a client that speaks raw
// requests to it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include "base/crypto.h"
#include "http/server.h"
#include "net/http_client.h"
#include "sandbox/sandbox.h"

namespace fluxgate::sandbox {

namespace json = boost::json;

class ManualClock final : public Clock {
 public:
  Millis now_ms() const override { return now_; }
  void advance(Millis by) { now_ += by; }

 private:
  std::atomic<Millis> now_{system_clock().now_ms()};
};

class TempFolder {
 public:
  TempFolder() {
    crypto::initialise();
    path_ = std::filesystem::temp_directory_path() / ("flux-sandbox-" + crypto::random_hex(6));
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Blocking calls, for tests.
class Client {
 public:
  Client() : client_(net::make_http_client(context_)) {}

  net::Reply call(HttpRequest request, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    net::CallOptions options;
    options.timeout = timeout;
    options.stall_timeout = timeout;
    options.max_body = 64u << 20;
    auto reply = boost::asio::co_spawn(context_, client_->call(std::move(request), std::move(options)),
                                       boost::asio::use_future);
    context_.restart();
    while (reply.wait_for(std::chrono::seconds(0)) != std::future_status::ready) context_.run_one();
    return reply.get();
  }

 private:
  boost::asio::io_context context_{1};
  std::unique_ptr<net::HttpClient> client_;
};

inline json::object object_of(const net::Reply& reply) {
  EXPECT_TRUE(reply.has_value()) << "no answer came";
  if (!reply) return {};
  boost::system::error_code damaged;
  json::value value = json::parse(reply->body, damaged);
  EXPECT_FALSE(damaged) << reply->body;
  return !damaged && value.is_object() ? value.get_object() : json::object();
}

inline std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

class SandboxTest : public testing::Test {
 protected:
  static constexpr std::string_view kDev = "fal-ai/flux-1/dev";
  static constexpr Millis kLongEnough = 10'000;  // every run has ended by then

  void start(Options options = {}) {
    stop();
    options.folder = folder_.path();
    sandbox_ = std::make_unique<Sandbox>(std::move(options), clock_);
    sandbox_->start();
  }
  void stop() { sandbox_.reset(); }
  std::string base() const { return sandbox_->base_url(); }

  net::Reply send(std::string method, std::string path, std::string body = {}, HeaderList headers = {}) {
    if (!path.starts_with("http")) path = base() + path;
    if (anonymous_)
      anonymous_ = false;
    else
      headers.emplace_back("Authorization", "Key team:secret");
    headers.emplace_back("Content-Type", "application/json");
    return client_.call({std::move(method), std::move(path), std::move(headers), std::move(body)});
  }
  net::Reply get(std::string path, HeaderList headers = {}) {
    return send("GET", std::move(path), {}, std::move(headers));
  }

  // The reply to a submit of that input.
  net::Reply post(json::object input, HeaderList headers = {}, std::string_view endpoint = kDev) {
    return send("POST", fmt::format("/{}", endpoint), json::serialize(input), std::move(headers));
  }
  // The body of an accepted submit.
  json::object submit(json::object input, std::string_view endpoint = kDev, HeaderList headers = {}) {
    auto reply = post(std::move(input), std::move(headers), endpoint);
    EXPECT_TRUE(reply && reply->status == 200) << (reply ? reply->body : reply.error().detail);
    return object_of(reply);
  }
  // Submits, lets it finish, and returns the reply to the result's GET.
  net::Reply finished(json::object input, std::string_view endpoint = kDev) {
    auto accepted = submit(std::move(input), endpoint);
    clock_.advance(kLongEnough);
    return get(text_of(accepted, "response_url"));
  }
  std::string first_image(const json::object& result) {
    return text_of(result.at("images").as_array().at(0).as_object(), "url");
  }

  TempFolder folder_;
  ManualClock clock_;
  std::unique_ptr<Sandbox> sandbox_;
  Client client_;
  bool anonymous_ = false;  // the next call goes without a key
};

}  // namespace fluxgate::sandbox
