#include "db/adopt/adopt.h"

#include <fmt/format.h>

#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// Every table that may have to be renamed, or may wait under its new name.
std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names(fork_tables().begin(), fork_tables().end());
  for (std::string_view shared : {"folder", "channel", "generated_files", "cloud_storage_config"}) names.push_back(shared);
  return names;
}

std::vector<std::string> to_rename(Tx& tx) {
  std::vector<std::string> found = repair_shaped(tx);
  for (std::string_view name : fork_tables())
    if (kind_of(tx, name) == Kind::table) found.emplace_back(name);
  return found;
}

// Users of a database that was never ours.
bool has_strangers(Tx& tx) { return kind_of(tx, "user") == Kind::table && kind_of(tx, "fg_migration") == Kind::none; }

bool has_clear_secrets(Tx& tx) {
  if (kind_of(tx, "cloud_storage_config") != Kind::table || !has_column(tx, "cloud_storage_config", "secret_key")) return false;
  return tx.number("SELECT COUNT(*) FROM cloud_storage_config WHERE COALESCE(secret_key, '') <> '' AND secret_key NOT LIKE 'sealed:%'") != 0;
}

}  // namespace

bool needed(Tx& tx) {
  if (has_strangers(tx) || has_clear_secrets(tx) || !to_rename(tx).empty()) return true;
  for (std::string_view name : all_names())
    if (!waiting(tx, name).empty()) return true;
  return false;
}

Lines plan(Tx& tx, const Options& options) {
  Lines lines;
  if (!needed(tx)) return lines;
  plan_tasks(tx, options, lines);
  plan_credits(tx, lines);
  plan_upstreams(tx, options, lines);
  plan_storage(tx, lines);
  plan_people(tx, lines);
  return lines;
}

void set_aside(Tx& tx, const Options&) {
  for (const std::string& table : to_rename(tx))
    tx.exec(fmt::format("ALTER TABLE {} RENAME TO {}", quoted_name(table), quoted_name(free_name(tx, table))));
}

Lines carry_over(Tx& tx, const Options& options) {
  Lines lines;
  FLUX_ASSERT(options.sealer != nullptr);
  Work work{tx, options, lines, {}};
  storage_over(work);
  upstreams_over(work);
  tasks_over(work);
  credits_over(work);
  people_over(work);
  give_back_over(work);
  if (options.then) options.then(tx);
  return lines;
}

}  // namespace fluxgate::db::adopt
