#include "db/postgresql_values.h"

#include <fmt/format.h>

#include "db/storable_text.h"

namespace fluxgate::db {
namespace {

constexpr Oid kInferred = 0, kBigint = 20, kDouble = 701;  // pg_type.oid, the same in every server

}  // namespace

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
