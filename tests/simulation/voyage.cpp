#include "voyage.h"

#include <algorithm>
#include <iterator>

#include <fmt/ranges.h>

#include "clients.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "invariants.h"
#include "process.h"
#include "randomness.h"

namespace fluxgate::simulation {
namespace {

constexpr int kTasks = 25;
constexpr int kStepsMax = 6'000;
constexpr Millis kHorizon = 6ll * 3600 * 1000;  // of simulated time
constexpr Credits kOpening = Credits::whole(50);  // some run short
constexpr const char* kAccounts[] = {"a", "b"};

struct Broken {
  std::string what;
};

class Voyage {
 public:
  explicit Voyage(std::uint64_t seed)
      : seed_(seed),
        random_(seed * 0x9E3779B97F4A7C15ull + 1),
        disk_(seed % 3 == 0 ? std::make_unique<CrashDisk>(seed) : nullptr),
        database_(disk_.get(), clock_),
        holder_(sim_catalogue()),
        files_(sim_files()),
        upstream_(clock_, random_, weather_),
        hooks_(seed % 2 == 0),
        thorough_(seed % 16 == 0),
        around_{database_, *files_, upstream_, holder_, accounts_, clock_, adapter_, hooks_, seed % 5 >= 2},
        nodes_(around_.alone ? 1 : 2) {
    database_.write_now([this](db::Tx& tx) { furnish(tx); });
    database_.watch_owners();
    draw_weather();
    database_.fail_commit = [this] { return running_ && chance(weather_.commit_failure); };
    database_.fail_to_tell = [this] { return running_ && chance(weather_.untold); };
    upstream_.on_paid = [this](const std::string& node, const std::string& task) { judge_paid(node, task); };
    for (auto& node : nodes_) live(node);
  }

  // From now on nothing goes wrong, but that webhooks come to the wrong node.
  void misdirect_in_fair_weather() {
    calm();
    misdirected_ = true;
  }

  // Every event that users were told of, in order.
  std::string told() {
    std::string events;
    database_.read_now([&events](db::Tx& tx) {
      tx.each("SELECT user_id, seq, type, data, created_at FROM fg_event ORDER BY user_id, seq", {}, [&events](const db::Row& row) {
        events += fmt::format("{} {} {} {} {}\n", row.str(0), row.i64(1), row.str(2), row.str(3), row.i64(4));
      });
    });
    return events;
  }

  Millis longest_open() {
    Millis longest = 0;
    for (const auto& [id, job] : upstream_.jobs) {
      const std::string reference = boost::json::serialize(boost::json::object{{"id", id}});
      const Millis ended = database_.read_now([&reference](db::Tx& tx) {
        return tx.number("SELECT t.completed_at FROM fg_task t JOIN fg_task_attempt a ON a.task_id = t.id WHERE a.reference = $1", {reference});
      });
      longest = std::max(longest, ended - job.finishes_at);
    }
    return longest;
  }

  void play() {
    for (int step = 0; step < kStepsMax; ++step) {
      misfortune();
      people();
      turn();
      if (disk_ && disk_->crashed()) lose_power();
      if (database_.commits != looked_at_ && (thorough_ || step % 16 == 0)) look();
      if (!more_to_ask() && live_tasks() == 0) break;
      // In the end the weather is fair, so that what is open can end; a promise is broken by what does not.
      if (step > kStepsMax / 2 || clock_.steady_ms() - began_ > kHorizon / 2) calm();
      if (clock_.steady_ms() - began_ > kHorizon) throw Broken{"every accepted task reaches an end: " + stuck()};
    }
    look();
    if (const auto live = live_tasks(); live != 0) throw Broken{fmt::format("every accepted task reaches an end: {} have not", live)};
    look_at_purchases();
  }

  std::string setting() const {
    return fmt::format("{} node(s), {}, {}", nodes_.size(), disk_ ? "a disk that loses power" : "memory", hooks_ ? "webhooks" : "polling");
  }

 private:
  bool chance(int percent) { return percent > 0 && static_cast<int>(random_() % 100) < percent; }
  bool rarely(int per_mille) { return per_mille > 0 && static_cast<int>(random_() % 1000) < per_mille; }
  bool more_to_ask() const { return clients_.asked_for() < kTasks; }

