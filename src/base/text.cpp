#include "base/text.h"

#include <cctype>
#include <cstdlib>

namespace fluxgate {
namespace {

struct Range {
  std::string_view tag;
  double quality = 1;
};

Range parse_range(std::string_view item) {
  auto semicolon = item.find(';');
  Range range{item.substr(0, semicolon)};
  if (semicolon != std::string_view::npos) {
    auto q = item.find("q=", semicolon);
    if (q != std::string_view::npos) range.quality = std::atof(std::string(item.substr(q + 2)).c_str());
  }
  while (!range.tag.empty() && range.tag.front() == ' ') range.tag.remove_prefix(1);
  while (!range.tag.empty() && range.tag.back() == ' ') range.tag.remove_suffix(1);
  return range;
}

bool primary_is(std::string_view tag, std::string_view language) {
  if (tag.size() < 2 || (tag.size() > 2 && tag[2] != '-')) return false;
  return std::tolower(static_cast<unsigned char>(tag[0])) == language[0] &&
         std::tolower(static_cast<unsigned char>(tag[1])) == language[1];
}

}  // namespace

Language preferred_language(std::string_view header) {
  double en = 0, zh = 0;
  while (!header.empty()) {
    auto comma = header.find(',');
    Range range = parse_range(header.substr(0, comma));
    if (primary_is(range.tag, "en")) en = std::max(en, range.quality);
    if (primary_is(range.tag, "zh")) zh = std::max(zh, range.quality);
    header = comma == std::string_view::npos ? std::string_view{} : header.substr(comma + 1);
  }
  return zh > en ? Language::zh : Language::en;
}

}  // namespace fluxgate
