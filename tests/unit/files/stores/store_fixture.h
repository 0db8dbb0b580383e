// A store on one side, a fake COS on the other, real HTTP between them. The test's io_context is the
// client's, and `wait` drives it until a call has ended.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/crypto.h"
#include "files/stores/settings.h"
#include "files/work_pool.h"
#include "net/http_client.h"
#include "sandbox/cos.h"

namespace fluxgate::files {

// The machine's clock, set wrong, or standing still.
class ShiftedClock final : public Clock {
 public:
  Millis now_ms() const override { return pinned_ != 0 ? pinned_.load() : system_clock().now_ms() + shift_; }
  void shift(Millis by) { shift_ = by; }
  void pin(Millis now) { pinned_ = now; }

 private:
  std::atomic<Millis> shift_{0}, pinned_{0};
};

// Stands for DNS: COS's own hosts are the fake one; everything else is left alone.
class CosNames final : public net::HttpClient {
 public:
  CosNames(net::HttpClient& client, std::string base) : client_(client), base_(std::move(base)) {}
  awaitable<net::Reply> call(HttpRequest request, net::CallOptions options) override {
    const std::size_t from = request.url.find("://") + 3, to = request.url.find('/', from);
    const std::string host = request.url.substr(from, to - from);
    if (host.ends_with(".myqcloud.com") || host.ends_with(".tencentcos.cn")) {
      request.headers.emplace_back("Host", host);
      request.url = base_ + request.url.substr(to);
    }
    return client_.call(std::move(request), std::move(options));
  }

 private:
  net::HttpClient& client_;
  const std::string base_;
};

class Folder {
 public:
  Folder() {
    crypto::initialise();
    path_ = std::filesystem::temp_directory_path() / ("flux-stores-" + crypto::random_hex(6));
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(std::string_view name) const { return path_ / name; }
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

// Bytes that differ everywhere, so that parts in a wrong place show.
inline std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = size + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

class StoreTest : public ::testing::Test {
 protected:
  template <class T>
  T wait(awaitable<T> work) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(work), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    while (!result) io_.run_one();
    return std::move(*result);
  }

  StoreParts parts(net::HttpClient& client) {
    StoreParts parts{client, io_.get_executor(), pool_, clock_};
    parts.multipart_above = 1u << 20;
    parts.part_bytes = 1u << 20;
    parts.first_pause_ms = 1;
    return parts;
  }

  Result<ObjectFacts> put(Store& store, std::string key, std::string bytes) {
    Put object{.key = std::move(key), .source = make_memory_source(std::move(bytes))};
    object.content_type = "image/png";
    return wait(store.put(std::move(object)));
  }
  Result<std::string> get(Store& store, std::string key, std::optional<Range> range = {}) {
    std::string bytes;
    const auto facts = wait(store.get(std::move(key), range, [&](std::string_view piece) {
      bytes += piece;
      return true;
    }));
    if (!facts) return std::unexpected(facts.error());
    return bytes;
  }
  static std::string code(const auto& result) { return result ? "" : result.error().code(); }

  Folder folder_;
  ShiftedClock clock_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  WorkPool pool_{2, 16};
  std::unique_ptr<net::HttpClient> client_ = net::make_http_client(io_);
};

class CosTest : public StoreTest {
 protected:
  void start(sandbox::CosOptions options = {}) {
    options.folder = folder_.path("bucket");
    cos_ = std::make_unique<sandbox::CosSandbox>(std::move(options));
    cos_->start();
    names_ = std::make_unique<CosNames>(*client_, cos_->base_url());
  }
  static CosSettings settings() {
    CosSettings settings{.bucket = "studio-1250000000", .region = "ap-guangzhou"};
    settings.credentials = {"AKIDsandbox", "sandboxSecretKey"};
    return settings;
  }
  std::unique_ptr<Store> open(CosSettings settings = CosTest::settings(), int attempts = 4) {
    StoreParts tuned = parts(*names_);
    tuned.attempts = attempts;
    auto store = make_store(std::move(settings), tuned);
    EXPECT_TRUE(store) << code(store);
    return std::move(*store);
  }
  net::Reply fetch(const SignedRequest& request, std::string body = {}) {
    HttpRequest plain{request.method, request.url, {}, std::move(body)};
    for (const auto& header : request.headers)
      if (header.first != "Content-Length") plain.headers.push_back(header);
    return wait(names_->call(std::move(plain), {}));
  }
  std::size_t count(std::string_view prefix) const {
    const auto requests = cos_->requests();
    return static_cast<std::size_t>(
        std::ranges::count_if(requests, [&](const auto& one) { return one.starts_with(prefix); }));
  }

  std::unique_ptr<sandbox::CosSandbox> cos_;
  std::unique_ptr<CosNames> names_;
};

}  // namespace fluxgate::files
