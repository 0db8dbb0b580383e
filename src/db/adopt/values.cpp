#include "db/adopt/values.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/crypto.h"
#include "base/money.h"

namespace fluxgate::db::adopt {
namespace {

constexpr Millis kYear9999 = 253'402'300'799'999;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

template <class T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Millis> plausible(double ms) {
  if (!(ms >= 1) || ms > static_cast<double>(kYear9999)) return std::nullopt;
  return static_cast<Millis>(ms);
}

std::optional<Millis> time_of_number(double n) {
  if (n < 1e12) return plausible(n * 1e3);
  if (n < 1e15) return plausible(n);
  if (n < 1e18) return plausible(n / 1e3);
  return plausible(n / 1e6);
}

// Reads digits off the front of a text.
class Digits {
 public:
  explicit Digits(std::string_view text) : rest_(text) {}

  int take(std::size_t count) {
    const auto value = rest_.size() < count ? std::nullopt : number<int>(rest_.substr(0, count));
    if (!value || *value < 0) {
      failed_ = true;
      return 0;
    }
    rest_.remove_prefix(count);
    return *value;
  }
  void expect(char c) {
    if (rest_.starts_with(c)) rest_.remove_prefix(1);
    else failed_ = true;
  }
  Millis fraction() {
    if (!rest_.starts_with('.') && !rest_.starts_with(',')) return 0;
    rest_.remove_prefix(1);
    Millis ms = 0, unit = 100;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      ms += unit * (rest_.front() - '0');
      unit /= 10;
      rest_.remove_prefix(1);
    }
    return ms;
  }
  // "", "Z", "+08", "+08:00", "+0800": minutes east.
  int offset() {
    rest_ = trimmed(rest_);
    if (rest_.empty() || rest_ == "Z" || rest_ == "z" || rest_ == "UTC") return 0;
    const int sign = rest_.front() == '-' ? -1 : 1;
    if (rest_.front() != '+' && rest_.front() != '-') failed_ = true;
    rest_.remove_prefix(1);
    const int hours = take(2);
    if (rest_.starts_with(':')) rest_.remove_prefix(1);
    const int minutes = rest_.empty() ? 0 : take(2);
    if (!rest_.empty() || hours > 14 || minutes > 59) failed_ = true;
    return sign * (hours * 60 + minutes);
  }
  bool at_end() const { return rest_.empty(); }
  char next() const { return rest_.empty() ? '\0' : rest_.front(); }
  void skip() { rest_.remove_prefix(1); }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

std::optional<Millis> time_of_date(std::string_view text) {
  Digits read(text);
  const int year = read.take(4);
  read.expect('-');
  const int month = read.take(2);
  read.expect('-');
  const int day = read.take(2);
  int hour = 0, minute = 0, second = 0, offset = 0;
  Millis fraction = 0;
  if (!read.failed() && !read.at_end()) {
    if (read.next() != ' ' && read.next() != 'T') return std::nullopt;
    read.skip();
    hour = read.take(2);
    read.expect(':');
    minute = read.take(2);
    if (read.next() == ':') {
      read.skip();
      second = read.take(2);
    }
    fraction = read.fraction();
    offset = read.offset();
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (read.failed() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  const Millis ms = ((days * 24ll + hour) * 60 + minute - offset) * 60'000 + second * 1000ll + fraction;
  return plausible(static_cast<double>(ms));
}

std::string_view path_of(std::string_view link) {
  const auto scheme = link.find("://");
  if (scheme != std::string_view::npos) link.remove_prefix(scheme + 3);
  link = link.substr(0, link.find_first_of("?#"));
  const auto slash = link.find('/');
  return slash == std::string_view::npos ? std::string_view() : link.substr(slash);
}

}  // namespace

std::optional<Millis> time_of(Cell value) {
  const std::string_view text = trimmed(value.value_or(""));
  if (text.empty()) return std::nullopt;
  if (const auto n = number<double>(text)) return time_of_number(*n);
  return time_of_date(text);
}

std::optional<double> real_of(Cell value) {
  const auto n = number<double>(trimmed(value.value_or("")));
  if (!n || !std::isfinite(*n)) return std::nullopt;
  return n;
}

std::optional<std::int64_t> thousandths_of(Cell value) {
  constexpr double kTooMuch = 1e15;
  const std::string_view text = trimmed(value.value_or(""));
  if (const auto exact = Credits::parse(text)) return exact->in_thousandths();
  const auto n = real_of(text);
  if (!n || std::abs(*n) >= kTooMuch) return std::nullopt;
  return std::llround(*n * 1000.0);
}

std::optional<std::int64_t> integer_of(Cell value) {
  const std::string_view text = trimmed(value.value_or(""));
  if (const auto n = number<std::int64_t>(text)) return n;
  const auto n = real_of(text);
  if (!n || *n != std::trunc(*n) || std::abs(*n) > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(*n);
}

std::optional<bool> flag_of(Cell value) {
  const std::string word = lower(trimmed(value.value_or("")));
  if (word == "1" || word == "t" || word == "true") return true;
  if (word == "0" || word == "f" || word == "false") return false;
  return std::nullopt;
}

std::optional<int> percent_of(Cell value) {
  std::string_view text = trimmed(value.value_or(""));
  if (text.ends_with('%')) text = trimmed(text.substr(0, text.size() - 1));
  if (const auto n = real_of(text)) return static_cast<int>(std::clamp(*n, 0.0, 100.0));
  for (std::string_view word : {"已提交", "排队", "等待"})
    if (text.contains(word)) return 0;
  for (std::string_view word : {"完成", "成功"})
    if (text.contains(word) && !text.contains("未")) return 100;
  return std::nullopt;
}

boost::json::value json_of(Cell value) {
  if (!value || trimmed(*value).empty()) return nullptr;
  boost::system::error_code error;
  auto parsed = boost::json::parse(*value, error);
  return error ? boost::json::value(nullptr) : parsed;
}

std::string text_of(Cell value) { return std::string(value.value_or("")); }

bool is_missing_secret(std::string_view secret) {
  secret = trimmed(secret);
  return secret.empty() || secret.ends_with("****");
}

std::string link_of(std::string_view text) {
  constexpr std::size_t kBytesMax = 4096;
  text = trimmed(text);
  const std::string start = lower(text.substr(0, 8));
  const bool web = start.starts_with("http://") || start.starts_with("https://");
  const bool clean = std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
  if (!web || !clean || text.size() > kBytesMax || text.size() <= start.find("://") + 3) return "";
  return std::string(text);
}

bool is_data_uri(std::string_view text) { return lower(text.substr(0, 5)) == "data:"; }

std::optional<std::string> bytes_of(std::string_view text) {
  text = trimmed(text);
  if (is_data_uri(text)) {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos || !lower(text.substr(0, comma)).ends_with(";base64")) return std::nullopt;
    text.remove_prefix(comma + 1);
  }
  if (text.empty()) return std::nullopt;
  return crypto::unbase64(text);
}

std::string_view mime_of_link(std::string_view link, std::string_view fallback) {
  const std::string path = lower(path_of(link));
  constexpr std::pair<std::string_view, std::string_view> kEndings[] = {
      {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"}, {".webp", "image/webp"},
      {".gif", "image/gif"},  {".mp4", "video/mp4"},   {".webm", "video/webm"}, {".mov", "video/quicktime"}};
  for (const auto& [ending, mime] : kEndings)
    if (path.ends_with(ending)) return mime;
  return fallback;
}

std::string file_name_of_link(std::string_view link, std::string_view fallback) {
  constexpr std::size_t kBytesMax = 200;
  const std::string_view path = path_of(link);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (path.empty() || name.empty() || name.size() > kBytesMax) return std::string(fallback);
  return std::string(name);
}

std::string datetime_text(Millis time) {
  std::string text = iso8601(time);
  text[10] = ' ';
  return text;
}

}  // namespace fluxgate::db::adopt
