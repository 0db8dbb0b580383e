// What old values mean: one value at a time, whatever the column's declared type (spec/seed-db.md §3). Pure.
//
// A value comes as the text the engine gives for it; nullopt is SQL NULL. "Absent" is NULL, an empty text and,
// where JSON is meant, the four letters null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/clock.h"

namespace fluxgate::db::adopt {

using Cell = std::optional<std::string_view>;

// Integers by their size: seconds below 10^12, milliseconds below 10^15, microseconds below 10^18, else
// nanoseconds; "2025-08-20 09:30:00", with "T", a fraction, "Z" or an offset, or the date alone. Text without an
// offset is taken as UTC. nullopt for what is no time between 1970 (excluded) and 9999.
std::optional<Millis> time_of(Cell value);

// A decimal number × 1000, to the nearest thousandth, halves away from zero. nullopt for what is no number or not
// below 10^15, the most that Credits holds. Exact; with more than three decimals, up to 9·10^12.
std::optional<std::int64_t> thousandths_of(Cell value);

std::optional<std::int64_t> integer_of(Cell value);  // "5", "5.0"; nullopt for fractions and words
std::optional<double> real_of(Cell value);           // finite
std::optional<bool> flag_of(Cell value);             // 0 1 t f true false, any case

// "45%", "45", 45 → 45; Kling's words: nothing begun → 0, at work → nullopt, done → 100; anything else → nullopt.
std::optional<int> percent_of(Cell value);

// nullptr when absent or no JSON.
boost::json::value json_of(Cell value);
std::string text_of(Cell value);  // "" when absent

// A key that was overwritten by its own mask ("abcdefgh****", "****"), or is empty: nothing to import.
bool is_missing_secret(std::string_view secret);

// An http(s) link of at most 4096 bytes without spaces and control characters, else "".
std::string link_of(std::string_view text);

// The bytes of a data URI, or of base64 alone, as the fork stored whole files; nullopt for anything else.
std::optional<std::string> bytes_of(std::string_view text);
bool is_data_uri(std::string_view text);

// By the ending of the link's path: "image/png"; `fallback` when that says nothing.
std::string_view mime_of_link(std::string_view link, std::string_view fallback);
// The last part of the link's path, at most 200 bytes; `fallback` when there is none.
std::string file_name_of_link(std::string_view link, std::string_view fallback);

// "2025-08-20 09:30:00.000000", as the fork's generated_files has them.
std::string datetime_text(Millis time);

}  // namespace fluxgate::db::adopt
