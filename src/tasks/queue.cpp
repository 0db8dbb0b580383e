#include "tasks/queue.h"

#include <algorithm>

#include <fmt/format.h>

#include "db/settings.h"
#include "tasks/durations.h"
#include "tasks/task_row.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

// Statements of one claim are few and small; a claim that met only users at their limits must end too.
constexpr int kUsersPerClaim = 10'000;
// What is due later was put off before the clock was put back, and is due.
constexpr Millis kNeverPutOffFor = 15 * 60'000;

// Where one priority's round of turns stands.
struct Turn {
  std::string user;
  int left = 0;   // tasks the user may still take in this turn
};

// The row of fg_queue.
struct Turns {
  std::int64_t served = 0;       // claims so far
  std::int64_t served_aged = 0;  // of them, for those who had waited too long
  std::map<Priority, Turn> of;
};

Turns turns_from(const json::object& stored) {
  Turns turns;
  turns.served = db::setting::number(stored, "served", 0);
  turns.served_aged = db::setting::number(stored, "served_aged", 0);
  for (Priority priority : kPriorities)
    if (const auto* turn = stored.if_contains(name(priority)); turn && turn->is_object())
      turns.of[priority] = {std::string(db::setting::text(turn->as_object(), "user", "")),
                            static_cast<int>(db::setting::number(turn->as_object(), "left", 0))};
  return turns;
}

json::object to_json(const Turns& turns) {
  json::object stored{{"served", turns.served}, {"served_aged", turns.served_aged}};
  for (const auto& [priority, turn] : turns.of)
    stored[name(priority)] = {{"user", turn.user}, {"left", turn.left}};
  return stored;
}

// Locks the provider's row; other nodes' claims wait here.
Turns lock_turns(db::Tx& tx, std::string_view provider) {
  tx.exec("INSERT INTO fg_queue (provider, state) VALUES ($1, '{}') ON CONFLICT (provider) DO NOTHING", {provider});
  const auto text = tx.first(fmt::format("SELECT state FROM fg_queue WHERE provider = $1{}", tx.for_update()),
                             {provider}, [](const db::Row& row) { return row.str(0); });
  boost::system::error_code broken;
  auto value = json::parse(text.value_or("{}"), broken);
  return !broken && value.is_object() ? turns_from(value.as_object()) : Turns{};
}

// Counted no further than the limit, so a claim costs the same however much is at work.
std::int64_t at_work(db::Tx& tx, std::string_view column, std::string_view key, std::int64_t limit) {
  return tx.number(
      fmt::format("SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE {} = $1 AND owner IS NOT NULL LIMIT $2) w", column),
      {key, limit});
}

class Claiming {
 public:
  Claiming(db::Tx& tx, const Claim& claim)
      : tx_(tx), claim_(claim), rules_(load_scheduling(tx)), turns_(lock_turns(tx, claim.provider)) {
    for (const Room& room : claim.rooms) desks_.push_back({&room, at_work(tx, "account_id", room.account_id, room.limit)});
    for (const auto& [model, limit] : rules_.models)
      if (at_work(tx, "model", model, limit) >= limit) full_models_ += model + "|";
  }

  std::vector<Task> run() {
    std::vector<Task> taken;
    while (static_cast<int>(taken.size()) < claim_.limit) {
      if (!claim_.rooms.empty() && !free_desk("")) break;
      auto task = next();
      if (!task) break;
      take(*task, free_desk(refused_by(*task)));
      taken.push_back(std::move(*task));
    }
    if (!taken.empty()) {
      const std::string state = json::serialize(to_json(turns_));
      tx_.exec("UPDATE fg_queue SET state = $2 WHERE provider = $1", {claim_.provider, state});
    }
    return taken;
  }

 private:
  struct Desk {
    const Room* room;
    std::int64_t used;
    int given = 0;
  };

