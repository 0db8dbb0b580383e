#include "db/postgresql.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <random>
#include <thread>

#include "base/log.h"
#include "db/bulletin.h"
#include "db/outcome_unknown.h"
#include "db/postgresql_connection.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kRideOver{30};       // Patroni's own leases last as long
constexpr std::chrono::seconds kStarting{15};       // a database that a container starts beside us
constexpr milliseconds kFirstPause{5}, kLongestPause{500};
constexpr int kConnections = 8;
// How long a thread that gets no session leaves the work to those that have one, before it asks for its own again.
constexpr std::chrono::seconds kAside{5};
constexpr std::chrono::minutes kTellAgain{1};
// A transaction that is frozen is ended before those that wait for its locks lose patience.
constexpr PgSession kServerSession{.statement_limit = std::chrono::seconds(30), .lock_limit = std::chrono::seconds(10),
                                   .idle_limit = std::chrono::seconds(5)};
constexpr PgSession kToolSession{.idle_limit = std::chrono::minutes(5)};

// The pace of tries after failures: longer and longer pauses, not the same for all.
class Pace {
 public:
  milliseconds next() {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto pause = milliseconds(1 + static_cast<int>(random() % static_cast<unsigned>(pause_.count())));
    pause_ = std::min(pause_ * 2, kLongestPause);
    return pause;
  }

 private:
  milliseconds pause_ = kFirstPause;
};

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::string_view url, OpenOptions options);
  ~PostgresDatabase() override { stop(); }

  Dialect dialect() const override { return Dialect::postgresql; }
  void stop() override;
  void announce(const std::string& word) override {
    if (bulletin_) bulletin_->announce(word);
  }
  void on_announced(std::function<void(const std::string&)> heard) override {
    if (bulletin_) bulletin_->listen(std::move(heard));
  }

 protected:
  void enqueue_write(std::shared_ptr<Job> job) override { enqueue(writes_, std::move(job)); }
  void enqueue_read(std::shared_ptr<Job> job) override { enqueue(reads_, std::move(job)); }
  bool reads_inline() const override { return false; }
  void run_read(const std::function<void(Tx&)>& closure) override;

 private:
  struct Work {
    std::shared_ptr<Job> job;
    std::uint64_t number = 0;   // in the order they came
    Clock::time_point until{};
    bool writes = false;
  };
  // A loss that one session meets ends the epoch of all, and so does one that finds itself with another server: the
  // others may still stand, with a server that was the primary once, and would read there what is no longer true.
  struct Session {
    std::unique_ptr<PgConnection> connection;
    std::uint64_t epoch = 0;

    explicit operator bool() const { return connection != nullptr; }
    PgConnection& operator*() const { return *connection; }
    PgConnection* operator->() const { return connection.get(); }
    void reset() { connection.reset(); }
  };

  std::unique_ptr<PgConnection> first_session(OpenOptions options);
  void enqueue(std::deque<Work>& queue, std::shared_ptr<Job> job);
  std::optional<Work> next_work(const Session& session);
  void serve(Session session);
  enum class Next { finish, again, leave };
  bool run(Session& session, const Work& work);
  std::exception_ptr failed_try(Session& session, const Work& work, Pace& pace, Next& next);
  bool leave_to_others(const Work& work, const PgFailure& failure);
  bool stand_aside(std::unique_lock<std::mutex>& lock);
  void connect(Session& session);
  void drop(Session& session);
  void begin_epoch();
  std::uint64_t epoch_of(const PgConnection& session, std::uint64_t begun);
  void read_once(PgConnection& session, Job& job);
  void write_once(Session& session, const Work& work);
  bool was_committed(Session& session, const Work& work, const std::string& transaction, const std::string& incarnation);
  void pause(milliseconds time);
  bool stopping();

  const PostgresTarget target_;
  const PgSession session_;
  const bool read_only_;
  int most_ = 1, most_writing_ = 1;  // sessions
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<bool> away_{false};  // told once, however many closures notice
  std::unique_ptr<Bulletin> bulletin_;  // none where nothing is written: a standby knows no LISTEN

  std::mutex mutex_;  // guards what follows up to threads_
  std::condition_variable work_, stopping_, aside_;
  std::deque<Work> reads_, writes_;
  std::uint64_t numbers_ = 0;
  int writing_ = 0;
  int living_ = 0;          // sessions of this epoch
  int told_living_ = 0;     // when it was said last that there are no more
  Clock::time_point tell_again_{};
  std::string incarnation_;  // of the server that this epoch is of
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

// The session on which this thread runs a closure: a read inside of it is part of it.
thread_local PostgresDatabase* database_here = nullptr;
thread_local PgConnection* session_here = nullptr;

class Here {
 public:
  Here(PostgresDatabase* database, PgConnection* session) {
    database_here = database;
    session_here = session;
  }
  ~Here() { database_here = nullptr; }
  Here(const Here&) = delete;
  Here& operator=(const Here&) = delete;
};

