// A database of its own for each test, a clock that tests set, and cheap hashes.
#pragma once

#include <filesystem>
#include <future>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "db/database.h"
#include "db/schema.h"
#include "identity/identity.h"

namespace fluxgate::identity {

class TestClock final : public Clock {
 public:
  Millis now_ms() const override { return now_.load(); }
  void advance(Millis by) { now_ += by; }
  void set(Millis now) { now_ = now; }

 private:
  std::atomic<Millis> now_ = 1'790'000'000'123;
};

// libsodium's minimum; bcrypt's too.
inline HashCost cheap_hashes() { return {1, 8192, 4}; }

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    crypto::initialise();
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-identity-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = db::open("sqlite:///" + (folder_ / "test.db").string());
    database_->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
  std::unique_ptr<db::Database> database_;
  TestClock clock_;
};

// Runs coroutines of an Identity to their end.
class IdentityTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    restart({});
  }
  void TearDown() override {
    identity_.reset();
    DatabaseTest::TearDown();
  }
  void restart(GivenSettings given, HashScheme scheme = HashScheme::argon2id) {
    identity_.reset();
    IdentityOptions options;
    options.session_secret = kSecret;
    options.given = std::move(given);
    options.scheme = scheme;
    options.cost = cheap_hashes();
    options.on_new_user = hook_;
    identity_ = std::make_unique<Identity>(*database_, clock_, std::move(options));
  }

  template <class T>
  T run(awaitable<T> work) {
    boost::asio::io_context io;
    auto answer = boost::asio::co_spawn(io, std::move(work), boost::asio::use_future);
    io.run();
    return answer.get();
  }

  Result<Session> sign_up(std::string email, std::string password = "correct horse") {
    return run(identity_->sign_up({"Someone", std::move(email), std::move(password), ""}));
  }
  Result<Session> sign_in(std::string email, std::string password = "correct horse") {
    return run(identity_->sign_in(std::move(email), std::move(password), "192.0.2.7"));
  }
  Result<Principal> authenticate(std::string token, std::string path = "/api/v1/flux/models") {
    return run(identity_->authenticate(std::move(token), std::move(path)));
  }
  Principal principal(const Session& session) { return *authenticate(session.token); }
  void exec(const std::string& sql) {
    database_->write_now([sql](db::Tx& tx) { tx.exec(sql); });
  }

  static constexpr const char* kSecret = "a secret that only this test knows";
  std::function<void(db::Tx&, const std::string&, Millis)> hook_;
  std::unique_ptr<Identity> identity_;
};

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "" : result.error().code();
}

}  // namespace fluxgate::identity
