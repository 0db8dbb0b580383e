#include "catalogue/form.h"

#include <fmt/format.h>

#include "catalogue/merge.h"
#include "catalogue/nearest.h"
#include "catalogue/refusals.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr Path kBody{nullptr, "body"};
constexpr std::size_t kFieldsMax = 64;

// Equal in meaning: 1, 1.0 and "1". The original took numbers in text, and safety_tolerance as text although
// its published client sends a number.
bool same(const json::value& a, const json::value& b) {
  const auto number = [](const json::value& value) {
    return value.is_string() ? decimal_of(std::string_view(value.get_string())) : decimal_of(value);
  };
  if (a.kind() == b.kind() && !a.is_number()) return a == b;
  const auto first = number(a), second = number(b);
  return first && second && equal(*first, *second);
}

json::value converted(json::value value, Send::As as) {
  switch (as) {
    case Send::As::value: return value;
    case Send::As::text:
      if (value.is_string()) return value;
      return json::string(value.is_double() ? fmt::format("{}", value.get_double()) : json::serialize(value));
    case Send::As::integer:
    case Send::As::number: {
      if (!value.is_string()) return value;
      boost::system::error_code error;
      json::value number = json::parse(value.get_string(), error);
      return !error && number.is_number() ? number : value;
    }
    case Send::As::list: return value.is_array() ? value : json::value(json::array{value});
  }
  return value;
}

}  // namespace

Form Form::compile(const json::value& source, const json::value& model_schema,
                   const OriginalMembers& original, const std::string& pointer, Problems& problems) {
  Form form;
  form.original_ = original;
  json::value schema = model_schema;
  const auto* object = source.if_object();
  const auto* path = object ? object->if_contains("path") : nullptr;
  if (path && path->is_string() && !path->as_string().empty())
    form.path_ = path->as_string();
  else
    problems.emplace_back(pointer + "/path", "must be the upstream's path");
  if (object)
    for (const auto& [name, value] : *object) {
      if (name == "path") continue;
      if (name == "schema")
        merge_patch(schema, value);
      else if (name == "constants" && value.is_object())
        form.constants_ = value.as_object();
      else
        problems.emplace_back(fmt::format("{}/{}", pointer, std::string_view(name)),
                              "an endpoint has path, schema and constants");
    }
  form.schema_ = Schema::compile(schema, pointer + "/schema", problems);
  form.read_fields(pointer + "/schema", problems);
  return form;
}

void Form::read_fields(const std::string& pointer, Problems& problems) {
  if (schema_->types() != Schema::object || schema_->takes_others())
    problems.emplace_back(pointer, "must have \"type\": \"object\" and \"additionalProperties\": false");
  if (schema_->properties().size() > kFieldsMax)
    problems.emplace_back(pointer + "/properties", fmt::format("has more than {} members", kFieldsMax));
  for (const auto& property : schema_->properties()) {
    const std::string& role = property.schema->words().role;
    fields_.push_back({property.name, property.schema.get(), schema_->requires_member(property.name),
                       role == "image_input", role == "count"});
    names_.push_back(property.name);
    for (const std::string& other : property.schema->words().visible_if.members())
      if (!schema_->find(other))
        problems.emplace_back(fmt::format("{}/properties/{}/x-visible-if/{}", pointer, property.name, other),
                              "names a member that the schema lacks");
  }
  for (const std::string& name : schema_->required())
    if (!schema_->find(name))
      problems.emplace_back(pointer + "/required", fmt::format("names {}, which the schema lacks", name));
}

bool Form::is_originals_default(std::string_view name, const json::value& value) const {
  const auto* standard = original_.if_contains(name);
  return standard && !standard->is_null() && same(value, *standard);
}

