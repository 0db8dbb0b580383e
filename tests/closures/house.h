// The product's services over one database, as the closures' tests use them, and the closures themselves by name.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "identity/identity.h"
#include "net/http_client.h"
#include "tasks/batches.h"
#include "tasks/service.h"

namespace fluxgate::closures {

class House {
 public:
  House(db::Database& database, const std::filesystem::path& folder);
  ~House();

  // Tables, an administrator "admin", users "ann" and "bob" with credits, two upstream accounts.
  static void furnish(db::Database& database);

  template <class T>
  T run(awaitable<T> work);
  void run(awaitable<void> work);

  db::Database& database;
  const Clock& clock = system_clock();
  boost::asio::io_context io;
  crypto::Sealer sealer{std::string(32, 'm')};
  tasks::AccountStore accounts{sealer};
  std::unique_ptr<tasks::Tasks> tasks;
  std::unique_ptr<tasks::Batches> batches;
  std::unique_ptr<identity::Identity> identity;
  std::unique_ptr<files::Files> files;

 private:
  notify::Hub hub_;
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  tasks::Waiting waiting_{accounts, clock};
  std::atomic<bool> draining_{false};
  std::unique_ptr<catalogue::Holder> catalogue_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<tasks::Engine> engine_;
};

// One thing the product does in a write closure.
struct Act {
  std::string name;
  // Brings the database into the state in which it is done.
  std::function<void(House&)> before = [](House&) {};
  // Does it; `i` tells the 64 apart where they shall differ.
  std::function<void(House&, int i)> act;
  // What is true when 64 did it at once: a query that counts, and what it must give.
  std::string query;
  std::int64_t expected = 0;
};
const std::vector<Act>& acts();

// ---- templates ----

template <class T>
T House::run(awaitable<T> work) {
  std::optional<T> answer;
  std::exception_ptr error;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
    error = e;
    if (!e) answer = std::move(value);
  });
  io.restart();
  while (!answer && !error) io.run_one();
  if (error) std::rethrow_exception(error);
  return std::move(*answer);
}

}  // namespace fluxgate::closures
