#include "db/repair.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/money.h"
#include "db/check.h"
#include "db/postgresql_tables.h"
#include "db/remarks.h"
#include "db/rights.h"

namespace fluxgate::db {
namespace {

using adopt::Level;
using adopt::Line;
using adopt::Lines;

Text newer_version(std::int64_t version) {
  return {fmt::format("A newer Fluxgate wrote this database: its schema is {}, this program knows {}. Use that version or a later one. "
                      "Nothing was changed.", version, kSchemaVersion),
          fmt::format("该数据库由更新版本的 Fluxgate 写入：其结构版本为 {}，本程序只支持到 {}。请使用该版本或更新的版本。未做任何更改。", version,
                      kSchemaVersion)};
}

// Where we have never been, none of our tables is there: that is one thing to say, not thirty.
enum class Ours { known, new_here };

// One line for a table, however many of its columns and indexes are missing. `ours`: whether the database was ours before.
Lines lines_of(const std::vector<Difference>& differences, const std::set<std::string>& taken_over, Ours ours) {
  const auto to_be_made = [ours](const Difference& difference) {
    return ours == Ours::new_here && difference.absent && difference.table.starts_with("fg_");
  };
  Lines lines;
  if (const auto count = std::ranges::count_if(differences, to_be_made); count != 0)
    lines.push_back({"fg_*", {fmt::format("{} tables of our own are missing", count), fmt::format("缺少本系统自己的 {} 张表", count)}, Level::info});
  for (const Difference& difference : differences) {
    if (to_be_made(difference)) continue;
    const bool mendable = !difference.statements.empty();
    if (!mendable && taken_over.contains(difference.table)) continue;
    if (!lines.empty() && mendable && lines.back().table == difference.table && lines.back().level == Level::info) {
      lines.back().text.en += "; " + difference.text.en;
      lines.back().text.zh += "；" + difference.text.zh;
      continue;
    }
    lines.push_back({difference.table, difference.text, mendable ? Level::info : difference.foreign ? Level::error : Level::warning});
  }
  return lines;
}

// "the table is missing" → "the table was missing"
std::string in_the_past(std::string text) {
  for (const auto& [now, then] : {std::pair<std::string_view, std::string_view>{" is ", " was "}, {" are ", " were "}})
    for (auto at = text.find(now); at != std::string::npos; at = text.find(now, at + then.size())) text.replace(at, now.size(), then);
  return text;
}

Line gives_back(const adopt::Owed& owed) {
  const std::string credits = Credits::thousandths(owed.amount).to_string();
  return {"", {fmt::format("{} credits are given back for {} tasks that the previous system lost.", credits, owed.tasks),
               fmt::format("将为旧系统丢失的 {} 个任务退还 {} 积分。", owed.tasks, credits)}};
}

// What serving may mend by itself, or nobody can.
bool is_forgotten(const Difference& difference) { return difference.forgotten || (difference.statements.empty() && !difference.foreign); }

bool is_empty(const Found& found) { return found.tables.empty() && found.views.empty(); }

}  // namespace

bool Plan::possible() const { return state != State::newer && std::ranges::none_of(lines, [](const Line& line) { return line.level == Level::error; }); }

std::vector<std::string> Plan::touched() const {
  std::set<std::string> names;
  for (const Line& line : lines)
    if (!line.table.empty()) names.insert(line.table);
  return {names.begin(), names.end()};
}

Plan make_plan(Tx& tx, const adopt::Options& options) {
  Plan plan;
  const Found found = look(tx);
  const Lines remarked = remarks(tx);
  const bool in_the_way = std::ranges::any_of(remarked, [](const Line& line) { return line.level == Level::error; });
  if (is_empty(found) && !in_the_way) return plan;
  plan.version = version_of(tx);
  if (plan.version > kSchemaVersion) {
    plan.state = State::newer;
    plan.lines.push_back({"fg_migration", newer_version(plan.version), Level::error});
    return plan;
  }
  if (in_the_way) {  // it shows other things than are there: nothing more can be said before it is gone
    plan.state = State::needs_repair;
    plan.lines = remarked;
    return plan;
  }
  plan.adopts = adopt::needed(tx);
  std::set<std::string> taken_over;
  if (plan.adopts) plan.lines = adopt::plan(tx, options);
  else if (options.give_back && plan.version != 0)
    if (const auto owed = adopt::owed(tx); owed.tasks != 0) plan.lines.push_back(gives_back(owed));
  const bool gives = !plan.adopts && !plan.lines.empty();
  for (const Line& line : plan.lines) taken_over.insert(line.table);
  auto differences = all_differences(found, tx.dialect());
  hinder(tx, differences);
  for (Line& line : lines_of(differences, taken_over, plan.version == 0 ? Ours::new_here : Ours::known)) plan.lines.push_back(std::move(line));
  plan.lines.insert(plan.lines.end(), remarked.begin(), remarked.end());
  if (plan.adopts || plan.version == 0 || !plan.possible()) plan.state = State::needs_repair;
  else if (plan.version < kSchemaVersion) plan.state = State::outdated;
  else if (std::ranges::all_of(plan.lines, [](const Line& line) { return line.level == Level::warning; })) plan.state = State::ready;
  else if (!gives && std::ranges::all_of(differences, is_forgotten)) plan.state = State::outdated;
  else plan.state = State::needs_repair;
  return plan;
}

Lines run_plan(Tx& tx, const adopt::Options& options) {
  Lines report;
  const auto before = all_differences(look(tx), tx.dialect());
  const Ours ours = version_of(tx) == 0 ? Ours::new_here : Ours::known;
  const bool adopts = adopt::needed(tx);
  if (adopts && options.sealer == nullptr)  // nobody has seen that in the plan
    throw CareFailure({"The database is no longer as it was when it was looked at: another program uses it. Stop that program, then try again. "
                       "Nothing was changed.",
                       "数据库与查看时已不同：有其他程序正在使用它。请停止该程序后重试。未做任何更改。"});
  const std::string schema = tx.dialect() == Dialect::postgresql ? current_schema(tx) : "";
  const auto rights = rights_in(tx, schema);
  if (adopts) adopt::set_aside(tx, options);
  create_tables(tx, options.now);
  if (adopts) report = adopt::carry_over(tx, options);
  else if (options.give_back) report = adopt::give_back(tx, options.now);
  create_views(tx);
  grant(tx, schema, rights);
  std::set<std::string> left;
  for (const Difference& difference : all_differences(look(tx), tx.dialect())) {
    if (!difference.statements.empty())
      throw Failure(fmt::format("{} could not be repaired: {}. Nothing was changed.", difference.table, difference.text.en));
    left.insert(difference.table + difference.text.en);
  }
  std::vector<Difference> mended;
  for (const Difference& difference : before)
    if (!left.contains(difference.table + difference.text.en) && !difference.statements.empty()) mended.push_back(difference);
  for (Line& line : lines_of(mended, {}, ours)) {
    line.text = {"mended; " + in_the_past(line.text.en), "已修复：" + line.text.zh};
    report.push_back(std::move(line));
  }
  return report;
}

Repaired repair(Care& care, const adopt::Options& options, const std::function<bool(const Plan&)>& go_on) {
  Repaired done;
  if (care.exists()) {
    care.examine();
    care.read([&](Tx& tx) { done.plan = make_plan(tx, options); });
    if (done.plan.adopts) care.examine_indexes();  // each of its rows counts
    if (const auto remark = care.remark(); remark && done.plan.state == State::needs_repair)
      done.plan.lines.insert(done.plan.lines.begin(), Line{"", *remark, Level::warning});
  }
  if (done.plan.state == State::newer) throw CareFailure(newer_version(done.plan.version));
  if (done.plan.state == State::ready || !go_on(done.plan) || !done.plan.possible()) return done;
  if (care.take_turn()) {
    care.read([&](Tx& tx) { done.plan = make_plan(tx, options); });
    if (done.plan.state == State::newer) throw CareFailure(newer_version(done.plan.version));
    if (done.plan.state == State::ready) {
      done.report.push_back({"", {"another repair did this meanwhile", "另一个修复已完成这些工作"}, Level::info});
      return done;
    }
  }
  const auto change = [&](Tx& tx) { done.report = run_plan(tx, options); };
  if (done.plan.state == State::empty) care.change(change);
  else done.backup = care.change_after_backup(options.data_dir + "/backups", options.now, done.plan.touched(), change);
  if (!done.plan.adopts) return done;
  try {
    care.scrub();
  } catch (const Failure&) {
    done.scrubbed = false;  // the change stands; the file only still holds what was deleted from it
  }
  return done;
}

}  // namespace fluxgate::db
