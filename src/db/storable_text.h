// Text as every engine keeps it and every reader of JSON takes it: UTF-8 (RFC 3629) without NUL. SQLite would store any
// bytes, PostgreSQL refuses them; what comes in is treated alike on both.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::db {

bool is_storable(std::string_view text);
// `text` where it is storable; else with U+FFFD for each byte that is no part of a character.
std::string storable_text(std::string_view text);

}  // namespace fluxgate::db
