// The two decodings a request target needs (RFC 3986 §2.1, and "+" as a space in queries, as HTML
// forms write them).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fluxgate::http {

// nullopt when a "%" is not followed by two hexadecimal digits.
std::optional<std::string> decode_path(std::string_view text);
std::optional<std::string> decode_query(std::string_view text);

// True when `path` (decoded) is safe to hand on: valid UTF-8, no NUL, no "." or ".." segment. Real
// clients resolve dot segments before sending; what is left of them is an attack on a file system.
bool is_clean_path(std::string_view path);

}  // namespace fluxgate::http
