#include "catalogue/model.h"

#include <fmt/format.h>

#include "catalogue/refusals.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

Text text_of(const json::object& source, std::string_view member) {
  Text text;
  auto* value = source.if_contains(member);
  if (!value || !value->is_object()) return text;
  for (const auto& [language, words] : value->as_object())
    if (words.is_string()) (language == "en" ? text.en : text.zh) = std::string(words.as_string());
  return text;
}

std::string string_of(const json::object& source, std::string_view member, Schema::Problems& problems) {
  auto* value = source.if_contains(member);
  if (value && value->is_string() && !value->as_string().empty()) return std::string(value->as_string());
  problems.emplace_back("/" + std::string(member), "must be text");
  return "";
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_input(const Schema& schema) { return schema.extra("x-role") == "image_input"; }

// Equal as values: 1 and 1.0, "2" and "2".
bool same(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  // The original took safety_tolerance as text only; its published client sends a number.
  if (a.is_int64() && b.is_string()) return std::to_string(a.as_int64()) == b.as_string();
  return a == b;
}

}  // namespace

std::shared_ptr<DescribedModel> DescribedModel::compile(const json::object& source, const OriginalMembers& original,
                                                        Schema::Problems& problems) {
  auto model = std::make_shared<DescribedModel>();
  model->source_ = source;
  model->original_ = original;
  model->id_ = string_of(source, "id", problems);
  model->provider_ = string_of(source, "provider", problems);
  model->kind_ = string_of(source, "kind", problems);
  model->status_ = string_of(source, "status", problems);
  model->title_ = text_of(source, "title");
  model->description_ = text_of(source, "description");
  if (model->title_.en.empty() || model->title_.zh.empty()) problems.emplace_back("/title", "must have en and zh-CN");
  auto* rev = source.if_contains("rev");
  if (rev && rev->is_int64() && rev->as_int64() > 0) model->rev_ = static_cast<int>(rev->as_int64());
  else problems.emplace_back("/rev", "must be a whole number ≥ 1");
  static const json::value absent;
  auto member = [&](std::string_view name) -> const json::value& {
    auto* value = source.if_contains(name);
    return value ? *value : absent;
  };
  model->schema_ = Schema::compile(member("schema"), "/schema", problems);
  model->price_ = Price::compile(member("price"), "/price", problems);
  model->compile_endpoints(source, original, problems);
  for (const auto& [name, value] : source) {
    static const std::vector<std::string> known = {"id", "provider", "kind", "rev", "status", "title", "description", "schema", "price", "endpoints"};
    if (!contains(known, name)) problems.emplace_back("/" + std::string(name), "no such member of a descriptor");
  }
  return model;
}

void DescribedModel::compile_endpoints(const json::object& source, const OriginalMembers& original, Schema::Problems& problems) {
  auto* list = source.if_contains("endpoints");
  if (!list || !list->is_object() || list->as_object().empty()) {
    problems.emplace_back("/endpoints", "must name at least one endpoint with its upstream path");
    return;
  }
  for (const auto& [name, value] : list->as_object()) {
    Endpoint endpoint;
    auto* object = value.if_object();
    auto* path = object ? object->if_contains("path") : nullptr;
    if (!path || !path->is_string()) {
      problems.emplace_back("/endpoints/" + std::string(name), "must have a path");
      continue;
    }
    endpoint.path = path->as_string();
    if (auto* omit = object->if_contains("omit"); omit && omit->is_array())
      for (const auto& word : omit->as_array()) {
        if (word.is_string() && schema_->find(word.as_string())) endpoint.omit.emplace_back(word.as_string());
        else problems.emplace_back("/endpoints/" + std::string(name) + "/omit", "names a member that the schema lacks");
      }
    auto known = original_.find(std::string_view(name));
    if (known != original_.end()) endpoint.original = &known->second;
    else problems.emplace_back("/endpoints/" + std::string(name), "no such endpoint");
    endpoints_.emplace(std::string(name), std::move(endpoint));
  }
  static_cast<void>(original);
}

json::object DescribedModel::descriptor() const {
  json::object served = source_;
  json::array names;
  for (const auto& [name, endpoint] : endpoints_) names.emplace_back(name);
  served["endpoints"] = std::move(names);
  served["price"].as_object()["base"] = price_.base().to_string();
  return served;
}

json::object DescribedModel::schema_for(std::string_view endpoint) const {
  json::object shown = schema();
  auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) return shown;
  for (const std::string& name : found->second.omit) {
    shown["properties"].as_object().erase(name);
    if (auto* required = shown.if_contains("required")) {
      json::array kept;
      for (const json::value& member : required->as_array())
        if (member != json::value(name)) kept.push_back(member);
      *required = std::move(kept);
    }
  }
  return shown;
}