PostgresDatabase::PostgresDatabase(std::string_view url, OpenOptions options)
    : target_(parse_postgres_url(url, !options.read_only)),
      session_(options.exclusive_server ? kServerSession : kToolSession),
      read_only_(options.read_only) {
  Session first{first_session(options)};  // here, so that a wrong URL is heard of at once
  incarnation_ = first->incarnation();
  living_ = 1;
  if (!read_only_) bulletin_ = std::make_unique<Bulletin>(target_);
  most_ = options.connections > 0 ? options.connections : kConnections;
  most_writing_ = std::max(1, most_ - std::max(1, most_ / 4));
  for (int i = 0; i < most_; ++i)
    threads_.emplace_back([this, session = i == 0 ? std::move(first) : Session{}]() mutable { serve(std::move(session)); });
}

std::unique_ptr<PgConnection> PostgresDatabase::first_session(OpenOptions options) {
  const auto until = Clock::now() + (options.exclusive_server ? kStarting : std::chrono::seconds(0));
  for (bool said = false;; said = true) {
    try {
      auto first = std::make_unique<PgConnection>(target_, session_);
      // A session of our own is nobody else's while we have it.
      if (first->pooled() && PgConnection(target_, session_).backend() == first->backend()) throw sessions_not_kept(target_);
      return first;
    } catch (const PgFailure& failure) {
      if (Clock::now() >= until || !may_be_starting(target_)) throw;
      if (!said) log::info("waiting for the database: {}", failure.what());
    }
    pause(kLongestPause);
  }
}

void PostgresDatabase::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_all();
  stopping_.notify_all();
  aside_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  if (bulletin_) bulletin_->stop();
}

// ---- the queue ----

void PostgresDatabase::enqueue(std::deque<Work>& queue, std::shared_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      queue.push_back({std::move(job), ++numbers_, Clock::now() + kRideOver, &queue == &writes_});
      work_.notify_one();
      return;
    }
  }
  job->finish(std::make_exception_ptr(Failure("the database is closed")));
}

// The oldest that may run; nullopt when stopped and everything accepted is done. Nobody leaves work to who ends so.
std::optional<PostgresDatabase::Work> PostgresDatabase::next_work(const Session& session) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool may_write = !writes_.empty() && writing_ < most_writing_;
    const bool write_first = may_write && (reads_.empty() || writes_.front().number < reads_.front().number);
    if (write_first || !reads_.empty()) {
      auto& queue = write_first ? writes_ : reads_;
      Work work = std::move(queue.front());
      queue.pop_front();
      writing_ += work.writes;
      return work;
    }
    if (stopped_ && writes_.empty()) {
      if (session && session.epoch == epoch_) --living_;
      return std::nullopt;
    }
    work_.wait(lock);
  }
}

void PostgresDatabase::serve(Session session) {
  while (auto work = next_work(session)) {
    const bool left = !run(session, *work);
    if (!work->writes && !left) continue;
    std::unique_lock lock(mutex_);
    writing_ -= work->writes;
    work_.notify_one();
    if (stopped_) work_.notify_all();
    if (left && !stand_aside(lock)) return;
  }
}

// The server is well but gives no more sessions (its limit, the role's, the database's): who has one does the work.
// False when nobody has.
bool PostgresDatabase::leave_to_others(const Work& work, const PgFailure& failure) {
  std::lock_guard lock(mutex_);
  if (living_ == 0 || Clock::now() >= work.until) return false;
  (work.writes ? writes_ : reads_).push_front(work);
  work_.notify_one();
  if (living_ != told_living_ && Clock::now() >= tell_again_) {
    log::warn("PostgreSQL gives this node {} of {} sessions, its closures wait for those; DATABASE_POOL_SIZE is too high, or max_connections "
              "or the role's CONNECTION LIMIT too low: {}", living_, most_, failure.what());
    told_living_ = living_;
    tell_again_ = Clock::now() + kTellAgain;
  }
  return true;
}

// Until it is time to ask for a session again, or no other has one. False when others end what there is to do.
bool PostgresDatabase::stand_aside(std::unique_lock<std::mutex>& lock) {
  aside_.wait_for(lock, kAside, [this] { return stopped_ || living_ == 0; });
  return !stopped_ || living_ == 0;
}

// Ends early when the database is being stopped.
void PostgresDatabase::pause(milliseconds time) {
  std::unique_lock lock(mutex_);
  stopping_.wait_for(lock, time, [this] { return stopped_; });
}

bool PostgresDatabase::stopping() {
  std::lock_guard lock(mutex_);
  return stopped_;
}

// ---- one closure ----

// False when it was left to others.
bool PostgresDatabase::run(Session& session, const Work& work) {
  Pace pace;
  std::exception_ptr error;
  for (auto next = Next::again; next == Next::again;) {
    try {
      connect(session);
      if (work.writes) write_once(session, work);
      else read_once(*session, *work.job);
      error = nullptr;
      next = Next::finish;
    } catch (...) {
      error = failed_try(session, work, pace, next);
    }
    if (next == Next::leave) return false;
  }
  work.job->finish(error);
  return true;
}