  void furnish(db::Tx& tx) {
    const Millis now = clock_.now_ms();
    db::create_missing(tx, now);
    for (int i = 0; i < kUsers; ++i) {
      const std::string user = Clients::user(i);
      tx.exec("INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
              "VALUES ($1, $1, $1, 'user', '', 0, 0, 0)", {user});
      credits::open_account(tx, user, kOpening, credits::make_stamp(now));
    }
    for (const char* id : kAccounts) save_account(tx, id);
    accounts_.save_settings(tx, "flux", {.enabled = true}, now);
  }

  void save_account(db::Tx& tx, const std::string& id) const {
    tasks::UpstreamAccount account;
    account.account = {id, "flux", "http://" + id, "k", {}};
    account.max_concurrent = 4;
    accounts_.save(tx, account, clock_.now_ms());
  }

  void draw_weather() {
    auto up_to = [this](int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit + 1)); };
    weather_ = {.refuse = up_to(30), .no_connection = up_to(20), .lost_before = up_to(10), .lost_after = up_to(15),
                .status_error = up_to(20), .forget = up_to(2), .fail_job = up_to(15), .bad_download = up_to(25),
                .gone_download = up_to(10), .cancel = up_to(3), .crash = up_to(20), .stall = up_to(3), .freeze = up_to(10), .balk = up_to(25), .restored = up_to(100), .outage = up_to(3),
                .saboteur = up_to(10), .clock = up_to(3), .lock_account = up_to(3), .impatience = up_to(10),
                .no_hook = up_to(30), .late_hook = up_to(30), .twice = up_to(40), .forged = up_to(30), .early_hook = up_to(20)};
    if (random_() % 4 == 0) weather_.commit_failure = up_to(10);
    // And nobody dies or stands still then: what a node does not know of, others would find.
    if (seed_ % 11 == 9) weather_.untold = 10, weather_.crash = weather_.freeze = weather_.balk = 0;
  }
  // Storms pass: whatever is left must come to its end.
  void calm() { weather_ = {}; }

  // ---- processes ----

  using Node = std::unique_ptr<Process>;

  void live(Node& node) { node = std::make_unique<Process>(around_, "node" + std::to_string(++lives_)); }