  // The account with room that is least loaded for its weight; `not_this` only when there is no other.
  Desk* free_desk(std::string_view not_this) {
    Desk* best = nullptr;
    const auto load = [&](const Desk& desk) {
      const double own = static_cast<double>(desk.used + 1) / std::max(1, desk.room->weight);
      return std::pair(desk.room->account_id == not_this, own);
    };
    for (Desk& desk : desks_)
      if (desk.used < desk.room->limit && desk.given < desk.room->at_most && (!best || load(desk) < load(*best))) best = &desk;
    return best;
  }

  // The account that did not take it last time.
  std::string refused_by(const Task& task) {
    if (task.tries == 0 || desks_.size() < 2) return "";
    const auto last = store::last_attempt(tx_, task.id);
    return last ? last->account_id : "";
  }

  std::optional<Task> next() {
    if ((turns_.served + 1) % rules_.aged_share == 0)
      if (auto task = next_aged()) return task;
    for (Priority priority : kPriorities)
      if (auto task = next_in_turn(priority)) return task;
    return std::nullopt;
  }

  // From a lower priority in which somebody has waited too long while a higher one is served; the lower ones
  // take turns among themselves.
  std::optional<Task> next_aged() {
    std::vector<Priority> aged;
    bool higher_waits = false;
    for (Priority priority : kPriorities) {
      auto oldest = tx_.first(
          "SELECT created_at FROM fg_task WHERE status = 'queued' AND owner IS NULL AND created_at > 0 AND provider = $1 "
          "AND priority = $2 ORDER BY id LIMIT 1",
          {claim_.provider, static_cast<int>(priority)}, [](const db::Row& row) { return row.i64(0); });
      if (!oldest) continue;
      if (higher_waits && claim_.now - *oldest > rules_.aging_ms) aged.push_back(priority);
      higher_waits = true;
    }
    for (std::size_t i = 0; i < aged.size(); ++i) {
      auto priority = aged[static_cast<std::size_t>(turns_.served_aged + static_cast<std::int64_t>(i)) % aged.size()];
      auto task = next_in_turn(priority);
      if (!task) continue;
      ++turns_.served_aged;
      return task;
    }
    return std::nullopt;
  }

  // Whoever is in their turn goes on with it; else the next user in the round who has a task that may go.
  std::optional<Task> next_in_turn(Priority priority) {
    Turn& turn = turns_.of[priority];
    if (turn.left > 0 && !turn.user.empty())
      if (auto task = oldest_of(turn.user, priority)) {
        --turn.left;
        return task;
      }
    std::string user = turn.user;
    bool wrapped = false;
    for (int met = 0; met < kUsersPerClaim; ++met) {
      auto after = user_after(user, priority);
      if (!after) {
        if (wrapped || user.empty()) return std::nullopt;
        wrapped = true;
        user.clear();
        continue;
      }
      user = *after;
      auto task = oldest_of(user, priority);
      if (task) {
        turn = {user, share(user).weight - 1};
        return task;
      }
      if (wrapped && user >= turn.user) return std::nullopt;  // the whole round
    }
    return std::nullopt;
  }

  std::optional<std::string> user_after(std::string_view user, Priority priority) {
    return tx_.first(
        "SELECT user_id FROM fg_task WHERE status = 'queued' AND owner IS NULL AND provider = $1 AND priority = $2 "
        "AND user_id > $3 ORDER BY user_id LIMIT 1",
        {claim_.provider, static_cast<int>(priority), user}, [](const db::Row& row) { return row.str(0); });
  }

  std::optional<Task> oldest_of(const std::string& user, Priority priority) {
    if (!may_start(user)) return std::nullopt;
    // A model at its limit stands in the list between bars; removing it changes the list.
    static const std::string sql = select_tasks(
        "WHERE status = 'queued' AND owner IS NULL AND provider = $1 AND priority = $2 AND user_id = $3 "
        "AND (not_before <= $4 OR not_before > $6) AND replace($5, '|' || model || '|', '') = $5 ORDER BY id LIMIT 1");
    // One that is just being cancelled is none to wait for.
    static const std::string locked = sql + " FOR UPDATE SKIP LOCKED";
    return tx_.first(tx_.dialect() == db::Dialect::sqlite ? sql : locked,
                     {claim_.provider, static_cast<int>(priority), user, claim_.now, full_models_, claim_.now + kNeverPutOffFor},
                     read_task);
  }

