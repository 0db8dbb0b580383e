// Pages of tasks. The cursor is an id: ids sort by time, so a page starts where the last one ended, at any depth, and
// costs the same there.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tasks/id_range.h"
#include "tasks/task_row.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks::store {
namespace {

// A search reads this many rows of its user's history for one page, whatever it finds there. So it takes the same time
// with a thousand tasks and with ten million; a rare word takes more pages, not a slower one, and no index of words has
// to be kept at every submit.
constexpr int kLookedThrough = 1'000;

std::string in_states(const std::optional<std::vector<TaskState>>& states) {
  if (!states) return "";
  std::string list;
  for (TaskState state : *states) list += fmt::format("{}'{}'", list.empty() ? "" : ", ", name(state));
  return fmt::format(" AND status IN ({})", list.empty() ? "''" : list);
}

TaskPage page_of(std::vector<Task> tasks, int limit) {
  TaskPage page;
  if (static_cast<int>(tasks.size()) == limit) page.next_cursor = tasks.back().id;
  page.tasks = std::move(tasks);
  return page;
}

TaskPage batch_page(db::Tx& tx, const HistoryQuery& query) {
  return page_of(tx.all(select_tasks(fmt::format("WHERE batch_id = $1 AND id > $2{} ORDER BY id LIMIT $3 OFFSET $4",
                                                 in_states(query.states))),
                        {query.batch_id, query.cursor, query.limit, query.offset}, read_task),
                 query.limit);
}

constexpr std::string_view kBeyondAll = "g";  // greater than every id

// As a pattern for LIKE … ESCAPE '\', somewhere in the text.
std::string anywhere(std::string_view word) {
  std::string pattern = "%";
  for (char c : word) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

TaskPage search(db::Tx& tx, const HistoryQuery& query) {
  std::string top = query.to == 0 ? std::string(kBeyondAll) : first_id_at(query.to);
  if (!query.cursor.empty()) top = std::min(top, query.cursor);
  const std::string bottom = query.from == 0 ? "" : first_id_at(query.from);
  // Where the rows of this page end; read in the index alone.
  const std::string last = tx.first(
      "SELECT id FROM fg_task WHERE user_id = $1 AND provider = $2 AND id < $3 AND id >= $4 ORDER BY id DESC LIMIT 1 OFFSET $5",
      {query.user_id, query.provider, top, bottom, kLookedThrough - 1}, [](const db::Row& row) { return row.str(0); }).value_or("");
  std::array<std::string, kSearchWordsMax> patterns;
  std::string words;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (i < query.words.size()) patterns[i] = anywhere(query.words[i]);
    words += fmt::format(" AND (${0} = '' OR LOWER(prompt) LIKE LOWER(${0}) ESCAPE '\\')", i + 7);
  }
  auto found = tx.all(
      select_tasks(fmt::format("WHERE user_id = $1 AND provider = $2 AND id < $3 AND id >= $4{} AND ($5 = '' OR model = $5){} "
                               "ORDER BY id DESC LIMIT $6", in_states(query.states), words)),
      {query.user_id, query.provider, top, last.empty() ? bottom : last, query.model, query.limit, patterns[0], patterns[1],
       patterns[2], patterns[3]},
      read_task);
  TaskPage page = page_of(std::move(found), query.limit);
  if (page.next_cursor.empty()) page.next_cursor = last;
  return page;
}

}  // namespace

TaskPage history(db::Tx& tx, const HistoryQuery& query) {
  if (!query.batch_id.empty()) return batch_page(tx, query);
  if (query.is_search()) return search(tx, query);
  std::string sql = select_tasks(fmt::format("WHERE user_id = $1 AND provider = $2{}{} ORDER BY id DESC LIMIT $3 OFFSET $4",
                                             in_states(query.states), query.cursor.empty() ? "" : " AND id < $5"));
  if (query.cursor.empty())
    return page_of(tx.all(sql, {query.user_id, query.provider, query.limit, query.offset}, read_task), query.limit);
  return page_of(tx.all(sql, {query.user_id, query.provider, query.limit, query.offset, query.cursor}, read_task), query.limit);
}

std::int64_t total(db::Tx& tx, const HistoryQuery& query) {
  if (!query.batch_id.empty())
    return tx.number(fmt::format("SELECT COUNT(*) FROM fg_task WHERE batch_id = $1{}", in_states(query.states)),
                     {query.batch_id});
  return tx.number(fmt::format("SELECT COALESCE(SUM(n), 0) FROM fg_user_counter WHERE user_id = $1 AND provider = $2{}",
                               in_states(query.states)),
                   {query.user_id, query.provider});
}

}  // namespace fluxgate::tasks::store
