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

// By the sums: nobody's files are read but those that go.
std::vector<std::string> of_closed_accounts(db::Tx& tx, int limit) {
  const auto closed = tx.all(
      "SELECT f.user_id FROM fg_file_usage f WHERE f.source_type = '' AND f.files > 0 AND EXISTS "
      "(SELECT 1 FROM fg_once o WHERE o.name = 'closed:' || f.user_id) LIMIT $1",
      {limit}, [](const db::Row& row) { return row.str(0); });
  std::vector<std::string> ids;
  for (const std::string& user : closed) {
    const int room = limit - static_cast<int>(ids.size());
    tx.each("SELECT id FROM generated_files WHERE user_id = $1 AND status = 'uploaded' LIMIT $2", {user, room},
            [&](const db::Row& row) { ids.push_back(row.str(0)); });
  }
  return ids;
}

}  // namespace fluxgate::files
