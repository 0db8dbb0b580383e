#include "db/storable_text.h"

#include "base/utf8.h"

namespace fluxgate::db {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

bool is_storable(std::string_view text) { return !text.contains('\0') && is_utf8(text); }

std::string storable_text(std::string_view text) {
  if (is_storable(text)) return std::string(text);
  std::string clean;
  clean.reserve(text.size());
  std::size_t kept = 0, at = 0;  // what stands before `kept` is in `clean`
  while (at < text.size()) {
    const std::size_t size = text[at] == '\0' ? 0 : utf8_size(text.substr(at));
    if (size != 0) {
      at += size;
      continue;
    }
    clean.append(text, kept, at - kept);
    clean += kReplacement;
    kept = ++at;
  }
  return clean.append(text, kept);
}

}  // namespace fluxgate::db
