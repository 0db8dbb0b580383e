// The engine: takes waiting tasks, talks to upstreams through adapters, stores results, settles money.
// It alone does I/O, time and retries; adapters and the catalogue are asked what to do (DESIGN §4).
//
// One engine per node, on one io_context with one thread; everything here runs there, so there are no
// locks. A task in flight is an entry in a timer queue: its state is in the database, and each step
// reads it, acts, and writes the transition under owner and fence. Whatever happens to this process,
// another (or the next) life finds the task in a state from which it can go on.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

#include "base/coro.h"
#include "base/crypto.h"
#include "catalogue/catalogue.h"
#include "catalogue/holder.h"
#include "db/database.h"
#include "files/files.h"
#include "net/http_client.h"
#include "notify/events.h"
#include "providers/adapter.h"
#include "tasks/account_health.h"
#include "tasks/accounts.h"
#include "tasks/durations.h"
#include "tasks/neighbours.h"
#include "tasks/policy.h"
#include "tasks/progress_board.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {

struct EngineOptions {
  std::string node_id;
  std::string public_url;          // "" = upstreams cannot reach us: no webhooks, inputs go inline
  std::string hook_secret;         // for the webhook paths
  Policy policy;
  int max_steps = 256;             // steps at work at once
  bool sole_node = false;          // nobody else can use the database: what others owned is free at once
  bool works = true;               // false: tasks are for other nodes, this one takes none
  bool allow_private_results = false;  // the sandbox serves results from loopback
  std::function<Millis()> steady;  // time that only goes forward, at its own pace; empty = the machine's
};

// What the engine works with; all of it outlives the engine.
struct EngineParts {
  db::Database& database;
  files::Files& files;
  net::HttpClient& client;         // of the engine's own io_context
  notify::Hub& hub;
  const catalogue::Holder& catalogue;
  const AccountStore& accounts;
  AccountHealth& health;
  ProgressBoard& progress;
  const Clock& clock;
  std::vector<const providers::Adapter*> adapters;
  Neighbours* neighbours = nullptr;  // null = there are none
};

class Engine {
 public:
  Engine(boost::asio::any_io_executor executor, EngineParts parts, EngineOptions options);
  ~Engine();

  // Registers the node, takes over what a dead one left, and begins to work. On the engine's thread.
  void start();
  // Stops claiming at once and polling soon; submits under way get `grace` to hear their answer.
  awaitable<void> stop(std::chrono::milliseconds grace);

  // Looks at once at everything that waits for time to pass. For tests that own the clock.
  void nudge();
  // From any thread: accounts were changed; they are read again at once.
  void accounts_changed();
  // From any thread: there may be new work (where this node takes none, others are told).
  enum class From { here, neighbour };
  void wake(From from = From::here);
  // From any thread: a task's cancel or an upstream's webhook wants attention, here or on the node that has it.
  void attend(std::string task_id);
  // From any thread: what other nodes announced of tasks that want attention; false when the word is not for engines.
  bool heard(std::string_view word);
  // From any thread: such words may have been missed.
  void attend_to_cancels();

  // Asks the upstream whether the account is usable; costs nothing. On the engine's thread.
  awaitable<Result<void>> probe(UpstreamAccount account);

  // From any thread: the path part of the webhook of an attempt.
  std::string hook_mac(std::string_view attempt_id) const;
  // Judges a webhook call and acts on it. On the engine's thread.
  awaitable<void> on_webhook(std::string attempt_id, HeaderList headers, std::string body);
  const boost::asio::any_io_executor& executor() const { return group_.executor(); }

 private:
  struct Flight {
    Millis due = 0;                // steady, as in Due
    Millis sent_at = 0;
    Millis unfinished_ms = 0;      // after so long it was last seen at work
    int looks = 0;
    int failures = 0;              // looks or downloads in a row that failed
    bool resumed = false;          // another life sent it: nobody looked in time
    bool no_watch = false;         // watching brought nothing
    Follow ended_by = Follow::webhook;  // how its end was learned
    bool busy = false;             // a step is at work on it
    bool again = false;            // attend() came meanwhile
    bool cancel_sent = false;
  };
  struct Due {
    Millis at;  // steady: a clock that is put right neither hurries nor holds up what is under way
    std::string id;
    bool operator>(const Due& other) const { return at > other.at; }
  };
  // What came of a conversation with the upstream.
  struct Lost { net::Failure failure; };
  using Spoken = std::variant<providers::Outcome, Lost>;
  enum class Paid { stop_before, send };
  // Watches of an account that brought nothing, in a row; and until when none is tried.
  struct Useless {
    int in_a_row = 0;
    Millis until = 0;  // steady
  };

  // engine.cpp: the loops and the flights
  awaitable<void> follow_flights();
  awaitable<void> claim_work();
  awaitable<void> keep_lease();
  awaitable<void> renew_lease();
  awaitable<void> take_over();
  awaitable<void> find_own();
  awaitable<int> claim(std::string provider);
  awaitable<void> find_cancels();
  void adopt(const Task& task);
  void launch_due();
  awaitable<void> step(std::string id);
  awaitable<void> act(Task task);
  void schedule(const std::string& id, Millis at);
  bool look_at(const std::string& id);  // false when it is not in flight here
  void forget(const std::string& id);
  bool lease_holds() const;
  Millis now() const { return parts_.clock.now_ms(); }

