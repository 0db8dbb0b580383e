// Conditional and partial GET (RFC 9110 §13, §14) as pure functions over header values.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

namespace fluxgate::http {

// `list` is If-None-Match or If-Match; `etag` the current one with its quotes (§8.8.3.2).
enum class Comparison { weak, strong };
bool etag_listed(std::string_view list, std::string_view etag, Comparison comparison = Comparison::weak);

// The date in the preferred format of §5.6.7; nullopt for anything else, which then counts as absent.
std::optional<std::time_t> parse_http_date(std::string_view text);

// What is known of the representation a request is compared with.
struct Validators {
  std::string_view etag;  // quoted; "" = none
  std::optional<std::time_t> modified;
};
// True when a GET is answered 304.
bool not_modified(std::string_view if_none_match, std::string_view if_modified_since,
                  const Validators& current);
// True when If-Match, or without it If-Unmodified-Since, is not met: 412. Strong comparison (§13.1.1, §13.1.4).
bool precondition_failed(std::string_view if_match, std::string_view if_unmodified_since, const Validators& current);
// True when Range may be honoured. Strong comparison (§13.1.5).
bool range_applies(std::string_view if_range, const Validators& current);

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t size = 0;
};
enum class RangeVerdict { ignore, partial, unsatisfiable };
// One range of bytes. Several, other units and malformed values are ignored, as §14.2 allows: the
// client then gets the whole.
RangeVerdict parse_range(std::string_view header, std::uint64_t total, ByteRange& range);

}  // namespace fluxgate::http
