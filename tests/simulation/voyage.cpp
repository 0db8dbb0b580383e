#include "voyage.h"

#include <fmt/format.h>

#include "invariants.h"
#include "tasks/batches.h"
#include "tasks/service.h"
#include "world.h"

namespace fluxgate::simulation {
namespace {

constexpr int kTasks = 25;
constexpr int kUsers = 3;
constexpr int kStepsMax = 6'000;
constexpr Millis kHorizon = 6ll * 3600 * 1000;  // of simulated time
constexpr Credits kOpening = Credits::whole(90);

struct Broken {
  std::string what;
};

// One process.
struct Node {
  std::string id;
  std::unique_ptr<boost::asio::io_context> context;
  std::unique_ptr<SimLine> line;
  notify::Hub hub;
  tasks::ProgressBoard progress;
  tasks::AccountHealth health;
  std::unique_ptr<tasks::Waiting> waiting;
  std::unique_ptr<tasks::Engine> engine;
  std::unique_ptr<tasks::Tasks> service;
  std::unique_ptr<tasks::Batches> batches;
  Millis frozen_until = 0;
};

class Voyage {
 public:
  explicit Voyage(std::uint64_t seed)
      : random_(seed * 0x9E3779B97F4A7C15ull + 1),
        disk_(seed % 3 == 0 ? std::make_unique<CrashDisk>(seed) : nullptr),
        database_(disk_.get()),
        holder_(sim_catalogue()),
        files_(sim_files()),
        upstream_(clock_, random_, weather_),
        hooks_(seed % 2 == 0),
        thorough_(seed % 8 == 0),
        nodes_(seed % 5 < 2 ? 2 : 1) {
    database_.write_now([this](db::Tx& tx) { furnish(tx); });
    database_.watch_owners();
    draw_weather();
    database_.fail_commit = [this] { return running_ && chance(weather_.commit_failure); };
    upstream_.on_paid = [this](const std::string& node, const std::string& task) { judge_paid(node, task); };
    for (auto& node : nodes_) live(node);
  }
  ~Voyage() {
    for (auto& node : nodes_) die(node);
  }

  void play() {
    for (int step = 0; step < kStepsMax; ++step) {
      misfortune();
      people();
      turn();
      if (disk_ && disk_->crashed()) lose_power();
      if (database_.commits != looked_at_ && (thorough_ || step % 8 == 0)) look();
      if (submitted_ >= kTasks && live_tasks() == 0) break;
      if (clock_.now_ms() - began_ > kHorizon / 2) calm();
      if (clock_.now_ms() - began_ > kHorizon) throw Broken{"tasks are stuck: " + stuck()};
    }
    look();
    for (const std::string& what : database_.read_now([](db::Tx& tx) { return broken_at_the_end(tx); })) throw Broken{what};
    // Bought twice only by the policy's one resubmit.
    for (auto& [task, times] : upstream_.accepted_per_task)
      if (times > 2 && !task.starts_with("shared")) throw Broken{fmt::format("a task is bought at most twice: {} was {} times", task, times)};
  }

  std::string setting() const {
    return fmt::format("{} node(s), {}, {}", nodes_.size(), disk_ ? "a disk that loses power" : "memory", hooks_ ? "webhooks" : "polling");
  }

 private:
  static std::string user(int i) { return "user" + std::to_string(i); }
  std::string somebody() { return user(static_cast<int>(random_() % kUsers)); }
  bool chance(int percent) { return percent > 0 && static_cast<int>(random_() % 100) < percent; }
  bool rarely(int per_mille) { return per_mille > 0 && static_cast<int>(random_() % 1000) < per_mille; }

