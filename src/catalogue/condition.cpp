#include "catalogue/condition.h"

#include <algorithm>

namespace fluxgate::catalogue {

namespace json = boost::json;

Conditions Conditions::read(const json::value& source, const std::string& pointer,
                            std::vector<std::pair<std::string, std::string>>& problems) {
  Conditions conditions;
  if (!source.is_object()) {
    problems.emplace_back(pointer, "must be an object: member → condition");
    return conditions;
  }
  for (const auto& [member, rule] : source.as_object()) {
    One one{std::string(member), Kind::in, {}};
    const auto* object = rule.if_object();
    if (!object) {
      one.values.push_back(rule);
    } else if (object->size() == 1 && object->contains("in") && object->at("in").is_array()) {
      const json::array& values = object->at("in").as_array();
      one.values.assign(values.begin(), values.end());
    } else if (object->size() == 1 && object->contains("not")) {
      one.kind = Kind::not_equal;
      one.values.push_back(object->at("not"));
    } else if (object->size() == 1 && object->contains("present") && object->at("present").is_bool()) {
      one.kind = object->at("present").as_bool() ? Kind::present : Kind::absent;
    } else {
      problems.emplace_back(pointer + "/" + std::string(member), "is a value, {in}, {not} or {present}");
    }
    conditions.list_.push_back(std::move(one));
  }
  return conditions;
}

bool Conditions::One::holds(const json::value* value) const {
  const bool found = value && std::find(values.begin(), values.end(), *value) != values.end();
  switch (kind) {
    case Kind::in: return found;
    case Kind::not_equal: return !found;
    case Kind::present: return value != nullptr;
    case Kind::absent: return value == nullptr;
  }
  return true;
}

std::vector<std::string> Conditions::members() const {
  std::vector<std::string> names;
  names.reserve(list_.size());
  for (const One& one : list_) names.push_back(one.member);
  return names;
}

}  // namespace fluxgate::catalogue