  const Share& share(const std::string& user) {
    auto known = shares_.find(user);
    if (known != shares_.end()) return known->second;
    auto role = tx_.first("SELECT role FROM \"user\" WHERE id = $1", {user}, [](const db::Row& row) { return row.str(0); });
    return shares_.emplace(user, rules_.share_of(user, role.value_or("user"))).first->second;
  }

  bool may_start(const std::string& user) {
    const int limit = share(user).at_once;
    if (limit == 0) return true;
    auto [count, fresh] = started_.try_emplace(user, 0);
    if (fresh)
      count->second = tx_.number(
          "SELECT COUNT(*) FROM fg_task WHERE user_id = $1 AND provider = $2 AND owner IS NOT NULL", {user, claim_.provider});
    return count->second < limit;
  }

  void take(Task& task, Desk* desk) {
    task.owner = claim_.node;
    ++task.fence;
    task.account_id = desk ? desk->room->account_id : "";
    tx_.exec("UPDATE fg_task SET owner = $1, fence = $2, account_id = $3 WHERE id = $4",
             {task.owner, task.fence, task.account_id, task.id});
    ++turns_.served;
    if (desk) ++desk->used, ++desk->given;
    if (auto count = started_.find(task.user_id); count != started_.end()) ++count->second;
    if (auto limit = rules_.models.find(task.model);
        limit != rules_.models.end() && at_work(tx_, "model", task.model, limit->second) >= limit->second)
      full_models_ += task.model + "|";
  }

  db::Tx& tx_;
  const Claim& claim_;
  const Scheduling rules_;
  Turns turns_;
  std::vector<Desk> desks_;
  std::string full_models_ = "|";
  std::map<std::string, Share> shares_;
  std::map<std::string, std::int64_t> started_;
};

}  // namespace

std::vector<Task> claim(db::Tx& tx, const Claim& claim) { return Claiming(tx, claim).run(); }

bool worth_claiming(db::Tx& tx, const Claim& claim) {
  if (tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE status = 'queued' AND owner IS NULL AND provider = $1 LIMIT 1) w",
                {claim.provider}) == 0)
    return false;
  return claim.rooms.empty() || std::ranges::any_of(claim.rooms, [&](const Room& room) {
           return room.at_most > 0 && at_work(tx, "account_id", room.account_id, room.limit) < room.limit;
         });
}

bool give_back(db::Tx& tx, const Task& task, Millis not_before, Millis now) {
  return tx.exec(
             "UPDATE fg_task SET owner = NULL, account_id = NULL, not_before = $1, updated_at = $2 "
             "WHERE id = $3 AND status = 'queued' AND owner = $4 AND fence = $5",
             {not_before, now, task.id, task.owner, task.fence}) == 1;
}

// ---- how long it takes ----

Line Line::of(db::Tx& tx, std::string_view provider, Millis now) {
  Line line;
  line.made_at_ = now;
  tx.each(
      "SELECT priority, user_id, COUNT(*) FROM fg_task WHERE status = 'queued' AND owner IS NULL AND provider = $1 "
      "GROUP BY priority, user_id",
      {provider}, [&](const db::Row& row) {
        Level& level = line.levels_[static_cast<Priority>(row.i64(0))];
        level.by_user[row.str(1)] = row.i64(2);
        level.sizes.push_back(row.i64(2));
      });
  for (auto& [priority, level] : line.levels_) {
    std::ranges::sort(level.sizes);
    level.sums.push_back(0);
    for (std::int64_t size : level.sizes) level.sums.push_back(level.sums.back() + size);
  }
  constexpr int kCountAtMost = 10'000;
  line.at_work_ = tx.number(
      "SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE provider = $1 AND owner IS NOT NULL LIMIT $2) w",
      {provider, kCountAtMost});
  // What is at work is what has to end first.
  line.usual_ms_ = tx.first(
      "SELECT CAST(AVG(s.ms) AS BIGINT) FROM (SELECT model FROM fg_task WHERE provider = $1 AND owner IS NOT NULL LIMIT 200) w "
      "JOIN (SELECT model, median_ms AS ms FROM fg_model_stat WHERE size_class = '') s ON s.model = w.model",
      {provider}, [](const db::Row& row) { return row.maybe_i64(0); }).value_or(std::nullopt);
  return line;
}