// What was thrown; `next` tells whether another try, or another session, may do better.
std::exception_ptr PostgresDatabase::failed_try(Session& session, const Work& work, Pace& pace, Next& next) {
  using Kind = PgFailure::Kind;
  next = Next::finish;
  try {
    // A closure may have made something of its own of the server's error.
    if (session) session->raise_failure();
    throw;
  } catch (const PgFailure& failure) {
    if (session) session->rollback();
    if (failure.kind() == Kind::refused) return std::current_exception();
    if (failure.kind() == Kind::full && leave_to_others(work, failure)) {
      next = Next::leave;
      return nullptr;
    }
    if (failure.kind() == Kind::lost) {
      drop(session);
      std::lock_guard lock(mutex_);
      if (session.epoch == epoch_) begin_epoch();
    }
    const bool away = failure.kind() != Kind::conflict;
    if (away && !away_.exchange(true)) log::warn("the database is away, its closures wait: {}", failure.what());
    if (Clock::now() < work.until && !(away && stopping())) {
      next = Next::again;
      pause(pace.next());
    }
    return std::current_exception();
  } catch (...) {
    if (session) session->rollback();
    return std::current_exception();
  }
}

void PostgresDatabase::connect(Session& session) {
  const auto epoch = epoch_.load();
  if (session && session->alive() && session.epoch == epoch) return;
  drop(session);
  session.epoch = epoch;
  auto made = std::make_unique<PgConnection>(target_, session_);
  {
    std::lock_guard lock(mutex_);
    session.epoch = epoch_of(*made, epoch);
    session.connection = std::move(made);
    if (session.epoch == epoch_ && ++living_ == most_) told_living_ = 0;
  }
  if (away_.exchange(false)) log::info("the database is back");
}

void PostgresDatabase::drop(Session& session) {
  if (!session) return;
  session.reset();
  std::lock_guard lock(mutex_);
  if (session.epoch == epoch_ && --living_ == 0) aside_.notify_all();
}

// What there is of the last one is used no more. With `mutex_` held.
void PostgresDatabase::begin_epoch() {
  ++epoch_;
  living_ = 0;
  aside_.notify_all();
}

// Of a session whose making began in the epoch `begun`. Those that only read may be spread over many standbys. With
// `mutex_` held.
std::uint64_t PostgresDatabase::epoch_of(const PgConnection& session, std::uint64_t begun) {
  if (read_only_ || session.incarnation() == incarnation_) return begun;
  incarnation_ = session.incarnation();
  bulletin_->follow(incarnation_);
  begin_epoch();
  return epoch_;
}

void PostgresDatabase::read_once(PgConnection& session, Job& job) {
  session.begin_read();
  {
    Here here(this, &session);
    job.run(session);
  }
  session.raise_failure();
  session.end_read();
}

void PostgresDatabase::write_once(Session& session, const Work& work) {
  if (read_only_) session->begin_read();
  else session->begin_write();
  bool agreed = false;
  {
    Here here(this, &*session);
    agreed = work.job->run(*session);
  }
  session->raise_failure();
  if (!agreed) {
    session->rollback();
    return;
  }
  if (read_only_) return session->end_read();
  const std::string incarnation = session->incarnation();
  try {
    session->commit();
    return;
  } catch (const PgFailure& failure) {
    if (failure.kind() != PgFailure::Kind::lost || session->transaction().empty()) throw;
    log::warn("the database went away during a COMMIT; asking what became of it: {}", failure.what());
  }
  const std::string transaction = session->transaction();
  if (!was_committed(session, work, transaction, incarnation))
    throw PgFailure(PgFailure::Kind::conflict, "the connection was lost before the COMMIT arrived");
}

bool PostgresDatabase::was_committed(Session& session, const Work& work, const std::string& transaction,
                                     const std::string& incarnation) {
  Pace pace;
  // Also to be known when the closure has had its time: twice as long.
  const auto until = work.until + kRideOver;
  do {
    try {
      connect(session);
      const auto fate = session->fate_of(transaction);
      const bool same = !incarnation.empty() && session->incarnation() == incarnation;
      if (fate == PgConnection::Fate::committed && same) return true;
      if (fate == PgConnection::Fate::committed || fate == PgConnection::Fate::forgotten) break;
      if (fate == PgConnection::Fate::none || !same) return false;  // under way elsewhere is another's
    } catch (const PgFailure&) {
      drop(session);
    }
    pause(pace.next());
  } while (Clock::now() < until && !stopping());
  drop(session);
  throw OutcomeUnknown();
}

void PostgresDatabase::run_read(const std::function<void(Tx&)>& closure) {
  if (database_here == this) {
    closure(*session_here);
    return;
  }
  std::promise<void> done;
  const auto finished = [&done](std::exception_ptr error) {
    if (error) done.set_exception(error);
    else done.set_value();
  };
  enqueue_read(std::make_shared<detail::ClosureJob<std::function<void(Tx&)>, void>>(closure, finished, std::source_location{}));
  done.get_future().get();
}

}  // namespace

std::unique_ptr<Database> open_postgresql(std::string_view url, OpenOptions options) {
  return std::make_unique<PostgresDatabase>(url, options);
}

}  // namespace fluxgate::db
