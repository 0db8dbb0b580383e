// What the plan says of the old tasks.
#include <fmt/format.h>

#include "db/adopt/dates.h"
#include "db/adopt/old_ids.h"
#include "db/adopt/old_tasks.h"
#include "db/adopt/source.h"
#include "db/adopt/words.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// Without them nothing of a task could be shown: such a table is none of the fork's, or somebody changed it.
std::optional<Line> cannot_be_tasks(Tx& tx, const std::string& table) {
  const Source source(tx, table);
  for (const std::string_view column : {"id", "status"})
    if (!source.has(column))
      return Line{table,
                  {fmt::format("It has no column {0} and cannot be taken over. Rename it, if it is a copy of your own (ALTER TABLE {1} RENAME TO "
                               "my_{1}), or give it the column (ALTER TABLE {1} ADD COLUMN {0} TEXT).", column, table),
                   fmt::format("缺少列 {0}，无法接管。若为自行备份的表，请重命名（ALTER TABLE {1} RENAME TO my_{1}）；否则请添加该列（ALTER TABLE {1} "
                               "ADD COLUMN {0} TEXT）。", column, table)},
                  Level::error};
  return std::nullopt;
}

}  // namespace

void plan_tasks(Tx& tx, const Options& options, Lines& lines) {
  bool local_times = false;
  for (const OldTasks& kind : old_tasks()) {
    const auto tables = still_here(tx, kind.table);
    OldIdPlan id_plan(tx, kind.provider, tables.size() > 1);
    for (const std::string& table : tables) {
      if (auto reason = cannot_be_tasks(tx, table)) {
        lines.push_back(std::move(*reason));
        continue;
      }
      std::int64_t unfinished = 0;
      const OldIds ids = id_plan.count(table, [&](std::string_view status) { unfinished += ended_by(status) == Ended::unfinished; });
      const std::int64_t rows = ids.rows();
      const std::string stays = table == kind.table ? free_name(tx, table) : table;
      lines.push_back({table,
                       {fmt::format("{} tasks go into the history as {}; the table stays as {}.", ids.taken, kind.provider, stays),
                        fmt::format("{} 个任务将作为 {} 进入历史记录，原表保留为 {}。", ids.taken, kind.provider, stays)},
                       Level::info, rows, ids.taken});
      ids.tell(lines, table);
      if (const TableDates dates = dates_of(tx, table); dates.undated != 0) lines.push_back({table, undated_text(dates), Level::warning});
      local_times = local_times || (kind.local_times && ids.taken != 0);
      if (unfinished == 0) continue;
      const Text way = kind.resumable
                           ? Text{"those younger than 24 hours with a request id go on at the provider, the others fail",
                                  "24 小时内且有请求编号的将继续查询，其余标记为失败"}
                           : Text{"they fail", "将标记为失败"};
      const Text money = options.give_back ? Text{"what was taken for them and not given back before is given back", "扣除且此前未退还的积分将退还"}
                                           : Text{"no credits move (--give-back gives back what was taken for them, now or in a later repair)",
                                                  "积分不变动（使用 --give-back 可退还扣除的积分，现在或以后修复时均可）"};
      lines.push_back({table,
                       {fmt::format("{} tasks are unfinished: {}; {}.", unfinished, way.en, money.en),
                        fmt::format("{} 个任务未完成：{}；{}。", unfinished, way.zh, money.zh)},
                       Level::warning});
    }
  }
  if (local_times)
    lines.push_back({"",
                     {"Dates without an offset are taken as UTC. The fork wrote when tasks of Midjourney, Kling and lip-sync began and ended in "
                      "its server's local time: if its clock was not UTC, those times are off by the difference; when tasks were made is not.",
                      "没有时区的日期按 UTC 读取。旧系统以服务器本地时间写入 Midjourney、Kling 和对口型任务的开始与结束时间：若其时钟不是 "
                      "UTC，这些时间会相差相应时差；任务的创建时间不受影响。"}});
}

}  // namespace fluxgate::db::adopt
