#include "tasks/task_row.h"

#include <fmt/format.h>

namespace fluxgate::tasks {
namespace {

constexpr std::string_view kColumns =
    "id, user_id, provider, endpoint, model, status, rev, owner, fence, prompt, params, inputs, images, quote, "
    "quote_rev, charged, result, seed, error_code, error_param, error_message, tries, resubmits, not_before, "
    "cancel_requested_at, created_at, updated_at, started_at, completed_at, legacy_id, "
    "priority, account_id, batch_id, cache_key, cached_from";

std::vector<std::string> parse_strings(std::string_view text) {
  std::vector<std::string> list;
  auto value = parse_or_null(text);
  if (auto* array = value.if_array())
    for (auto& item : *array)
      if (item.is_string()) list.emplace_back(item.as_string());
  return list;
}

}  // namespace

boost::json::value parse_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  boost::system::error_code error;
  auto value = boost::json::parse(text, error);
  return error ? boost::json::value(nullptr) : value;
}

boost::json::object parse_object(std::string_view text) {
  auto value = parse_or_null(text);
  return value.is_object() ? std::move(value.as_object()) : boost::json::object{};
}

Task read_task(const db::Row& row) {
  Task task;
  task.id = row.str(0);
  task.user_id = row.str(1);
  task.provider = row.str(2);
  task.endpoint = row.str(3);
  task.model = row.str(4);
  task.state = task_state(row.text(5)).value_or(TaskState::failed);
  task.rev = row.i64(6);
  task.owner = row.str(7);
  task.fence = row.i64(8);
  task.prompt = row.str(9);
  task.params = parse_object(row.text(10));
  task.inputs = parse_strings(row.text(11));
  task.images = static_cast<int>(row.i64(12));
  task.quote = row.credits(13);
  task.quote_rev = static_cast<int>(row.i64(14));
  task.charged = row.credits(15);
  task.result = parse_or_null(row.text(16));
  task.seed = row.str(17);
  task.error_code = row.str(18);
  task.error_param = row.str(19);
  auto message = parse_object(row.text(20));
  if (auto* en = message.if_contains("en"); en && en->is_string()) task.error_message.en = en->as_string();
  if (auto* zh = message.if_contains("zh"); zh && zh->is_string()) task.error_message.zh = zh->as_string();
  task.tries = static_cast<int>(row.i64(21));
  task.resubmits = static_cast<int>(row.i64(22));
  task.not_before = row.i64(23);
  task.cancel_requested_at = row.maybe_i64(24);
  task.created_at = row.i64(25);
  task.updated_at = row.i64(26);
  task.started_at = row.maybe_i64(27);
  task.completed_at = row.maybe_i64(28);
  task.legacy_id = row.str(29);
  task.priority = static_cast<Priority>(row.i64(30));
  task.account_id = row.str(31);
  task.batch_id = row.str(32);
  task.cache_key = row.str(33);
  task.cached_from = row.str(34);
  return task;
}

std::string select_tasks(std::string_view rest) { return fmt::format("SELECT {} FROM fg_task {}", kColumns, rest); }

}  // namespace fluxgate::tasks
