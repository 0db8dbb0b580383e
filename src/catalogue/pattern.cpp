#include "catalogue/pattern.h"

#include <regex>

namespace fluxgate::catalogue {
namespace {

// Of text that is known to be UTF-8: Boost.JSON accepts nothing else.
std::wstring code_points(std::string_view utf8) {
  std::wstring points;
  points.reserve(utf8.size());
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80 && !points.empty())
      points.back() = static_cast<wchar_t>((static_cast<unsigned>(points.back()) << 6) | (byte & 0x3F));
    else if (byte >= 0xF0)
      points.push_back(static_cast<wchar_t>(byte & 0x07));
    else if (byte >= 0xE0)
      points.push_back(static_cast<wchar_t>(byte & 0x0F));
    else if (byte >= 0xC0)
      points.push_back(static_cast<wchar_t>(byte & 0x1F));
    else
      points.push_back(static_cast<wchar_t>(byte));
  }
  return points;
}

std::string beyond_the_subset(std::string_view source) {
  for (std::size_t i = 0; i + 1 < source.size(); ++i) {
    if (source[i] == '(' && source[i + 1] == '?' && source.substr(i, 3) != "(?:")
      return "look-around is not part of the subset";
    if (source[i] != '\\') continue;
    if (source[i + 1] >= '1' && source[i + 1] <= '9') return "back-references are not part of the subset";
    ++i;
  }
  return "";
}

}  // namespace

struct Pattern::Compiled {
  std::wregex expression;
};

std::string Pattern::compile(std::string_view source) {
  if (source.size() > kLongest) return "is longer than 200 bytes";
  if (std::string wrong = beyond_the_subset(source); !wrong.empty()) return wrong;
  auto flags = std::regex_constants::ECMAScript;
#ifdef __GLIBCXX__
  flags |= std::regex_constants::__polynomial;
#endif
  try {
    compiled_ = std::make_shared<const Compiled>(Compiled{std::wregex(code_points(source), flags)});
  } catch (const std::regex_error&) {  // the only way it reports
    return "is no regular expression";
  }
  source_ = source;
  return "";
}

bool Pattern::matches(std::string_view utf8) const {
  if (!compiled_ || utf8.size() > 4 * kLongestText) return false;
  return std::regex_search(code_points(utf8), compiled_->expression);
}

}  // namespace fluxgate::catalogue
