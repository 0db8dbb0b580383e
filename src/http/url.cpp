#include "http/url.h"

#include <boost/url/pct_string_view.hpp>

namespace fluxgate::http {
namespace {

std::optional<std::string> decode(std::string_view text, boost::urls::encoding_opts options) {
  const auto encoded = boost::urls::make_pct_string_view(text);
  if (!encoded) return std::nullopt;
  return encoded->decode(options);
}

// The number of bytes of the UTF-8 sequence at the start of `text`; 0 when it is none (RFC 3629 §4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
  return length;
}

}  // namespace

std::optional<std::string> decode_path(std::string_view text) { return decode(text, {}); }

std::optional<std::string> decode_query(std::string_view text) {
  boost::urls::encoding_opts options;
  options.space_as_plus = true;
  return decode(text, options);
}

bool is_clean_path(std::string_view path) {
  for (std::size_t i = 0; i < path.size();) {
    const std::size_t length = utf8_length(path.substr(i));
    if (length == 0 || path[i] == '\0') return false;
    i += length;
  }
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") return false;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return true;
}

}  // namespace fluxgate::http
