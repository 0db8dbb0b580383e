// The whole product on one database, without sockets: every route, the engine (not started), the console. The
// database is a new one of the engine asked for, behind a FaultyDatabase.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "../unit/api/fake_request.h"
#include "api/routes.h"
#include "credits/ledger.h"
#include "faulty_database.h"
#include "identity/console.h"
#include "net/http_client.h"
#include "../simulation/clock.h"
#include "support/memory_store.h"
#include "tasks/service.h"
#include "tasks/task_store.h"
#include "tasks/waiting.h"

namespace fluxgate::closures {

inline constexpr const char* kPassword = "correct horse";
inline constexpr const char* kModel = "fal-ai/flux-1/schnell";
inline constexpr Credits kOpening = Credits::whole(1'000);

struct Answer {
  int status = 0;
  boost::json::value body;
  std::string code() const;
};
struct Person {
  std::string id, email, token;
};

class House {
 public:
  explicit House(db::Dialect engine);
  ~House();

  // As the server would: routed, errors rendered. A closure that failed is a 503. From any thread.
  Answer send(std::string method, std::string path, const std::string& token = {}, boost::json::value body = nullptr,
              const std::string& idempotency_key = {});
  // A form with one file.
  Answer upload(std::string path, const std::string& token, std::string_view part, std::string_view filename, std::string_view bytes);
  // The first one is an administrator.
  Person sign_up(const std::string& email);
  template <class T>
  T run(awaitable<T> work) {
    boost::asio::io_context io;
    auto answer = boost::asio::co_spawn(io, std::move(work), boost::asio::use_future);
    io.run();
    return answer.get();
  }
  template <class F>
  auto write(F closure) {
    return database.write_now(std::move(closure));
  }
  template <class F>
  auto read(F closure) {
    return database.read_now(std::move(closure));
  }
  std::int64_t number(std::string_view sql, db::Params params = {});
  // What is wrong with the books, one finding a line.
  std::string audit();
  // Brings a claimed task to a state, the way the engine goes. Nothing fails meanwhile.
  tasks::Task brought_to(tasks::Task task, tasks::TaskState state);
  tasks::store::Move move_to(tasks::TaskState state) const;
  // A file for a task that succeeds.
  void deliver(db::Tx& tx, const tasks::Task& task, int position = 0);
  identity::Console console();
  // Of another node.
  std::unique_ptr<identity::Identity> another_identity();
  std::string files_folder() const { return (folder_ / "files").string(); }

 private:
  Answer send(api::FakeRequest& request);
  std::filesystem::path folder_;
  boost::asio::io_context io_;
  std::counting_semaphore<> hashing_{8};  // as many as the line for hashing takes

 public:
  const crypto::Sealer sealer;
  simulation::SimClock clock;
  FaultyDatabase database;
  notify::Hub hub;
  tasks::AccountStore accounts;
  std::unique_ptr<files::Files> files;
  std::unique_ptr<files::Depot> depot;
  std::unique_ptr<catalogue::Holder> catalogue;
  std::unique_ptr<identity::Identity> identity;
  std::unique_ptr<tasks::Tasks> tasks;
  std::unique_ptr<tasks::Batches> batches;
  std::shared_ptr<test::MemoryStore> direct = std::make_shared<test::MemoryStore>();  // of direct uploads
  std::unique_ptr<files::Uploads> uploads;

 private:
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  tasks::Waiting waiting_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<tasks::Engine> engine_;
  http::Router router_;
};

// Every test of the suite, on SQLite and on PostgreSQL.
#define FLUX_ON_BOTH_ENGINES(suite)                                                                        \
  INSTANTIATE_TEST_SUITE_P(Engines, suite, testing::Values(db::Dialect::sqlite, db::Dialect::postgresql), \
                           [](const auto& engine) { return engine.param == db::Dialect::sqlite ? "sqlite" : "postgresql"; })

// A file that is kept as it comes: a second of sound.
std::string a_sound();

// The URL of a new database with all tables.
std::string new_database(db::Dialect engine, const std::filesystem::path& folder);

// Runs f(0) … f(count - 1), all at once; what each of them returned.
template <class F>
auto side_by_side(int count, F f) {
  using R = std::invoke_result_t<F&, int>;
  std::deque<R> answers(static_cast<std::size_t>(count));  // a vector of bool would share bytes
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  std::atomic<int> ready = 0;
  const Together at_once(count);
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < count) std::this_thread::yield();
      try {
        answers[static_cast<std::size_t>(i)] = f(i);
      } catch (...) {
        errors[static_cast<std::size_t>(i)] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
  return answers;
}
}  // namespace fluxgate::closures
