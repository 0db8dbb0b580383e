#include "catalogue/merge.h"

#include <fmt/format.h>

#include "catalogue/nearest.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr int kUsesMax = 8;    // of a part by a part
constexpr int kDepthMax = 32;  // as deep as a descriptor's JSON may be

class Resolver {
 public:
  Resolver(const json::object& parts, Problems& problems) : parts_(parts), problems_(problems) {
    for (const auto& [name, part] : parts) names_.emplace_back(name);
  }

  void resolve(json::value& value, const std::string& pointer, int depth) {
    if (depth > kDepthMax) return;
    if (auto* list = value.if_array())
      for (std::size_t i = 0; i < list->size(); ++i)
        resolve((*list)[i], fmt::format("{}/{}", pointer, i), depth + 1);
    if (!value.is_object()) return;
    for (int uses = 0; value.as_object().contains("$use"); ++uses) {
      if (uses == kUsesMax) {
        problems_.emplace_back(pointer, "$use goes round in a circle");
        return;
      }
      if (!use(value, pointer)) return;
    }
    for (auto& [name, child] : value.as_object())
      resolve(child, fmt::format("{}/{}", pointer, std::string_view(name)), depth + 1);
  }

 private:
  bool use(json::value& value, const std::string& pointer) {
    json::object own = value.as_object();
    const json::value named = own.at("$use");
    own.stable_erase("$use");
    const auto* part = named.is_string() ? parts_.if_contains(named.as_string()) : nullptr;
    if (!part || !part->is_object()) {
      const std::string near = named.is_string() ? nearest(named.as_string(), names_) : "";
      problems_.emplace_back(pointer,
                             fmt::format("$use names {}, which shared.json lacks{}", json::serialize(named),
                                         near.empty() ? "" : "; did you mean " + near + "?"));
      return false;
    }
    value = *part;
    merge_patch(value, own);
    return true;
  }

  const json::object& parts_;
  Problems& problems_;
  std::vector<std::string> names_;
};

enum class Nulls { remove, keep };

void merge(json::value& target, const json::value& patch, Nulls nulls) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = json::object();
  json::object& object = target.as_object();
  for (const auto& [name, value] : patch.as_object()) {
    if (value.is_null() && nulls == Nulls::remove)
      object.stable_erase(name);
    else
      merge(object[name], value, nulls);
  }
}

enum class Depth { here, all };

void remove_null_members(json::object& object, Depth depth) {
  for (auto member = object.begin(); member != object.end();) {
    json::value& value = member->value();
    const bool meant = member->key() == "default" || member->key() == "const";
    if (value.is_null() && !meant) {
      member = object.stable_erase(member);
      continue;
    }
    if (depth == Depth::all)
      if (auto* child = value.if_object()) remove_null_members(*child, depth);
    ++member;
  }
}

}  // namespace

void merge_patch(json::value& target, const json::value& patch) { merge(target, patch, Nulls::remove); }

void join_patches(json::value& first, const json::value& second) { merge(first, second, Nulls::keep); }

void remove_nulls(json::object& descriptor) {
  for (auto& [name, value] : descriptor) {
    auto* endpoints = name == "endpoints" ? value.if_object() : nullptr;
    if (endpoints)
      remove_null_members(*endpoints, Depth::here);
    else if (auto* object = value.if_object())
      remove_null_members(*object, Depth::all);
  }
  remove_null_members(descriptor, Depth::here);
}

void resolve_parts(json::value& value, const json::object& parts, const std::string& pointer,
                   Problems& problems) {
  Resolver(parts, problems).resolve(value, pointer, 0);
}

}  // namespace fluxgate::catalogue