// Gives every member its place; what has none is dropped or refused.
void Form::sort(const json::object& input, Given& given, Normalised& normalised, Findings& unknown) const {
  for (const auto& [name, value] : input) {
    if (value.is_null()) continue;
    const auto field = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& each) { return each.name == std::string_view(name); });
    if (field != fields_.end())
      given[static_cast<std::size_t>(field - fields_.begin())] = value;
    else if (is_originals_default(name, value))
      normalised.dropped.emplace_back(name);
    else
      unknown.add([&] { return refuse::unknown_member(kBody.member(name), value, nearest(name, names_)); });
  }
}

void Form::check(std::size_t at, Given& given, Normalised& normalised, Findings& findings) const {
  const Field& field = fields_[at];
  json::value& value = given[at];
  field.schema->coerce(value);
  Findings own;
  field.schema->validate(value, kBody.member(field.name), own);
  if (!own.any()) return;
  if (!is_originals_default(field.name, value)) return findings.take(std::move(own));
  normalised.dropped.push_back(field.name);
  value = nullptr;
}

// The values in force in the order of the schema, and what they mean for the engine.
void Form::fill(Given given, Normalised& normalised) const {
  const auto value_of = [&](std::string_view name) -> const json::value* {
    for (std::size_t i = 0; i < fields_.size(); ++i)
      if (fields_[i].name == name) return given[i].is_null() ? fields_[i].schema->default_value() : &given[i];
    return nullptr;
  };
  std::vector<bool> hidden(fields_.size());
  for (std::size_t i = 0; i < fields_.size(); ++i)
    hidden[i] = !fields_[i].schema->words().visible_if.hold(value_of);
  normalised.params.reserve(fields_.size());
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    const auto* standard = field.schema->default_value();
    if (given[i].is_null() && standard && !hidden[i]) given[i] = *standard;
    if (given[i].is_null()) continue;
    if (field.input && given[i].is_string()) normalised.inputs.emplace_back(given[i].get_string());
    if (field.input && given[i].is_array())
      for (const json::value& item : given[i].get_array())
        if (item.is_string()) normalised.inputs.emplace_back(item.get_string());
    if (field.count && given[i].is_int64()) normalised.images = static_cast<int>(given[i].get_int64());
    normalised.params.emplace(field.name, std::move(given[i]));
  }
}

Result<Normalised> Form::validate(const json::object& input) const {
  Normalised normalised;
  Findings findings, unknown;
  Given given(fields_.size());
  sort(input, given, normalised, unknown);
  for (std::size_t i = 0; i < fields_.size(); ++i)
    if (!given[i].is_null()) check(i, given, normalised, findings);
  for (std::size_t i = 0; i < fields_.size(); ++i)
    if (given[i].is_null() && fields_[i].required)
      findings.add([&] { return refuse::missing(kBody.member(fields_[i].name), input); });
  if (schema_->has_rules_between_members()) {
    json::object together;
    for (std::size_t i = 0; i < fields_.size(); ++i)
      if (!given[i].is_null()) together[fields_[i].name] = given[i];
    schema_->validate_between_members(json::value(std::move(together)), kBody, findings);
  }
  findings.take(std::move(unknown));
  if (findings.any()) return fail(Error::invalid(std::move(findings).list()));
  fill(std::move(given), normalised);
  return normalised;
}

json::object Form::body(const json::object& params, const std::vector<std::string>& inputs) const {
  json::object body;
  body.reserve(fields_.size() + constants_.size());
  std::size_t next = 0;
  const auto resolved = [&](json::value& value) {
    if (value.is_string() && next < inputs.size()) value = json::string(inputs[next++]);
  };
  for (const Field& field : fields_) {
    const auto* value = params.if_contains(field.name);
    if (!value || value->is_null()) continue;
    json::value sent = *value;
    if (field.input) {
      resolved(sent);
      if (auto* list = sent.if_array())
        for (json::value& item : *list) resolved(item);
    }
    const Send& send = field.schema->words().send;
    if (!send.sent) continue;
    body.insert_or_assign(send.name.empty() ? field.name : send.name, converted(std::move(sent), send.as));
  }
  for (const auto& [name, value] : constants_) body.insert_or_assign(name, value);
  return body;
}

}  // namespace fluxgate::catalogue