  // upstream.cpp: accounts and conversations
  awaitable<void> refresh_accounts();
  // The accounts that can be given tasks now; nullopt when none will be before somebody puts one right.
  std::optional<std::vector<Room>> rooms(std::string_view provider) const;
  const UpstreamAccount* account(std::string_view provider, std::string_view id) const;
  bool has_other_account(const providers::Account& than) const;  // in use, resting or not
  const providers::Adapter* adapter(std::string_view provider) const;
  std::optional<Millis> no_status_call_before(const std::string& account_id);
  providers::Adapter::Moment moment() const;
  // Goes on from `outcome` until it is no Send, or one that costs money.
  awaitable<Spoken> speak(providers::Intent intent, providers::Job job, UpstreamAccount account,
                          providers::Outcome outcome, Paid paid);
  awaitable<Spoken> ask(providers::Intent intent, const Task& task, const Attempt& attempt);
  // The account and the adapter of an attempt, and what the adapter may know of it; nullopt when they are gone.
  struct Subject {
    const providers::Adapter* speaker;
    UpstreamAccount account;
    providers::Job job;
  };
  std::optional<Subject> subject(const Task& task, const Attempt& attempt) const;
  awaitable<void> judge(UpstreamAccount account, Spoken spoken);
  awaitable<void> take_out(const UpstreamAccount& account, const providers::Failed& why);

  // watch.cpp: calls that stay open until the end
  Follow follow_by(const Task& task, const Attempt& attempt, const std::optional<Expected>& expected) const;
  awaitable<Spoken> watch(Task task, Attempt attempt);
  awaitable<net::Reply> listen(std::string task_id, HttpRequest request, net::CallOptions call);
  void end_watch(const std::string& task_id);
  void watched(const std::string& account_id, const std::string& task_id, bool useful);

  // submit.cpp: queued → running
  awaitable<void> submit(Task task);
  awaitable<Result<providers::Job>> prepare(const Task& task, const std::string& attempt_id);
  awaitable<Result<std::string>> resolve_input(std::string value, std::string user_id);
  awaitable<bool> commit_submitting(Task& task, Attempt& attempt);
  awaitable<void> after_submit(Task task, Attempt attempt, UpstreamAccount account, Spoken spoken);
  awaitable<void> accepted(Task task, Attempt attempt, providers::Accepted answer);
  awaitable<void> not_accepted(Task task, Attempt attempt, UpstreamAccount account, providers::Failed why);
  awaitable<void> answer_lost(Task task, Attempt attempt);

  // follow.cpp: running, unknown, cancel, webhooks
  awaitable<void> poll(Task task);
  awaitable<void> look(Task task, Attempt attempt);
  awaitable<void> after_poll(Task task, Attempt attempt, Spoken spoken);
  awaitable<void> poll_failed(Task task, Attempt attempt, providers::Failed why);
  awaitable<void> poll_again(Task task, Attempt attempt, std::optional<int> queue_position, bool failed);
  awaitable<void> cancel_upstream(Task task, Attempt attempt);
  awaitable<void> decide_unknown(Task task);
  void report(const Task& task, const providers::Working& working);
  awaitable<std::vector<std::string>> webhook_keys(const UpstreamAccount& account, const providers::Adapter& adapter);

  // deliver.cpp: storing → succeeded
  awaitable<void> on_done(Task task, Attempt attempt, providers::Done done);
  awaitable<Millis> learn_duration(Task task, Attempt attempt);
  awaitable<void> deliver(Task task);
  awaitable<Result<files::Stored>> download(std::string url, std::string base_url);
  awaitable<Result<files::Stored>> keep(std::string bytes);
  awaitable<void> finish(Task task, std::vector<std::optional<files::Stored>> stored);
  awaitable<void> refresh_result(Task task, Attempt attempt);

  // The endings every part uses. False/no effect when the task was no longer ours.
  awaitable<bool> move(Task& task, store::Move move, std::string attempt_id = {}, std::string attempt_outcome = {});
  awaitable<void> end_failed(Task task, std::string code, Text message, std::string param = {});
  awaitable<void> end_cancelled(Task task);

  EngineParts parts_;
  EngineOptions options_;
  CoroGroup group_;
  Wakeup flights_changed_;
  Wakeup work_waits_;
  Wakeup lease_due_;
  std::atomic<bool> woken_{false};
  std::unordered_map<std::string, Flight> flights_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::unordered_map<std::string, std::vector<UpstreamAccount>> accounts_;  // by provider
  std::set<std::string> well_;  // accounts that are known to work and to have no alert open that they rest
  std::unordered_map<std::string, std::pair<Millis, int>> status_calls_;   // by account: second, calls in it
  std::unordered_map<std::string, std::shared_ptr<boost::asio::cancellation_signal>> watching_;  // by task
  std::unordered_map<std::string, Useless> useless_;  // by account
  Durations durations_;
  std::unordered_map<std::string, std::pair<Millis, std::vector<std::string>>> webhook_keys_;  // by base URL
  Millis accounts_read_at_ = 0;    // steady; 0 = read them
  Millis lease_until_ = 0;         // by the clock, as others may judge it, …
  Millis lease_until_steady_ = 0;  // … and by time that was not put back meanwhile
  int steps_ = 0;
};

}  // namespace fluxgate::tasks
