#include "tasks/durations.h"

#include <algorithm>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

constexpr std::size_t kOwnEnough = 3;       // samples of a class before it speaks for itself
constexpr std::size_t kClassesMax = 10'000; // in memory
constexpr Millis kReadFor = 60'000;         // other nodes learn too
constexpr std::size_t kWordBytes = 24;
constexpr Millis kDurationMax = 24ll * 3600 * 1000;

// 0.7 → "0.5", 1.05 → "1": quarters of a power of two are as near as durations are.
std::string magnitude(double value) {
  if (!(value > 0) || value > 1e9) return "0";
  return fmt::format("{:.3g}", std::exp2(std::round(std::log2(value) * 2) / 2));
}

double number(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  boost::system::error_code none;
  const double read = value && value->is_number() ? value->to_number<double>(none) : 0;
  return none ? 0 : read;
}

std::string describe(std::string_view name, const json::value& value) {
  if (const auto* word = value.if_string()) return std::string(word->subview(0, kWordBytes));
  if (const auto* size = value.if_object())
    return magnitude(number(*size, "width") * number(*size, "height") / 1e6) + "mp";
  if (value.is_number()) return magnitude(number(json::object{{name, value}}, name));
  return "";
}

void keep_last(std::vector<Millis>& list) {
  if (list.size() > kDurationsKept) list.erase(list.begin(), list.end() - kDurationsKept);
}

std::vector<Millis> parse_recent(std::string_view text) {
  std::vector<Millis> recent;
  boost::system::error_code broken;
  const auto value = json::parse(text, broken);
  if (broken || !value.is_array()) return recent;
  for (const auto& item : value.as_array())
    if (item.is_int64() && item.as_int64() > 0 && item.as_int64() <= kDurationMax) recent.push_back(item.as_int64());
  keep_last(recent);
  return recent;
}

std::vector<Millis> read_recent(db::Tx& tx, std::string_view model, std::string_view size, bool locked = false) {
  const auto text = tx.first(fmt::format("SELECT recent FROM fg_model_stat WHERE model = $1 AND size_class = $2{}",
                                         locked ? tx.for_update() : std::string_view()),
                             {model, size}, [](const db::Row& row) { return row.str(0); });
  return text ? parse_recent(*text) : std::vector<Millis>{};
}

}  // namespace

std::optional<Expected> expected_of(std::vector<Millis> recent) {
  if (recent.empty()) return std::nullopt;
  std::ranges::sort(recent);
  const std::size_t last = recent.size() - 1;
  const auto at = [&](std::size_t percent) { return recent[(last * percent + 50) / 100]; };
  Expected expected{at(5), at(50), at(95)};
  // Few samples do not show how far they can lie apart.
  const Millis unsure = std::max<Millis>(20, expected.median / static_cast<Millis>(2 * (recent.size() + 1)));
  expected.low = std::max<Millis>(0, expected.low - unsure);
  // One that hung for minutes says nothing about the rest.
  expected.high = std::min(expected.high + unsure, 4 * std::max<Millis>(expected.median, 100));
  return expected;
}

std::string size_class(const Task& task) {
  std::string key = std::to_string(task.images);
  for (const char* member : {"image_size", "aspect_ratio", "resolution", "num_inference_steps"})
    if (const auto* value = task.params.if_contains(member)) key += "|" + describe(member, *value);
  return key;
}

std::optional<Expected> stored_expectation(db::Tx& tx, const Task& task) {
  std::vector<Millis> own, whole;
  tx.each("SELECT size_class, recent FROM fg_model_stat WHERE model = $1 AND size_class IN ($2, '')", {task.model, size_class(task)},
          [&](const db::Row& row) { (row.text(0).empty() ? whole : own) = parse_recent(row.text(1)); });
  return expected_of(std::move(own.size() >= kOwnEnough ? own : whole));
}

void add_durations(db::Tx& tx, std::string_view model, std::string_view size, const std::vector<Millis>& fresh, Millis now) {
  // There before it is locked and read: two nodes that learn of a model for the first time both count.
  tx.exec("INSERT INTO fg_model_stat (model, size_class, median_ms, samples, recent, updated_at) VALUES ($1, $2, 0, 0, '[]', $3) "
          "ON CONFLICT (model, size_class) DO NOTHING", {model, size, now});
  auto recent = read_recent(tx, model, size, true);
  recent.insert(recent.end(), fresh.begin(), fresh.end());
  keep_last(recent);
  const auto expected = expected_of(recent);
  if (!expected) return;
  const std::string text = json::serialize(json::array(recent.begin(), recent.end()));
  tx.exec(
      "INSERT INTO fg_model_stat (model, size_class, median_ms, samples, recent, updated_at) VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT (model, size_class) DO UPDATE SET median_ms = $3, samples = fg_model_stat.samples + $4, recent = $5, "
      "updated_at = $6",
      {model, size, expected->median, fresh.size(), text, now});
}

awaitable<std::optional<Expected>> Durations::expected(Task task) {
  const Key own{task.model, size_class(task)}, whole{task.model, ""};
  co_await read(own);
  if (known(own).recent.size() >= kOwnEnough) co_return expected_of(known(own).recent);
  co_await read(whole);
  co_return expected_of(known(whole).recent);
}

void Durations::learn(const Task& task, Millis duration) {
  if (duration <= 0 || duration > kDurationMax) return;
  for (const Key& key : {Key{task.model, size_class(task)}, Key{task.model, ""}}) {
    Known& entry = known(key);
    for (auto* list : {&entry.recent, &entry.fresh}) {
      list->push_back(duration);
      keep_last(*list);
    }
  }
}

int Durations::early_before(const Task& task, bool early) {
  int& count = known({task.model, size_class(task)}).early;
  return std::exchange(count, early ? count + 1 : 0);
}

awaitable<void> Durations::flush() {
  std::map<Key, std::vector<Millis>> fresh;
  for (auto& [key, entry] : known_)
    if (!entry.fresh.empty()) fresh.emplace(key, std::exchange(entry.fresh, {}));
  if (fresh.empty()) co_return;
  std::exception_ptr failure;
  try {
    co_await database_.write([fresh, now = clock_.now_ms()](db::Tx& tx) {
      for (const auto& [key, samples] : fresh) add_durations(tx, key.model, key.size, samples, now);
    });
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  for (auto& [key, samples] : fresh) {
    auto& entry = known(key);
    entry.fresh.insert(entry.fresh.begin(), samples.begin(), samples.end());
    keep_last(entry.fresh);
  }
  std::rethrow_exception(failure);
}

awaitable<void> Durations::read(Key key) {
  const Millis now = clock_.now_ms();
  const Millis read_at = known(key).read_at;
  if (read_at != 0 && read_at <= now && now - read_at < kReadFor) co_return;
  auto stored = co_await database_.read([key](db::Tx& tx) { return read_recent(tx, key.model, key.size); });
  Known& entry = known(key);
  stored.insert(stored.end(), entry.fresh.begin(), entry.fresh.end());
  keep_last(stored);
  entry.recent = std::move(stored);
  entry.read_at = now;
}

Durations::Known& Durations::known(const Key& key) {
  if (known_.size() >= kClassesMax) std::erase_if(known_, [](const auto& item) { return item.second.fresh.empty(); });
  return known_[key];
}

}  // namespace fluxgate::tasks
