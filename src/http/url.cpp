#include "http/url.h"

#include <boost/url/pct_string_view.hpp>

#include "base/utf8.h"

namespace fluxgate::http {
namespace {

std::optional<std::string> decode(std::string_view text, boost::urls::encoding_opts options) {
  const auto encoded = boost::urls::make_pct_string_view(text);
  if (!encoded) return std::nullopt;
  return encoded->decode(options);
}

}  // namespace

std::optional<std::string> decode_path(std::string_view text) { return decode(text, {}); }

std::optional<std::string> decode_query(std::string_view text) {
  boost::urls::encoding_opts options;
  options.space_as_plus = true;
  return decode(text, options);
}

bool is_clean_path(std::string_view path) {
  if (path.contains('\0') || !is_utf8(path)) return false;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") return false;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return true;
}

}  // namespace fluxgate::http
