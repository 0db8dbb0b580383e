#include "catalogue/markdown.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

std::string plain(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : json_text(value);
}

std::string type_of(const json::object& schema) {
  auto* type = schema.if_contains("type");
  if (!type) return "any";
  if (type->is_string()) return std::string(type->as_string());
  std::string list;
  for (const auto& each : type->as_array()) list += (list.empty() ? "" : " or ") + plain(each);
  return list;
}

// "1–50", "≥ 0", "`a`, `b`", "up to 5000 characters"
std::string range_of(const json::object& schema) {
  auto at = [&](std::string_view word) { return schema.if_contains(word); };
  std::string text;
  auto add = [&](std::string more) { text += (text.empty() ? "" : "; ") + std::move(more); };
  if (auto* values = at("enum")) {
    std::string list;
    for (const auto& each : values->as_array()) list += (list.empty() ? "`" : ", `") + plain(each) + "`";
    add(list);
  }
  if (at("minimum") && at("maximum")) add(fmt::format("{}–{}", plain(*at("minimum")), plain(*at("maximum"))));
  if (at("multipleOf")) add("steps of " + plain(*at("multipleOf")));
  if (at("maxLength")) add(fmt::format("up to {} characters", plain(*at("maxLength"))));
  if (at("minItems") && at("maxItems")) add(fmt::format("{}–{} entries", plain(*at("minItems")), plain(*at("maxItems"))));
  if (auto* presets = at("then"); presets && presets->is_object()) add(range_of(presets->as_object()));
  if (auto* custom = at("else"); custom && custom->is_object())
    if (auto* members = custom->as_object().if_contains("properties"))
      add("or width × height, each " + range_of(members->as_object().at("width").as_object()));
  if (auto* send = at("x-send"); send && *send == "never") add("accepted, not used");
  return text;
}

std::string price_of(const json::object& descriptor) {
  const json::object& rule = descriptor.at("price").as_object();
  std::string text = plain(rule.at("base")) + " credits";
  auto* factors = rule.if_contains("factors");
  if (!factors) return text;
  for (const auto& value : factors->as_array()) {
    const json::object& factor = value.as_object();
    if (factor.contains("megapixels")) text += " × started megapixels";
    else if (factor.contains("has_input")) text += " × " + plain(factor.at("has_input")) + " with a picture";
    else text += " × " + plain(factor.at("param"));
  }
  return text;
}

void add_model(std::string& page, const Model& model) {
  json::object descriptor = model.descriptor();
  page += fmt::format("## {}\n\n`{}` — {}\n\nPrice: {}. Served by:", model.title().en, model.id(), model.description().en, price_of(descriptor));
  bool first = true;
  for (const auto& endpoint : descriptor.at("endpoints").as_array()) {
    std::string path(endpoint.as_string());
    for (char& c : path) c = c == '_' ? '-' : c;
    page += fmt::format("{} `POST /api/v1/{}/{}`", first ? "" : ",", model.provider(), path);
    first = false;
  }
  page += ".\n\n| parameter | type | default | allowed |\n| --- | --- | --- | --- |\n";
  const json::object& schema = model.schema();
  const json::array required = schema.contains("required") ? schema.at("required").as_array() : json::array();
  for (const auto& [name, value] : schema.at("properties").as_object()) {
    const json::object& property = value.as_object();
    bool needed = std::find(required.begin(), required.end(), json::value(name)) != required.end();
    std::string standard = property.contains("default") ? "`" + plain(property.at("default")) + "`" : needed ? "required" : "–";
    page += fmt::format("| `{}` | {} | {} | {} |\n", std::string_view(name), type_of(property), standard, range_of(property));
  }
  page += "\n";
}

}  // namespace

std::string models_markdown(const Catalogue& catalogue) {
  std::string page =
      "# Models\n\nMade from the catalogue; `FLUXGATE_UPDATE=1` with the catalogue's tests writes it anew. Prices are the built-in\n"
      "ones; an administrator may have others. `null` counts as absent.\n\n";
  for (const Model* model : catalogue.models()) add_model(page, *model);
  page.pop_back();
  return page;
}

}  // namespace fluxgate::catalogue
