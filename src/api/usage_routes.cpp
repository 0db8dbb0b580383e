#include "api/usage_routes.h"

#include "stats/usage.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using stats::By;
using stats::Question;
using stats::Step;

constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the year 9999
constexpr std::int64_t kDefaultDays = 30;
// Rows of an answer. More would be of no use to anyone who looks at them; the longest spans stay below it.
constexpr int kRowsMax = 5'000;
constexpr std::int64_t kHoursMax = 31 * 24, kDaysMax = 1'100, kDaysByUserMax = 31;
constexpr std::int64_t kOffsetMinutesMax = 14 * 60;

template <class T>
using Words = std::initializer_list<std::pair<std::string_view, T>>;

// A query parameter that is one of some words; the first one when it is absent.
template <class T>
Result<T> query_word(const http::Request& request, const char* name, Words<T> words) {
  const auto given = request.query(name);
  if (!given || given->empty()) return words.begin()->second;
  std::string list;
  for (const auto& [word, value] : words) {
    if (word == *given) return value;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", word);
  }
  return refuse_field("query", name, "enum",
                      {fmt::format("Expected one of {}.", list), fmt::format("应为 {} 之一。", list)},
                      json::string(given->substr(0, 64)), {{"expected", list}});
}

Result<void> check_span(const Question& question) {
  const std::int64_t hours = (question.to - question.from) / stats::kHour;
  if (hours <= 0)
    return refuse_field("query", "to", "greater_than", {"Expected a moment after `from`.", "应晚于 from。"}, question.to / 1000);
  std::int64_t most = question.step == Step::hour ? kHoursMax : question.step == Step::day ? kDaysMax * 24 : hours;
  if (question.by == By::user) most = std::min(most, kDaysByUserMax * 24);
  if (hours <= most) return {};
  return refuse_field("query", "from", "too_long",
                      {fmt::format("Expected at most {} hours for this step; {} were asked for.", most, hours),
                       fmt::format("此粒度最多 {} 小时，实际为 {} 小时。", most, hours)},
                      question.from / 1000, {{"max_hours", most}, {"hours", hours}});
}

// Moments are widened to whole hours.
Result<Question> read_question(const http::Request& request, Millis now, Words<By> by) {
  Question question;
  FLUX_TRY(to, query_integer(request, "to", now / 1000, 1, kSecondsMax));
  FLUX_TRY(from, query_integer(request, "from", std::max<std::int64_t>(0, to - kDefaultDays * 86'400), 0, kSecondsMax));
  FLUX_TRY(offset, query_integer(request, "utc_offset", 0, -kOffsetMinutesMax, kOffsetMinutesMax));
  question.from = from * 1000 / stats::kHour * stats::kHour;
  question.to = (to * 1000 + stats::kHour - 1) / stats::kHour * stats::kHour;
  question.utc_offset = offset * 60'000;
  FLUX_TRY(step, query_word<Step>(request, "step", {{"day", Step::day}, {"hour", Step::hour}, {"whole", Step::whole}}));
  FLUX_TRY(key, query_word<By>(request, "by", by));
  question.step = step;
  question.by = key;
  FLUX_CHECK(check_span(question));
  return question;
}

json::object numbers(const stats::Usage& used) {
  return {{"succeeded", used.succeeded}, {"failed", used.failed}, {"cancelled", used.cancelled},
          {"images", used.images},       {"charged", used.charged.as_number()}};
}

awaitable<http::Response> answer(const Api& api, Question question) {
  const auto rows = co_await api.parts.database.read([question](db::Tx& tx) { return stats::usage(tx, question, kRowsMax); });
  stats::Usage total;
  json::array data;
  for (const stats::Usage& row : rows) {
    json::object shown = numbers(row);
    shown["at"] = row.at / 1000;
    if (question.by != By::none) shown["key"] = row.key;
    data.push_back(std::move(shown));
    total.succeeded += row.succeeded;
    total.failed += row.failed;
    total.cancelled += row.cancelled;
    total.images += row.images;
    total.charged = total.charged + row.charged;
  }
  co_return private_json({{"from", question.from / 1000}, {"to", question.to / 1000}, {"data", std::move(data)},
                          {"total", numbers(total)}, {"complete", static_cast<int>(rows.size()) < kRowsMax}});
}

Answer own_usage(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(question, read_question(request, api.parts.clock.now_ms(),
                                      {{"none", By::none}, {"provider", By::provider}, {"model", By::model}}));
  question.user_id = principal.user_id;
  http::Response response = co_await answer(api, std::move(question));
  co_return response;
}

Answer all_usage(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(question, read_question(request, api.parts.clock.now_ms(),
                                      {{"none", By::none}, {"provider", By::provider}, {"model", By::model}, {"user", By::user}}));
  question.user_id = request.query("user_id").value_or("");
  http::Response response = co_await answer(api, std::move(question));
  co_return response;
}

}  // namespace

void add_usage_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/usage", bind(api, own_usage));
  router.get("/api/v1/admin/usage", bind(api, all_usage));
}

}  // namespace fluxgate::api