  // What it gave to the database may be done or not.
  void die(Node& node) {
    if (random_() % 2 == 0) database_.run_waiting(random_);
    node.reset();
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

  Process& some_node() { return *nodes_[random_() % nodes_.size()]; }
  // A machine that was put to sleep may find its clock where it was, or a little before.
  void freeze(Process& node) {
    const Millis stands = 5'000 + static_cast<Millis>(random_() % 30'000);
    node.freeze(stands);
    if (chance(weather_.restored)) restored_.emplace(clock_.steady_ms() + stands, stands + static_cast<Millis>(random_() % 3'000));
  }

  // ---- what happens ----

  void misfortune() {
    Node& node = nodes_[random_() % nodes_.size()];
    if (rarely(weather_.crash)) {
      die(node);
      live(node);
    }
    if (rarely(weather_.freeze)) freeze(*node);
    if (disk_ && rarely(weather_.crash)) disk_->crash_after(1 + static_cast<int>(random_() % 60));
    if (chance(weather_.saboteur) && !node->frozen()) node->begin(ruin(), [](std::exception_ptr) {});
    if (rarely(weather_.lock_account)) upstream_.locked.insert(kAccounts[random_() % std::size(kAccounts)]);
    if (rarely(weather_.outage)) upstream_.shut(clock_.steady_ms() + 20'000 + static_cast<Millis>(random_() % 160'000));
    if (rarely(weather_.clock)) put_clock_right();
  }

  void set_clock(Millis by) {
    clock_.put_right(by);
    upstream_.stir();
  }

  // Before anybody who stood still goes on.
  void restore_clock() {
    while (!restored_.empty() && restored_.begin()->first <= clock_.steady_ms()) {
      set_clock(-restored_.begin()->second);
      restored_.erase(restored_.begin());
    }
  }

  void put_clock_right() {
    switch (random_() % 3) {
      case 0: return set_clock(-500);
      case 1: return set_clock(-static_cast<Millis>(random_() % 3'600'000));
      case 2: return set_clock(static_cast<Millis>(random_() % 600'000));
    }
  }

  void people() {
    Process& node = some_node();
    if (node.frozen()) return;
    if (more_to_ask() && random_() % 3 == 0) clients_.submit(node, awake(2));
    if (more_to_ask() && random_() % 40 == 0) clients_.submit_batch(node, awake(1));
    if (chance(weather_.impatience)) clients_.repeat_one(node);
    if (random_() % 100 == 0) node.begin(give(clients_.somebody(), Credits::whole(random_() % 3 == 0 ? -5 : 9)), [](std::exception_ptr) {});
    if (chance(weather_.cancel)) clients_.cancel_one(node);
    if (!upstream_.locked.empty() && random_() % 100 == 0) node.begin(mend_accounts(), [](std::exception_ptr) {});
  }

  // Any `count` of the nodes, but for those that stand still.
  std::vector<Process*> awake(int count) {
    std::vector<Process*> list;
    for (int i = 0; i < count; ++i)
      if (Process& node = some_node(); !node.frozen()) list.push_back(&node);
    return list;
  }

  void turn() {
    settle();
    clock_.advance(!misdirected_ && random_() % 50 == 0 ? 30'000 : 50 + static_cast<Millis>(random_() % 400));  // the machine slept
    restore_clock();
    upstream_.deliver_due();
    for (HookCall& call : upstream_.hooks_due()) deliver(std::move(call));
    for (auto& node : nodes_)
      if (!node->frozen()) node->engine().nudge();
    settle();
  }

  // Nodes and the database by turns until nothing is left to do; any of them may stop in between.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& node : nodes_) {
        if (node->frozen()) continue;
        if (node->run()) busy = true;
        if (busy && rarely(weather_.freeze)) freeze(*node);
      }
      running_ = true;
      database_.run_waiting(random_);
      running_ = false;
      for (auto& node : nodes_)
        if (database_.about_to_pay.contains(node->id) && chance(weather_.balk)) freeze(*node);
      database_.about_to_pay.clear();
      for (const std::string& word : std::exchange(database_.words, {}))
        for (auto& node : nodes_)
          if (!node->frozen() && (misdirected_ || random_() % 8 != 0)) busy = node->engine().heard(word);  // some get lost
    }
  }

  awaitable<void> give(std::string to, Credits amount) {
    const auto stamp = credits::make_stamp(clock_.now_ms());
    co_await database_.write([to, amount, stamp](db::Tx& tx) { return credits::grant(tx, to, amount, "admin", "because", stamp); });
  }

  // An administrator pays the bill and saves the key again.
  awaitable<void> mend_accounts() {
    upstream_.locked.clear();
    upstream_.stir();
    co_await database_.write([this](db::Tx& tx) {
      for (const char* id : kAccounts) save_account(tx, id);
    });
  }

  // A closure with a bug, among those of others.
  awaitable<void> ruin() {
    co_await database_.write([](db::Tx& tx) {
      tx.exec("UPDATE fg_credit_account SET balance = balance + 1000");
      tx.exec("UPDATE fg_task SET status = 'succeeded'");
      throw std::runtime_error("a bug");
    });
  }

  void deliver(HookCall call) {
    Process& node = misdirected_ ? another_than(owner_of(call.attempt)) : some_node();
    if (node.frozen()) return;  // nobody answered; polling has to do
    node.begin(node.tasks().webhook(call.attempt, call.mac, {{"x-signature", call.signature}}, call.body),
               [](std::exception_ptr, bool) {});
  }

  std::string owner_of(const std::string& attempt) {
    return database_.read_now([&attempt](db::Tx& tx) {
      return tx.first("SELECT COALESCE(t.owner, '') FROM fg_task t JOIN fg_task_attempt a ON a.task_id = t.id WHERE a.id = $1", {attempt},
                      [](const db::Row& row) { return row.str(0); }).value_or("");
    });
  }
  Process& another_than(const std::string& id) {
    for (Node& node : nodes_)
      if (node->id != id) return *node;
    return *nodes_.front();
  }

  // ---- what is looked at ----

  // A paid request goes out only from the node that owns the task, by a lease that holds.
  void judge_paid(const std::string& node, const std::string& task) {
    const bool rightful = database_.read_now([&](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_task t JOIN fg_node n ON n.id = t.owner WHERE t.prompt = $1 AND t.status = 'submitting' "
                       "AND t.owner = $2 AND n.lease_until > $3", {task, node, clock_.now_ms()}) >= 1;
    });
    if (!rightful) broken_ = fmt::format("paid requests are sent by the owner alone: {} sent {}", node, task);
    const bool known = database_.read_now([&](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_task t JOIN fg_task_attempt a ON a.task_id = t.id WHERE t.prompt = $1 "
                       "AND t.status = 'submitting' AND t.owner = $2 AND a.reference IS NOT NULL "
                       "AND (a.finished_at IS NULL OR a.outcome = 'superseded')", {task, node}) != 0;
    });
    if (known) broken_ = fmt::format("what is known to be accepted is not sent again: {} sent {}", node, task);
  }

  void look() {
    looked_at_ = database_.commits;
    std::vector<std::string> broken{broken_, database_.trespass, upstream_.unearned, clients_.broken()};
    std::erase(broken, "");
    const Known known{clients_.tasks(), clients_.batches(), clients_.asked_for()};
    std::ranges::move(database_.read_now([&known](db::Tx& tx) { return broken_promises(tx, known); }), std::back_inserter(broken));
    if (!broken.empty()) throw Broken{fmt::format("{}", fmt::join(broken, "; "))};  // a bug breaks several, each of which shows that it is looked at
  }

  // Bought again only where the policy for lost answers said so, and never at another account besides.
  void look_at_purchases() {
    for (const auto& [prompt, bought] : upstream_.accepted_per_task) {
      const auto allowed = database_.read_now([&name = prompt](db::Tx& tx) {
        return tx.number("SELECT COALESCE(SUM(1 + resubmits), 0) FROM fg_task WHERE prompt = $1", {name});
      });
      if (bought > allowed) throw Broken{fmt::format("what was accepted is not bought again: {} was {} times, not {}", prompt, bought, allowed)};
    }
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

  const std::uint64_t seed_;
  std::mt19937_64 random_;
  Weather weather_;
  SimClock clock_;
  const Millis began_ = clock_.steady_ms();
  std::unique_ptr<CrashDisk> disk_;
  SimDatabase database_;
  catalogue::Holder holder_;
  std::unique_ptr<files::Files> files_;
  SimUpstream upstream_;
  SimAdapter adapter_;
  crypto::Sealer sealer_{std::string(32, 'k')};
  tasks::AccountStore accounts_{sealer_};
  Clients clients_{random_};
  const bool hooks_;
  const bool thorough_;  // looks after every step; the others at every sixteenth: what is broken stays broken
  std::string broken_;
  bool running_ = false, misdirected_ = false;
  std::int64_t looked_at_ = 0;
  std::multimap<Millis, Millis> restored_;  // when the clock is put back, and by how much
  int lives_ = 0;
  const Surroundings around_;
  std::vector<Node> nodes_;  // last: what they end with still uses the rest
};

std::string sail(Voyage& voyage) {
  try {
    voyage.play();
    return "";
  } catch (const Broken& broken) {
    return fmt::format("{} ({})", broken.what, voyage.setting());
  } catch (const std::exception& e) {
    return fmt::format("{} ({})", e.what(), voyage.setting());
  }
}

}  // namespace

std::string play(std::uint64_t seed) {
  begin_randomness(seed);
  Voyage voyage(seed);
  return sail(voyage);
}

std::string story(std::uint64_t seed) {
  begin_randomness(seed);
  Voyage voyage(seed);
  std::string broken = sail(voyage);
  return voyage.told() + broken;
}

Heard hear_by_the_other_node(std::uint64_t seed) {
  begin_randomness(seed);
  Voyage voyage(seed);
  voyage.misdirect_in_fair_weather();
  std::string broken = sail(voyage);
  return {voyage.longest_open(), std::move(broken)};
}

}  // namespace fluxgate::simulation
