#include "db/adopt/sieve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {

void Named::add(std::string_view name) {
  constexpr std::size_t kFirst = 5;
  if (++count_ <= static_cast<std::int64_t>(kFirst)) first_.emplace_back(name);
}

std::string Named::list() const {
  return fmt::format("{}{}", fmt::join(first_, ", "), count_ > static_cast<std::int64_t>(first_.size()) ? " …" : "");
}

// While planning, ours may not be there yet, or be another program's table.
Sieve::Sieve(Tx& tx, std::string_view ours, std::string_view key, bool secret) : tx_(tx), key_(key), secret_(secret) {
  if (has_column(tx, ours, key)) look_ = fmt::format("SELECT COUNT(*) FROM {} WHERE {} = $1", ours, key);
}

bool Sieve::is_known(const std::string& key) const {
  return seen_.contains(key) || (!look_.empty() && tx_.number(look_, {key}) != 0);
}

std::string Sieve::shown(const std::string& key) const {
  constexpr std::size_t kShown = 8;
  if (!secret_ || key.size() <= kShown) return key;
  std::string start = key.substr(0, kShown);
  while (!is_utf8(start)) start.pop_back();
  return start + "…";
}

bool Sieve::takes(const std::string& key, Lack lack) {
  if (key.empty()) ++without_key_;
  else if (lack == Lack::amount) without_amount_.add(shown(key));
  else if (lack == Lack::user) without_user_.add(shown(key));
  else if (is_known(key)) known_.add(shown(key));
  else {
    seen_.insert(key);
    ++taken_;
    return true;
  }
  return false;
}

void Sieve::tell(Lines& lines, const std::string& table) {
  const auto warn = [&](std::int64_t rows, Text text) {
    if (rows != 0) lines.push_back({table, std::move(text), Level::warning});
  };
  warn(without_key_, {fmt::format("{} rows without a {} are left out.", without_key_, key_), fmt::format("{} 行没有 {}，不接管。", without_key_, key_)});
  warn(without_amount_.count(),
       {fmt::format("{} rows are left out, as their amount is no number below 10^15: {}.", without_amount_.count(), without_amount_.list()),
        fmt::format("{} 行的 amount 不是小于 10^15 的数字，不接管：{}。", without_amount_.count(), without_amount_.list())});
  warn(without_user_.count(), {fmt::format("{} rows are left out, as they name no user: {}.", without_user_.count(), without_user_.list()),
                               fmt::format("{} 行没有用户，不接管：{}。", without_user_.count(), without_user_.list())});
  warn(known_.count(), {fmt::format("{} rows are left out, as there is one with their {} already: {}.", known_.count(), key_, known_.list()),
                        fmt::format("{} 行的 {} 已存在，不接管：{}。", known_.count(), key_, known_.list())});
  taken_ = without_key_ = 0;
  without_amount_ = without_user_ = known_ = {};
}

}  // namespace fluxgate::db::adopt
