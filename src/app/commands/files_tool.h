// What the commands about files work with, beside a running server: the database, the data folder, and the stores
// as the server has them. One thread; coroutines run while somebody waits for them.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "app/config.h"
#include "app/workspace.h"
#include "files/depot.h"
#include "net/http_client.h"

namespace fluxgate::app {

class FilesTool {
 public:
  // Errors say what to do.
  static Result<std::unique_ptr<FilesTool>> open(const Config& config);

  db::Database& database() { return *workspace_.database; }
  files::Depot& depot() { return *depot_; }

  // Runs several coroutines until all have ended; what one of them throws is thrown.
  void run(std::vector<awaitable<void>> all);
  template <class T>
  T run(awaitable<T> one) {
    std::optional<T> result;
    std::vector<awaitable<void>> all;
    all.push_back([](awaitable<T> work, std::optional<T>& into) -> awaitable<void> { into.emplace(co_await std::move(work)); }(
        std::move(one), result));
    run(std::move(all));
    return std::move(*result);
  }

 private:
  FilesTool() = default;

  Workspace workspace_;
  std::unique_ptr<crypto::Sealer> sealer_;
  boost::asio::io_context io_{1};
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<files::Depot> depot_;
};

// What cloud_storage_config calls "cos" and "s3".
std::string_view provider_of_kind(std::string_view kind);
// The store of that kind, the enabled one before others, then the latest; null: none.
files::OpenStorePtr store_of_kind(const files::Stores& stores, std::string_view kind);

// How far a long command is: a bar on a terminal, now and then a line elsewhere. On stderr.
class ProgressLine {
 public:
  ProgressLine(std::string what, std::int64_t total);
  void show(std::int64_t done, std::uint64_t bytes);
  void end();

 private:
  const std::string what_;
  const std::int64_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_{};
  bool drawn_ = false;
};

}  // namespace fluxgate::app
