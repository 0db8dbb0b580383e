// Content codings of answers (RFC 9110 §8.4, §12.5.3): which one a client prefers, and the work itself.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::http {

enum class Coding { identity, gzip, brotli };

// The best of ours by the client's weights; brotli wins a tie. identity when the header is empty or
// names neither.
Coding negotiate_coding(std::string_view accept_encoding);
std::string_view coding_name(Coding coding);
// Text-like media types. Images and archives only grow, and event streams must not be held back.
bool is_compressible(std::string_view content_type);
// For bodies in memory. The levels are those where a few more percent would cost twice the time.
std::string compress(std::string_view body, Coding coding);

}  // namespace fluxgate::http