void DescribedModel::drop_originals(const Endpoint& endpoint, json::object& members, std::vector<std::string>& dropped) const {
  if (!endpoint.original) return;
  for (const auto& [name, standard] : *endpoint.original) {
    auto* given = members.if_contains(name);
    if (!given || !same(*given, standard)) continue;
    const Schema::Property* property = contains(endpoint.omit, name) ? nullptr : schema_->find(name);
    // Its clients always send their default, whether the model has the member or not.
    if (property && property->schema->accepts(*given)) continue;
    members.erase(name);
    dropped.emplace_back(name);
  }
}

Result<Normalised> DescribedModel::validate(std::string_view endpoint_name, const json::object& input) const {
  auto found = endpoints_.find(endpoint_name);
  if (found == endpoints_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, endpoint] : endpoints_) names.push_back(name);
    return fail(Error::invalid(refuse::wrong_endpoint(json::value(id_), names)));
  }
  const Endpoint& endpoint = found->second;
  Normalised normalised;
  json::object members;
  for (const auto& [name, value] : input)
    if (!value.is_null()) members[name] = value;
  drop_originals(endpoint, members, normalised.dropped);

  std::vector<FieldError> errors;
  const Location body{std::string("body")};
  std::vector<std::string> known;
  for (const auto& property : schema_->properties())
    if (!contains(endpoint.omit, property.name)) known.push_back(property.name);
  for (auto it = members.begin(); it != members.end();) {
    if (contains(known, it->key())) {
      ++it;
      continue;
    }
    errors.push_back(refuse::unknown_member({std::string("body"), std::string(it->key())}, it->value(), nearest(it->key(), known)));
    it = members.erase(it);
  }
  // An omitted member is not missed, though the schema requires it elsewhere.
  json::value candidate = members;
  std::vector<FieldError> found_wrong;
  schema_->validate(candidate, body, found_wrong);
  for (FieldError& error : found_wrong) {
    auto* name = error.loc.size() == 2 ? std::get_if<std::string>(&error.loc[1]) : nullptr;
    if (!(error.type == "missing" && name && contains(endpoint.omit, *name))) errors.push_back(std::move(error));
  }
  if (!errors.empty()) return fail(Error::invalid(std::move(errors)));

  json::object& checked = candidate.as_object();
  for (const auto& property : schema_->properties()) {
    if (contains(endpoint.omit, property.name)) continue;
    auto* value = checked.if_contains(property.name);
    if (!value && (!property.schema->default_value() || property.schema->default_value()->is_null())) continue;
    const json::value& effective = value ? *value : *property.schema->default_value();
    if (is_input(*property.schema)) {
      if (effective.is_string()) normalised.inputs.emplace_back(effective.as_string());
      else if (effective.is_array())
        for (const auto& item : effective.as_array()) normalised.inputs.emplace_back(item.as_string());
    }
    normalised.params[property.name] = effective;
  }
  if (auto* count = normalised.params.if_contains("num_images"); count && count->is_int64())
    normalised.images = static_cast<int>(count->as_int64());
  return normalised;
}

bool DescribedModel::has_input(const json::object& params) const {
  for (const auto& property : schema_->properties())
    if (is_input(*property.schema) && params.contains(property.name)) return true;
  return false;
}

Quote DescribedModel::quote(const json::object& params) const { return price_.quote(params, has_input(params), rev_, std::nullopt); }

Quote DescribedModel::quote_for(const json::object& params, int images) const {
  return price_.quote(params, has_input(params), rev_, images);
}

std::string DescribedModel::upstream_path(std::string_view endpoint) const {
  auto found = endpoints_.find(endpoint);
  return found == endpoints_.end() ? "" : found->second.path;
}

json::object DescribedModel::upstream_body(std::string_view, const json::object& params, const std::vector<std::string>& inputs) const {
  json::object body;
  std::size_t next = 0;
  auto take = [&] { return next < inputs.size() ? inputs[next++] : std::string(); };
  for (const auto& property : schema_->properties()) {
    auto* value = params.if_contains(property.name);
    if (!value) continue;
    json::value sent = *value;
    if (is_input(*property.schema)) {
      if (sent.is_array())
        for (auto& item : sent.as_array()) item = json::string(take());
      else sent = json::string(take());
    }
    if (property.schema->extra("x-send") == "never") continue;
    body[property.name] = std::move(sent);
  }
  return body;
}

}  // namespace fluxgate::catalogue
