// The whole product on one database, without sockets: every route, the engine (not started), the console. The
// database is a new one of the engine asked for, behind a FaultyDatabase.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "api/routes.h"
#include "credits/ledger.h"
#include "faulty_database.h"
#include "identity/console.h"
#include "net/http_client.h"
#include "support/memory_store.h"
#include "tasks/service.h"
#include "tasks/task_store.h"
#include "tasks/waiting.h"

namespace fluxgate::closures {

inline constexpr const char* kPassword = "correct horse";
inline constexpr const char* kModel = "fal-ai/flux-1/schnell";
inline constexpr Credits kOpening = Credits::whole(1'000);

// Moves only when it is told to; from any thread.
class HouseClock final : public Clock {
 public:
  Millis now_ms() const override { return now_; }
  void advance(Millis by) { now_ += by; }

 private:
  std::atomic<Millis> now_ = 1'790'000'000'123;
};

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

 private:
  std::filesystem::path folder_;
  boost::asio::io_context io_;
  crypto::Sealer sealer_;

 public:
  HouseClock clock;
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

// A file that is kept as it comes: a second of sound.
std::string a_sound();

// A new database of its own for a test program.
std::unique_ptr<db::Database> new_database(db::Dialect engine, const std::filesystem::path& folder);

// Runs f(0) … f(count - 1), all at once; what each of them returned.
template <class F>
auto side_by_side(int count, F f) {
  using R = std::invoke_result_t<F&, int>;
  std::deque<R> answers(static_cast<std::size_t>(count));  // a vector of bool would share bytes
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  std::atomic<int> ready = 0;
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
inline constexpr int kSideBySide = 64;

}  // namespace fluxgate::closures