std::int64_t Line::ahead(Priority priority, std::string_view user_id, std::int64_t own) const {
  std::int64_t count = own;
  for (const auto& [other, level] : levels_) {
    if (other < priority) continue;
    if (other > priority) {
      count += level.sums.back();
      continue;
    }
    // Everybody else has their turn once more than this user had before: min(backlog, own + 1) each.
    const std::int64_t turns = own + 1;
    const auto more = std::ranges::lower_bound(level.sizes, turns);
    const auto fewer = static_cast<std::size_t>(more - level.sizes.begin());
    std::int64_t others = level.sums[fewer] + static_cast<std::int64_t>(level.sizes.end() - more) * turns;
    if (auto mine = level.by_user.find(user_id); mine != level.by_user.end()) others -= std::min(mine->second, turns);
    count += others;
  }
  return count;
}

std::optional<Millis> Line::wait_ms(std::int64_t ahead, std::int64_t slots) const {
  if (slots <= 0) return std::nullopt;
  const std::int64_t before = ahead + 1 + at_work_ - slots;  // tasks that must end first
  if (before <= 0) return 0;
  if (!usual_ms_) return std::nullopt;
  return before * *usual_ms_ / slots;
}

std::int64_t Line::waiting() const {
  std::int64_t count = 0;
  for (const auto& [priority, level] : levels_) count += level.sums.back();
  return count;
}

std::int64_t own_ahead(db::Tx& tx, const Task& task) {
  constexpr int kCountAtMost = 1'000;
  return tx.number(
      "SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE status = 'queued' AND owner IS NULL AND provider = $1 "
      "AND priority = $2 AND user_id = $3 AND id < $4 LIMIT $5) w",
      {task.provider, static_cast<int>(task.priority), task.user_id, task.id, kCountAtMost});
}

std::optional<Millis> wait_for_limits(db::Tx& tx, const Scheduling& rules, const Task& task, std::int64_t own_ahead) {
  std::int64_t rounds = 0;  // times the usual duration, in thousandths
  const auto limited = [&](std::int64_t limit, std::string_view at_work, db::Params params) {
    if (limit <= 0) return;
    const std::int64_t before = own_ahead + 1 + tx.number(at_work, params) - limit;  // tasks that must end first
    rounds = std::max(rounds, before * 1'000 / limit);
  };
  if (rules.limits_users()) {
    const auto role = tx.first("SELECT role FROM \"user\" WHERE id = $1", {task.user_id}, [](const db::Row& row) { return row.str(0); });
    limited(rules.share_of(task.user_id, role.value_or("user")).at_once,
            "SELECT COUNT(*) FROM fg_task WHERE user_id = $1 AND provider = $2 AND owner IS NOT NULL", {task.user_id, task.provider});
  }
  if (const auto model = rules.models.find(task.model); model != rules.models.end())
    limited(model->second, "SELECT COUNT(*) FROM fg_task WHERE model = $1 AND owner IS NOT NULL", {task.model});
  if (rounds == 0) return 0;
  const auto expected = stored_expectation(tx, task);
  if (!expected) return std::nullopt;
  return expected->median * rounds / 1'000;
}

}  // namespace fluxgate::tasks
