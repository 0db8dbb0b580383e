#include "db/adopt/old_ids.h"

#include <set>

#include <fmt/format.h>

#include "base/crypto.h"
#include "db/adopt/source.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {

std::string old_id_for(const std::string& id, const Whose& whose, const TaskOf& task_of) {
  const auto there = task_of(id);
  if (!there) return id;
  if (*there == whose) return "";
  std::string own = fmt::format("{}~{}", id, crypto::sha256_hex(whose.user_id + '\n' + whose.prompt).substr(0, 8));
  return task_of(own) ? "" : own;
}

std::optional<Whose> task_in_history(Tx& tx, std::string_view provider, const std::string& old_id) {
  return tx.first("SELECT user_id, COALESCE(prompt, '') FROM fg_task WHERE legacy_id = $1 AND provider = $2", {old_id, provider},
                  [](const Row& row) { return Whose{row.str(0), row.str(1)}; });
}

void OldIds::add(const std::string& id, const std::string& old_id) {
  if (id.empty()) return void(++without);
  if (old_id.empty()) return void(++known);
  ++taken;
  if (old_id == id) return;
  ++renamed;
  if (example.empty()) example = old_id;
}

void OldIds::tell(Lines& lines, const std::string& table) const {
  const auto warn = [&](std::int64_t rows, Text text) {
    if (rows != 0) lines.push_back({table, std::move(text), Level::warning});
  };
  warn(without, {fmt::format("{} rows without an id are left out.", without), fmt::format("{} 行没有 id，不接管。", without)});
  warn(known, {fmt::format("{} rows are left out, as their tasks are in the history already: of the same id, owner and prompt.", known),
               fmt::format("{} 行的任务已在历史记录中（id、用户和提示词均相同），不接管。", known)});
  warn(renamed, {fmt::format("{} tasks have the id of another; they get ids of their own, such as {}.", renamed, example),
                 fmt::format("{} 个任务的 id 与其他任务重复，将使用各自的新 id，例如 {}。", renamed, example)});
}

// There may be no history yet, or another program's table under its name.
OldIdPlan::OldIdPlan(Tx& tx, std::string_view provider, bool several)
    : tx_(tx), provider_(provider), several_(several),
      history_(has_column(tx, "fg_task", "legacy_id") &&
               tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE provider = $1 AND legacy_id IS NOT NULL LIMIT 1) t", {provider}) != 0) {}

OldIds OldIdPlan::count(const std::string& table, const std::function<void(std::string_view status)>& on_taken) {
  std::set<std::string> repeated;
  tx_.each(fmt::format("SELECT CAST(id AS TEXT) FROM {} WHERE id IS NOT NULL GROUP BY CAST(id AS TEXT) HAVING COUNT(*) > 1", quoted_name(table)), {},
           [&](const Row& row) { repeated.insert(row.str(0)); });
  const TaskOf task_of = [this](const std::string& old_id) -> std::optional<Whose> {
    if (const auto here = placed_.find(old_id); here != placed_.end()) return here->second;
    return history_ ? task_in_history(tx_, provider_, old_id) : std::nullopt;
  };
  Source source(tx_, table);
  const int id_column = source.pick("id"), user = source.pick("user_id"), prompt = source.pick("prompt"), status = source.pick("status");
  OldIds ids;
  source.each("", [&](const OldRow& row) {
    const std::string id = row.text(id_column);
    const bool may_come_again = several_ || repeated.contains(id);
    std::string old_id = id;
    if (!id.empty() && (may_come_again || history_)) {
      const Whose whose{row.text(user), row.text(prompt)};
      old_id = old_id_for(id, whose, task_of);
      if (may_come_again && !old_id.empty()) placed_.emplace(old_id, whose);
    }
    ids.add(id, old_id);
    if (!old_id.empty()) on_taken(row.text(status));
  });
  return ids;
}

}  // namespace fluxgate::db::adopt
