#include "api/openapi.h"

#include <charconv>
#include <span>
#include <stdexcept>

#include <yaml-cpp/yaml.h>

#include "base/embedded.h"

namespace fluxgate {
std::span<const EmbeddedFile> embedded_openapi();
}

namespace fluxgate::api {
namespace {

namespace json = boost::json;

// The JSON value of a plain scalar (YAML 1.2 §10.3.2, core schema without octal, hex, .inf and .nan).
json::value plain_scalar(const std::string& text) {
  if (text.empty() || text == "null" || text == "~") return nullptr;
  if (text == "true" || text == "false") return text == "true";
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [at, error] = std::from_chars(text.data(), end, whole); error == std::errc{} && at == end)
    return whole;
  double number = 0;
  if (const auto [at, error] = std::from_chars(text.data(), end, number); error == std::errc{} && at == end)
    return number;
  return json::string(text);
}

json::value to_json(const YAML::Node& node);

// "<<" merges another mapping; members written beside it win (yaml.org/type/merge).
json::object mapping(const YAML::Node& node) {
  json::object object;
  for (const auto& member : node)
    if (member.first.Scalar() == "<<")
      for (auto& [name, value] : to_json(member.second).as_object()) object[name] = value;
  for (const auto& member : node)
    if (member.first.Scalar() != "<<") object[member.first.Scalar()] = to_json(member.second);
  return object;
}

json::value to_json(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: return mapping(node);
    case YAML::NodeType::Sequence: {
      json::array list;
      for (const auto& item : node) list.push_back(to_json(item));
      return list;
    }
    case YAML::NodeType::Scalar:
      // Quoted scalars carry the tag "!" and are text whatever they look like.
      if (node.Tag() == "!") return json::string(node.Scalar());
      return plain_scalar(node.Scalar());
    default: return nullptr;
  }
}

json::object reference(std::string_view schema) {
  return {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

// A schema's name may have letters, digits, "." "-" "_" (OpenAPI 3.1 §4.8.7).
std::string schema_name(std::string_view model, std::string_view endpoint) {
  std::string name = fmt::format("{}.{}", model, endpoint);
  for (char& c : name)
    if (c == '/') c = '.';
  return name;
}

// The model's own parameters, and what every submit takes besides.
json::object submit_schema(const catalogue::Model& model, std::string_view endpoint,
                           const json::object& common) {
  json::object schema = model.schema_for(endpoint);
  json::object properties = common.at("properties").as_object();
  properties["model"] = {{"const", model.id()}};
  for (const auto& [name, value] : schema.at("properties").as_object()) properties[name] = value;
  schema["properties"] = std::move(properties);
  schema["title"] = fmt::format("{} ({})", model.title().en, model.id());
  schema["description"] = model.description().en;
  json::array required{"model"};
  if (const auto* own = schema.if_contains("required"))
    for (const auto& name : own->as_array()) required.push_back(name);
  schema["required"] = std::move(required);
  return schema;
}

struct Submit {
  std::string_view endpoint, schema;
};
constexpr Submit kSubmits[] = {{"text_to_image", "TextToImage"},
                               {"image_to_image", "ImageToImage"},
                               {"multi_image_edit", "MultiImageEdit"}};

bool serves(const catalogue::Model& model, std::string_view endpoint) {
  const json::object descriptor = model.descriptor();
  for (const auto& name : descriptor.at("endpoints").as_array())
    if (name == json::value(json::string(endpoint))) return true;
  return false;
}

}  // namespace

json::object parse_yaml(std::string_view text) {
  try {
    const json::value value = to_json(YAML::Load(std::string(text)));
    if (value.is_object()) return value.as_object();
  } catch (const YAML::Exception& error) {
    throw std::runtime_error(fmt::format("api/openapi.yaml: {}", error.what()));
  }
  throw std::runtime_error("api/openapi.yaml: not a mapping");
}

json::object openapi_document() {
  const auto files = embedded_openapi();
  FLUX_ASSERT(files.size() == 1);
  return parse_yaml(files.front().text);
}

json::object served_document(json::object document, const catalogue::Catalogue& catalogue,
                             std::string_view version) {
  document["info"].as_object()["version"] = json::string(version);
  json::object& schemas = document["components"].as_object()["schemas"].as_object();
  const json::object common = schemas.at("SubmitCommon").as_object();
  for (const Submit& submit : kSubmits) {
    json::array choices;
    for (const catalogue::Model* model : catalogue.models("flux")) {
      if (!serves(*model, submit.endpoint)) continue;
      const std::string name = schema_name(model->id(), submit.endpoint);
      schemas[name] = submit_schema(*model, submit.endpoint, common);
      choices.push_back(reference(name));
    }
    if (!choices.empty()) schemas[submit.schema] = {{"anyOf", std::move(choices)}};
  }
  return document;
}

}  // namespace fluxgate::api
