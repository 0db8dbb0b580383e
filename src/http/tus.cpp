#include "http/tus.h"

#include <algorithm>
#include <charconv>

#include "base/crypto.h"

namespace fluxgate::http::tus {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Standard base64 with its padding, as the protocol has it; the decoder of ours takes more.
std::optional<std::string> decode(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  });
  return plain ? crypto::unbase64(text) : std::nullopt;
}

bool is_key(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != ','; });
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return value;
}

std::optional<Metadata> parse_metadata(std::string_view text) {
  Metadata pairs;
  if (trimmed(text).empty()) return pairs;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = trimmed(text.substr(0, comma));
    const std::size_t space = pair.find(' ');
    const std::string_view key = pair.substr(0, space);
    const std::string_view coded = space == std::string_view::npos ? std::string_view() : pair.substr(space + 1);
    auto value = decode(coded);
    if (!is_key(key) || !value || pairs.size() == kMetadataPairsMax) return std::nullopt;
    if (!pairs.emplace(key, std::move(*value)).second) return std::nullopt;
    if (comma == std::string_view::npos) return pairs;
    text.remove_prefix(comma + 1);
  }
}

std::optional<Checksum> parse_checksum(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto digest = decode(text.substr(space + 1));
  if (!digest || digest->empty() || !is_key(text.substr(0, space))) return std::nullopt;
  return Checksum{std::string(text.substr(0, space)), std::move(*digest)};
}

std::optional<Concat> parse_concat(std::string_view text) {
  constexpr std::string_view kFinal = "final;";
  if (text == kPartial) return Concat{};
  if (!text.starts_with(kFinal)) return std::nullopt;
  text.remove_prefix(kFinal.size());
  Concat concat;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::string part(text.substr(0, end));
    if (part.empty() || std::ranges::count(concat.parts, part) > 0) return std::nullopt;
    concat.parts.push_back(std::move(part));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (concat.parts.empty()) return std::nullopt;
  return concat;
}

}  // namespace fluxgate::http::tus
