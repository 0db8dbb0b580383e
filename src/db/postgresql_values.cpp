#include "db/postgresql_values.h"

#include <fmt/format.h>

namespace fluxgate::db {
namespace {

constexpr Oid kInferred = 0, kBigint = 20, kDouble = 701;  // pg_type.oid, the same in every server
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the character that begins `text`, 0 when it is none (RFC 3629 §4) or NUL.
std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xBF) { return byte(i) >= from && byte(i) <= to; };
  const unsigned first = byte(0);
  if (first == 0) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned from = first == 0xE0 ? 0xA0 : 0x80, to = first == 0xED ? 0x9F : 0xBF;  // no surrogates
    return follows(1, from, to) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned from = first == 0xF0 ? 0x90 : 0x80, to = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, from, to) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string storable_text(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  std::size_t kept = 0, at = 0;  // what stands before `kept` is in `clean`
  while (at < text.size()) {
    const std::size_t size = character_size(text.substr(at));
    if (size != 0) {
      at += size;
      continue;
    }
    clean.append(text, kept, at - kept);
    clean += kReplacement;
    kept = ++at;
  }
  return clean.append(text, kept);
}

PgValues::PgValues(std::span<const Param> params)
    : texts_(params.size()), pointers_(params.size(), nullptr), types_(params.size(), kInferred), signature_(params.size(), 't') {
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Param::Value& value = params[i].value();
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      texts_[i] = std::to_string(*number);
      types_[i] = kBigint;
      signature_[i] = 'i';
    } else if (const auto* real = std::get_if<double>(&value)) {
      texts_[i] = fmt::format("{}", *real);
      types_[i] = kDouble;
      signature_[i] = 'd';
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      texts_[i] = storable_text(*text);
    } else {
      continue;
    }
    pointers_[i] = texts_[i].c_str();
  }
}

}  // namespace fluxgate::db
