#include "files/retention.h"

#include <fmt/format.h>

#include "files/rows.h"

namespace fluxgate::files {
namespace {

constexpr Millis kDay = 24ll * 3600 * 1000;

struct Kind {
  int Retention::* days;
  std::string_view which;
};

constexpr Kind kKinds[] = {
    {&Retention::result_images, "source_task_id IS NOT NULL AND file_type = 'image'"},
    {&Retention::result_videos, "source_task_id IS NOT NULL AND file_type <> 'image'"},
    {&Retention::uploads, "source_task_id IS NULL"},
    {&Retention::unused_uploads,
     "source_task_id IS NULL AND NOT EXISTS (SELECT 1 FROM fg_file_use u WHERE u.file_id = generated_files.id)"},
};

}  // namespace

std::vector<std::string> outdated(db::Tx& tx, const Retention& rules, Millis now, int limit) {
  std::vector<std::string> ids;
  for (const Kind& kind : kKinds) {
    const int days = rules.*kind.days;
    if (days == 0) continue;
    tx.each(fmt::format("SELECT id FROM generated_files WHERE status = 'uploaded' AND created_at < $1 AND {} "
                        "ORDER BY created_at LIMIT $2",
                        kind.which),
            {sql_time(now - days * kDay), limit}, [&](const db::Row& row) { ids.push_back(row.str(0)); });
  }
  return ids;
}

}  // namespace fluxgate::files
