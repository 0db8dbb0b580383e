// A server without sockets: the routes of auths and users over a real database and a clock that tests set.
#pragma once

#include <filesystem>
#include <future>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "api/auth_routes.h"
#include "api/user_routes.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "fake_request.h"

namespace fluxgate::api {

class TestClock final : public Clock {
 public:
  Millis now_ms() const override { return now_; }
  void advance(Millis by) { now_ += by; }

 private:
  Millis now_ = 1'790'000'000'123;
};

class PeopleTest : public testing::Test {
 protected:
  void SetUp() override {
    crypto::initialise();
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-api-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = db::open("sqlite:///" + (folder_ / "test.db").string());
    database_->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
    identity::IdentityOptions options;
    options.session_secret = "a secret that only this test knows";
    options.given.default_user_role = "user";
    options.cost = {1, 8192, 4};
    options.on_new_user = [](db::Tx& tx, const std::string& id, Millis now) {
      credits::open_account(tx, id, Credits::whole(100), credits::make_stamp(now));
    };
    identity_ = std::make_unique<identity::Identity>(*database_, clock_, std::move(options));
    people_ = std::make_shared<const People>(
        People{*identity_, *database_, clock_, hub_, Guard(*identity_, "https://studio.example/")});
    add_auth_routes(router_, people_);
    add_user_routes(router_, people_);
  }
  void TearDown() override {
    identity_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  template <class T>
  T run(awaitable<T> work) {
    boost::asio::io_context io;
    auto answer = boost::asio::co_spawn(io, std::move(work), boost::asio::use_future);
    io.run();
    return answer.get();
  }

  // As the server would: routed, errors rendered.
  http::Response send(FakeRequest& request) {
    const auto match = router_.match(request.method(), request.path());
    if (match.handler == nullptr) return http::Response::text("no route", "text/plain", 404);
    for (const auto& [name, value] : match.params) request.params[name] = value;
    auto answer = run((*match.handler)(request));
    if (answer) return std::move(*answer);
    return render_error(&request, answer.error());
  }
  http::Response send(std::string method, std::string path, const std::string& token = {},
                      boost::json::value body = nullptr) {
    FakeRequest request(std::move(method), std::move(path),
                        body.is_null() ? "" : boost::json::serialize(body));
    if (!token.empty()) request.headers["authorization"] = "Bearer " + token;
    return send(request);
  }
  static std::string text(const http::Response& response) { return std::get<std::string>(response.body); }
  static boost::json::value json(const http::Response& response) {
    return boost::json::parse(text(response));
  }
  static std::string header(const http::Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
      if (key == name) return value;
    return {};
  }
  struct Person {
    std::string id, token;
  };
  Person sign_up(const std::string& email) {
    const auto response = send("POST", "/api/v1/auths/signup", "",
                               {{"name", "Someone"}, {"email", email}, {"password", "correct horse"}});
    EXPECT_EQ(response.status, 200) << std::get<std::string>(response.body);
    const auto body = json(response);
    return {std::string(body.at("id").as_string()), std::string(body.at("token").as_string())};
  }

  std::filesystem::path folder_;
  TestClock clock_;
  std::unique_ptr<db::Database> database_;
  notify::Hub hub_;
  std::unique_ptr<identity::Identity> identity_;
  std::shared_ptr<const People> people_;
  http::Router router_;
};

}  // namespace fluxgate::api