  void furnish(db::Tx& tx) {
    const Millis now = clock_.now_ms();
    db::create_missing(tx, now);
    for (int i = 0; i < kUsers; ++i) {
      tx.exec("INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
              "VALUES ($1, $1, $1, 'user', '', 0, 0, 0)", {user(i)});
      credits::open_account(tx, user(i), kOpening, credits::make_stamp(now));
    }
    for (const char* id : {"a", "b"}) {
      tasks::UpstreamAccount account;
      account.account = {id, "flux", std::string("http://") + id, "k", {}};
      account.max_concurrent = 4;
      accounts_.save(tx, account, now);
    }
    accounts_.save_settings(tx, "flux", {.enabled = true}, now);
  }

  void draw_weather() {
    auto up_to = [this](int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit + 1)); };
    weather_ = {.refuse = up_to(30), .no_connection = up_to(20), .lost_before = up_to(10), .lost_after = up_to(15),
                .status_error = up_to(20), .forget = up_to(2), .fail_job = up_to(15), .bad_download = up_to(25),
                .cancel = up_to(3), .crash = up_to(20), .stall = up_to(3), .freeze = up_to(10), .saboteur = up_to(10),
                .no_hook = up_to(30), .late_hook = up_to(30), .twice = up_to(40), .forged = up_to(30), .early_hook = up_to(20)};
    if (random_() % 4 == 0) weather_.commit_failure = up_to(10);
  }
  // Storms pass: whatever is left must come to its end.
  void calm() { weather_ = {}; }

  // ---- processes ----

  void live(Node& node) {
    node.id = "node" + std::to_string(++lives_);
    node.context = std::make_unique<boost::asio::io_context>();
    node.line = std::make_unique<SimLine>(upstream_, node.id);
    node.waiting = std::make_unique<tasks::Waiting>(accounts_, clock_);
    tasks::EngineOptions options;
    options.node_id = node.id;
    options.hook_secret = "secret";
    options.sole_node = nodes_.size() == 1;
    if (hooks_) options.public_url = "http://us";
    node.engine = std::make_unique<tasks::Engine>(
        node.context->get_executor(),
        tasks::EngineParts{database_, *files_, *node.line, node.hub, holder_, accounts_, node.health, node.progress, clock_, {&adapter_}},
        options);
    const tasks::ServiceParts parts{database_, *files_, node.hub, holder_, accounts_, node.progress, clock_, *node.engine, *node.waiting,
                                    draining_, {}};
    node.service = tasks::make_tasks(parts);
    node.batches = tasks::make_batches(parts);
    node.frozen_until = 0;
    database_.hear(node.id);
    node.engine->start();
    database_.hear("");
  }

  // As kill -9 does: coroutines vanish where they stand. What they gave to the database may be done or not.
  void die(Node& node) {
    if (!node.context) return;
    if (random_() % 2 == 0) database_.run_waiting(random_);
    database_.forget(node.id);
    upstream_.drop_calls(node.id);
    node.batches.reset();
    node.service.reset();
    node.engine.reset();
    node.context.reset();
  }

  void lose_power() {
    for (auto& node : nodes_) die(node);
    database_.close();  // while nothing it does can reach the disk
    disk_->lose_power(random_);
    database_.open();
    database_.watch_owners();
    look();
    for (auto& node : nodes_) live(node);
  }

  Node& some_node() { return nodes_[random_() % nodes_.size()]; }
  bool frozen(const Node& node) const { return clock_.now_ms() < node.frozen_until; }

  // ---- what happens ----

