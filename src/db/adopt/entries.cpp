#include "db/adopt/entries.h"

#include <boost/json.hpp>

#include "db/adopt/values.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;

std::optional<std::int64_t> amount_in(const json::object& usage, std::string_view member) {
  const auto* value = usage.if_contains(member);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return thousandths_of(std::string_view(value->as_string()));
  if (value->is_number()) return thousandths_of(json::serialize(*value));
  return std::nullopt;
}

bool is_refund(std::string_view text) {
  for (std::string_view word : {"refund", "Refund", "退款", "退还", "返还"})
    if (text.contains(word)) return true;
  return false;
}

std::string text_in(const json::object& object, std::string_view member) {
  const auto* value = object.if_contains(member);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

}  // namespace

LogDetail read_detail(const json::value& detail) {
  LogDetail read;
  const auto* object = detail.if_object();
  if (object == nullptr) return read;
  read.desc = text_in(*object, "desc");
  const auto* found = object->if_contains("usage");
  const auto* usage = found ? found->if_object() : nullptr;
  const auto* asked = object->if_contains("api_params");
  if (const auto* params = asked ? asked->if_object() : nullptr) read.task_id = text_in(*params, "task_id");
  read.refund = is_refund(read.desc);
  if (usage == nullptr) return read;
  if (read.task_id.empty()) read.task_id = text_in(*usage, "task_id");
  read.service = text_in(*usage, "service");
  read.refund = read.refund || is_refund(text_in(*usage, "reason"));
  if (const auto price = amount_in(*usage, "total_price")) {
    read.amount = -*price;
    return read;
  }
  // Positive for what was taken and for what was given back.
  auto moved = amount_in(*usage, "credits");
  if (!moved) moved = amount_in(*usage, "amount");
  if (!moved) return read;
  const bool given = read.desc.contains(" added ");  // by an admin of a provider
  read.amount = read.refund || given ? *moved : -*moved;
  return read;
}

std::string_view entry_kind(std::string_view desc, std::int64_t amount) {
  if (desc.starts_with("redemption code")) return "redeem";
  if (desc.starts_with("payment")) return "grant";
  if (desc == "updated by CreditDeduct") return "capture";
  if (desc.starts_with("updated by") || desc.contains("Admin ")) return "grant";
  return amount < 0 ? "capture" : "adjust";
}

}  // namespace fluxgate::db::adopt
