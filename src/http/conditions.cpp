#include "http/conditions.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "http/request_head.h"

namespace fluxgate::http {
namespace {

std::string_view without_weakness(std::string_view etag) {
  return etag.starts_with("W/") ? etag.substr(2) : etag;
}

// Digits only, no sign. Numbers that do not fit are as good as the largest.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() ? value : UINT64_MAX;
}

}  // namespace

bool etag_listed(std::string_view list, std::string_view etag, Comparison comparison) {
  if (trim(list) == "*") return true;
  const bool strong = comparison == Comparison::strong;
  if (strong && etag.starts_with("W/")) return false;
  const std::string_view wanted = without_weakness(etag);
  // An entity tag may contain commas, so that the quotes are what separates the elements.
  while (true) {
    const std::size_t open = list.find('"');
    if (open == std::string_view::npos) return false;
    const std::size_t close = list.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    const bool weak = list.substr(0, open).ends_with("W/");
    if (list.substr(open, close - open + 1) == wanted && !(strong && weak)) return true;
    list = list.substr(close + 1);
  }
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string terminated(text);
  const char* end = strptime(terminated.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&parts);
}

bool not_modified(std::string_view if_none_match, std::string_view if_modified_since,
                  const Validators& current) {
  if (!if_none_match.empty()) return !current.etag.empty() && etag_listed(if_none_match, current.etag);
  if (if_modified_since.empty() || !current.modified) return false;
  const auto since = parse_http_date(if_modified_since);
  return since && *current.modified <= *since;
}

bool precondition_failed(std::string_view if_match, std::string_view if_unmodified_since, const Validators& current) {
  if (!if_match.empty()) return !etag_listed(if_match, current.etag, Comparison::strong);
  if (if_unmodified_since.empty() || !current.modified) return false;
  const auto since = parse_http_date(if_unmodified_since);
  return since && *current.modified > *since;
}

bool range_applies(std::string_view if_range, const Validators& current) {
  if (if_range.empty()) return true;
  if (if_range.starts_with('"')) return if_range == current.etag;
  if (if_range.starts_with("W/")) return false;
  const auto date = parse_http_date(if_range);
  return date && current.modified && *date == *current.modified;
}

RangeVerdict parse_range(std::string_view header, std::uint64_t total, ByteRange& range) {
  const std::size_t equals = header.find('=');
  if (equals == std::string_view::npos || !equals_ignoring_case(trim(header.substr(0, equals)), "bytes"))
    return RangeVerdict::ignore;
  const std::string_view spec = trim(header.substr(equals + 1));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return RangeVerdict::ignore;
  const auto first = parse_number(spec.substr(0, dash));
  const auto last = parse_number(spec.substr(dash + 1));
  if (dash == 0) {  // the last n bytes
    if (!last) return RangeVerdict::ignore;
    if (*last == 0 || total == 0) return RangeVerdict::unsatisfiable;
    range.size = std::min(*last, total);
    range.first = total - range.size;
    return RangeVerdict::partial;
  }
  if (!first || (!last && dash + 1 != spec.size()) || (last && *last < *first)) return RangeVerdict::ignore;
  if (*first >= total) return RangeVerdict::unsatisfiable;
  range.first = *first;
  range.size = std::min(last.value_or(UINT64_MAX), total - 1) - *first + 1;
  return RangeVerdict::partial;
}

}  // namespace fluxgate::http
