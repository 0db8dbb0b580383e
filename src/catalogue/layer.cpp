#include "catalogue/layer.h"

#include <fmt/format.h>

#include "catalogue/merge.h"
#include "catalogue/nearest.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr int kExtendsMax = 8;

void add_problem(std::vector<Problem>& problems, const std::string& file, std::string where,
                 std::string what) {
  problems.push_back({file, where.empty() ? "/" : std::move(where), std::move(what)});
}

bool is_shared(std::string_view file) { return file.substr(file.find_last_of('/') + 1) == "shared.json"; }

}  // namespace

Layer::Layer(const Layer* below) : below_(below) {
  if (below) shared_ = below->shared_;
}

void Layer::add(const std::string& file, std::string_view text, std::vector<Problem>& problems) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 32;
  const json::value value = json::parse(text, error, {}, options);
  if (error) return add_problem(problems, file, "", "is no JSON: " + error.message());
  const auto* object = value.if_object();
  if (!object) return add_problem(problems, file, "", "must be a JSON object");
  if (is_shared(file)) return add_shared(file, *object, problems);
  const auto* id = object->if_contains("id");
  if (!id || !id->is_string() || id->as_string().empty())
    return add_problem(problems, file, "/id", "must be text of at most 100 bytes");
  const auto [at, added] = sources_.emplace(std::string(id->as_string()), Source{file, *object});
  if (!added) add_problem(problems, file, "/id", "is described in " + at->second.file + " too");
}

void Layer::add_shared(const std::string& file, const json::object& text, std::vector<Problem>& problems) {
  const auto* provider = text.if_contains("provider");
  if (!provider || !provider->is_string()) return add_problem(problems, file, "/provider", "must be text");
  Shared& shared = shared_[std::string(provider->as_string())];
  for (const auto& [name, value] : text) {
    if (name == "provider") continue;
    const std::string at = "/" + std::string(name);
    if (name != "parts" && name != "original") {
      add_problem(problems, file, at, "shared.json has provider, parts and original");
      continue;
    }
    if (!value.is_object()) {
      add_problem(problems, file, at, "must be an object");
      continue;
    }
    for (const auto& [member, entry] : value.as_object()) {
      if (!entry.is_object())
        add_problem(problems, file, fmt::format("{}/{}", at, std::string_view(member)), "must be an object");
      else
        (name == "parts" ? shared.parts : shared.original)[member] = entry;
    }
  }
}

json::object Layer::extended(const Source& source, std::string_view id, int depth,
                             std::vector<Problem>& problems) const {
  const auto* base = source.text.if_contains("extends");
  if (!base) return source.text;
  const std::string_view name = base->is_string() ? std::string_view(base->as_string()) : std::string_view();
  json::value whole;
  const auto own = name == id ? sources_.end() : sources_.find(name);
  if (depth == kExtendsMax) {
    add_problem(problems, source.file, "/extends", "goes round in a circle");
    return source.text;
  }
  if (own != sources_.end()) {
    whole = extended(own->second, name, depth + 1, problems);
  } else if (const auto* below = below_; below && below->sources_.contains(name)) {
    whole = below->extended(below->sources_.find(name)->second, name, depth + 1, problems);
  } else {
    std::vector<std::string> known;
    for (const Layer* layer = this; layer; layer = layer->below_)
      for (const auto& [other, text] : layer->sources_) known.push_back(other);
    const std::string near = nearest(name, known);
    add_problem(problems, source.file, "/extends",
                fmt::format("names {}, which does not exist{}", json::serialize(*base),
                            near.empty() ? "" : "; did you mean " + near + "?"));
    return source.text;
  }
  json::object own_members = source.text;
  own_members.stable_erase("extends");
  join_patches(whole, own_members);
  return std::move(whole.as_object());
}

json::object Layer::resolved(std::string_view id, std::vector<Problem>& problems) const {
  const Source& source = sources_.find(id)->second;
  json::value whole = extended(source, id, 0, problems);
  const auto* provider = whole.as_object().if_contains("provider");
  static const json::object none;
  const auto shared =
      shared_.find(provider && provider->is_string() ? std::string_view(provider->as_string()) : "");
  Problems found;
  resolve_parts(whole, shared == shared_.end() ? none : shared->second.parts, "", found);
  for (auto& [where, what] : found) add_problem(problems, source.file, where, what);
  remove_nulls(whole.as_object());
  return std::move(whole.as_object());
}

const json::object& Layer::original(std::string_view provider) const {
  static const json::object none;
  const auto shared = shared_.find(provider);
  return shared == shared_.end() ? none : shared->second.original;
}

}  // namespace fluxgate::catalogue