  void misfortune() {
    Node& node = some_node();
    if (rarely(weather_.crash)) {
      die(node);
      live(node);
    }
    if (rarely(weather_.freeze)) node.frozen_until = clock_.now_ms() + 5'000 + static_cast<Millis>(random_() % 30'000);
    if (disk_ && rarely(weather_.crash)) disk_->crash_after(1 + static_cast<int>(random_() % 60));
    if (chance(weather_.saboteur) && !frozen(node)) sabotage(node);
  }

  void people() {
    Node& node = some_node();
    if (frozen(node)) return;
    database_.hear(node.id);
    if (submitted_ < kTasks && random_() % 3 == 0) submit(node);
    if (submitted_ < kTasks && random_() % 40 == 0) submit_batch(node);
    if (random_() % 200 == 0) grant(node);
    if (chance(weather_.cancel)) cancel_one(node);
    database_.hear("");
  }

  void turn() {
    settle();
    Millis jump = 50 + static_cast<Millis>(random_() % 400);
    if (random_() % 50 == 0) jump += 30'000;      // the machine slept
    if (random_() % 100 == 0) jump = -500;        // its clock was put right
    clock_.advance(jump);
    upstream_.deliver_due();
    for (HookCall& call : upstream_.hooks_due()) deliver(std::move(call));
    for (auto& node : nodes_)
      if (!frozen(node)) node.engine->nudge();
    settle();
  }

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& node : nodes_) {
        if (frozen(node)) continue;
        database_.hear(node.id);
        node.context->restart();
        while (node.context->poll() != 0) busy = true;
      }
      running_ = true;
      database_.run_waiting(random_);
      running_ = false;
    }
    database_.hear("");
  }

  void submit(Node& node) {
    tasks::SubmitRequest request;
    request.user_id = somebody();
    request.provider = "flux";
    request.endpoint = "text_to_image";
    const std::string key = "key" + std::to_string(submitted_++);
    const bool shared = random_() % 5 == 0;  // what others ask for too, and may be given what they got
    request.body = {{"model", "m"}, {"prompt", shared ? "shared" + std::to_string(random_() % 2) : key}};
    if (shared) request.body["seed"] = 1, request.body["use_cache"] = true;
    if (random_() % 3 == 0) request.body["priority"] = "low";
    request.idempotency_key = key;
    request.body_sha256 = "x";
    const int copies = random_() % 5 == 0 ? 3 : 1;  // an impatient client, at other nodes too
    for (int i = 0; i < copies; ++i) {
      Node& at = i == 0 ? node : some_node();
      if (frozen(at)) continue;
      database_.hear(at.id);
      boost::asio::co_spawn(*at.context, at.service->submit(request),
                            [this, key](std::exception_ptr error, Result<tasks::Submitted> answer) {
                              if (!error && answer) remember(tasks_, key, answer->task_id);
                            });
    }
  }

  void submit_batch(Node& node) {
    tasks::BatchRequest request;
    request.user_id = somebody();
    request.provider = "flux";
    request.endpoint = "text_to_image";
    const std::string key = "batch" + std::to_string(submitted_);
    for (int i = 0; i < 4; ++i)
      request.requests.push_back({{"model", "m"}, {"prompt", "key" + std::to_string(submitted_++)}});
    request.idempotency_key = key;
    request.body_sha256 = "x";
    for (int i = 0; i < 2; ++i)
      boost::asio::co_spawn(*node.context, node.batches->submit(request),
                            [this, key](std::exception_ptr error, Result<tasks::Submitted> answer) {
                              if (!error && answer) remember(batches_, key, answer->task_id);
                            });
  }

  void remember(Answered& answered, const std::string& key, const std::string& id) {
    auto [known, fresh] = answered.emplace(key, id);
    if (known->second != id) broken_ = "one key, one answer: " + key;
  }

  void grant(Node& node) {
    const auto stamp = credits::make_stamp(clock_.now_ms());
    boost::asio::co_spawn(*node.context, give(somebody(), stamp), [](std::exception_ptr) {});
  }
  awaitable<void> give(std::string to, credits::Stamp stamp) {
    co_await database_.write([to, stamp](db::Tx& tx) {
      return credits::grant(tx, to, Credits::whole(7), "admin", "because", stamp);
    });
  }

  // A closure with a bug, among those of others.
  void sabotage(Node& node) {
    database_.hear(node.id);
    boost::asio::co_spawn(*node.context, ruin(), [](std::exception_ptr) {});
    database_.hear("");
  }
  awaitable<void> ruin() {
    co_await database_.write([](db::Tx& tx) {
      tx.exec("UPDATE fg_credit_account SET balance = balance + 1000");
      tx.exec("UPDATE fg_task SET status = 'succeeded'");
      throw std::runtime_error("a bug");
    });
  }

  void cancel_one(Node& node) {
    const bool batch = random_() % 4 == 0;
    const Answered& from = batch ? batches_ : tasks_;
    if (from.empty()) return;
    auto it = from.begin();
    std::advance(it, static_cast<long>(random_() % from.size()));
    if (batch) boost::asio::co_spawn(*node.context, node.batches->cancel(it->second, ""), [](std::exception_ptr, Result<tasks::BatchView>) {});
    else boost::asio::co_spawn(*node.context, node.service->cancel(it->second, ""), [](std::exception_ptr, Result<tasks::TaskView>) {});
  }

  void deliver(HookCall call) {
    Node& node = some_node();
    if (frozen(node)) return;  // nobody answered; polling has to do
    database_.hear(node.id);
    boost::asio::co_spawn(*node.context, node.service->webhook(call.attempt, call.mac, {{"x-signature", call.signature}}, call.body),
                          [](std::exception_ptr, bool) {});
    database_.hear("");
  }

  // ---- what is looked at ----

  // A paid request goes out only from the node that owns the task, by a lease that holds.
  void judge_paid(const std::string& node, const std::string& task) {
    const bool rightful = database_.read_now([&](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_task t JOIN fg_node n ON n.id = t.owner WHERE t.prompt = $1 AND t.status = 'submitting' "
                       "AND t.owner = $2 AND n.lease_until > $3", {task, node, clock_.now_ms()}) >= 1;
    });
    if (!rightful) broken_ = fmt::format("paid requests are sent by the owner alone: {} sent {}", node, task);
  }

  void look() {
    looked_at_ = database_.commits;
    if (!broken_.empty()) throw Broken{broken_};
    if (!database_.trespass.empty()) throw Broken{database_.trespass};
    for (const std::string& what : database_.read_now([this](db::Tx& tx) { return broken_promises(tx, tasks_, batches_); }))
      throw Broken{what};
  }

  std::int64_t live_tasks() {
    return database_.read_now([](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_task WHERE status NOT IN ('succeeded', 'failed', 'cancelled')");
    });
  }
  std::string stuck() {
    return database_.read_now([](db::Tx& tx) {
      std::string list;
      tx.each("SELECT id, status, owner FROM fg_task WHERE status NOT IN ('succeeded', 'failed', 'cancelled')", {},
              [&](const db::Row& row) { list += row.str(0) + " " + row.str(1) + " " + row.str(2) + "; "; });
      return list;
    });
  }

  std::mt19937_64 random_;
  Weather weather_;
  SimClock clock_;
  Millis began_ = clock_.now_ms();
  std::unique_ptr<CrashDisk> disk_;
  SimDatabase database_;
  catalogue::Holder holder_;
  std::unique_ptr<files::Files> files_;
  SimUpstream upstream_;
  SimAdapter adapter_;
  crypto::Sealer sealer_{std::string(32, 'k')};
  tasks::AccountStore accounts_{sealer_};
  std::atomic<bool> draining_{false};
  const bool hooks_;
  const bool thorough_;  // looks after every step; the others at every eighth: what is broken stays broken
  std::vector<Node> nodes_;
  Answered tasks_, batches_;
  std::string broken_;
  bool running_ = false;
  std::int64_t looked_at_ = 0;
  int submitted_ = 0;
  int lives_ = 0;
};

}  // namespace

std::string play(std::uint64_t seed) {
  Voyage voyage(seed);
  try {
    voyage.play();
    return "";
  } catch (const Broken& broken) {
    return fmt::format("{} ({})", broken.what, voyage.setting());
  } catch (const std::exception& e) {
    return fmt::format("{} ({})", e.what(), voyage.setting());
  }
}

}  // namespace fluxgate::simulation
