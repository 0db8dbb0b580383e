// x-visible-if and x-enabled-if: {"size_mode": "custom", "image_url": {"present": true}}, all of them. A
// condition is a value (equals), {"in": [values]}, {"not": value} or {"present": true | false}; an absent
// member equals nothing (spec/studio.md §3).
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

namespace fluxgate::catalogue {

class Conditions {
 public:
  static Conditions read(const boost::json::value& source, const std::string& pointer,
                         std::vector<std::pair<std::string, std::string>>& problems);

  bool empty() const { return list_.empty(); }
  // `value_of(name)`: the member's effective value, nullptr when absent.
  template <class ValueOf>
  bool hold(ValueOf&& value_of) const {
    for (const One& one : list_)
      if (!one.holds(value_of(one.member))) return false;
    return true;
  }
  std::vector<std::string> members() const;

 private:
  enum class Kind { in, not_equal, present, absent };
  struct One {
    std::string member;
    Kind kind = Kind::in;
    std::vector<boost::json::value> values;
    bool holds(const boost::json::value* value) const;
  };
  std::vector<One> list_;
};

}  // namespace fluxgate::catalogue
