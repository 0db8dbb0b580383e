// What people type about themselves, checked: names, e-mail addresses, passwords, pictures, roles and
// durations. Pure. Refusals are field errors (422) with `loc` ["body", field]; a password is never
// echoed in one.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/principal.h"

namespace fluxgate::identity {

inline constexpr int kPasswordMin = 8;                  // code points
inline constexpr int kPasswordMax = 256;                // code points
inline constexpr int kPasswordBytesMax = 1024;          // 256 code points of 4 bytes
inline constexpr int kNameMax = 128;                    // code points
inline constexpr int kEmailMax = 254;                   // bytes, RFC 5321 §4.5.3.1.3
inline constexpr std::size_t kPictureMax = 512 * 1024;  // bytes; a data URL of a small picture fits

// The refusal of one body member.
Error field_error(std::string field, std::string type, Text message, boost::json::object context = {},
                  boost::json::value input = nullptr);

// Trimmed and in lower case. Accepted: something@something.something with one "@", or anything that
// ends in @localhost (spec/seed-api.md §12.2); no spaces or control characters.
Result<std::string> clean_email(std::string_view text);

// How an e-mail is looked up at sign-in: trimmed, lower case; "" when no account can have it. Not judged by
// today's pattern, for imported accounts (phone numbers among them) need not follow it.
std::string lookup_email(std::string_view text);

// Trimmed; 1 to kNameMax code points without control characters.
Result<std::string> clean_name(std::string_view text);

// A path of ours ("/user.png"), an http(s) URL, or a data URL of a PNG, JPEG, WebP or GIF. Empty means
// "/user.png".
Result<std::string> clean_picture(std::string_view text);

// 8 to 256 code points, no composition rules. `byte_limit` is 72 where hashes are bcrypt, which would
// silently ignore the rest. `field` is the member's name in the refusal.
Result<void> check_password(std::string_view password, std::string_view field,
                            int byte_limit = kPasswordBytesMax);

std::string_view name(Role role);
std::optional<Role> parse_role(std::string_view text);
// The refusal of anything but pending, user and admin.
Result<Role> role_field(std::string_view text, std::string_view field = "role");

// "-1" and "0" mean never (a zero duration here); else a sum of numbers each followed by one of
// ms s m h d w, such as "4w" or "1h30m". nullopt for anything else, a total of zero, or over 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace fluxgate::identity
