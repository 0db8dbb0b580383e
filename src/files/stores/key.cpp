#include "files/stores/key.h"

#include <boost/json.hpp>

#include "base/utf8.h"
#include "files/stores/encode.h"
#include "files/stores/failures.h"

namespace fluxgate::files {
namespace {

std::string_view broken_rule(std::string_view key, std::size_t encoded_bytes_max) {
  if (key.empty()) return "empty";
  if (percent_encode_path(key).size() > encoded_bytes_max) return "too_long";
  if (std::ranges::any_of(key, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return "control";
  if (!is_utf8(key)) return "utf8";
  if (key.front() == '/' || key.front() == '\\' || key.contains("//")) return "slash";
  for (std::size_t from = 0; from <= key.size();) {
    const std::size_t to = std::min(key.find('/', from), key.size());
    const std::string_view segment = key.substr(from, to - from);
    if (segment == "." || segment == "..") return "segment";
    from = to + 1;
  }
  return {};
}

}  // namespace

Result<void> check_key(std::string_view key, std::size_t encoded_bytes_max) {
  const std::string_view rule = broken_rule(key, encoded_bytes_max);
  if (rule.empty()) return {};
  return fail(failure("object_key_invalid", std::string(rule)).with("rule", boost::json::string(rule)));
}

}  // namespace fluxgate::files
