// Whether bytes are text (RFC 3629 §4: no overlong forms, no surrogates, nothing beyond U+10FFFF).
#pragma once

#include <cstddef>
#include <string_view>

namespace fluxgate {

// Bytes of the character that `text` begins with; 0 when it begins with none.
std::size_t utf8_size(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace fluxgate
