#include "catalogue/markdown.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::string_view kIntroduction = R"(# Models

This page is made from the catalogue (`catalogue/`): run the catalogue's tests with `FLUXGATE_UPDATE=1` to write it
anew. Prices are the built-in ones, in credits; an administrator may have set others. A megapixel is 1 048 576 pixels,
and a started one counts.

- A model is named by its id in `model`. What is not sent, or is `null`, takes its default; a member that a model does
  not have is refused (422), and the answer names the nearest one.
- A member of the original FLUX API that a model lacks, or cannot take, is dropped when it has the original's default,
  because its clients always send all of them; any other value is refused. So `num_inference_steps: 28` is fine for
  Schnell, which makes its picture in 4.
- `sync_mode`, `expected_price`, `rev`, `priority` and `use_cache` are taken by every endpoint and are not parameters of a model.
- Pictures in (`image_url`, `image_urls`) are a link or id of an upload, a public URL, or a data URI.
- More than `num_images` allows: send several requests as a batch.
- Your own models: JSON files in `DATA_DIR/catalogue/` (`catalogue/README.md`).

)";

std::string plain(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : json_text(value);
}

std::string code(const json::value& value) {
  const std::string text = plain(value);
  return text.empty() ? "empty" : "`" + text + "`";
}

std::string list_of(const json::array& values) {
  std::string list;
  for (const json::value& each : values) list += (list.empty() ? "" : ", ") + code(each);
  return list;
}

std::string type_of(const json::object& schema) {
  const auto* type = schema.if_contains("type");
  if (!type) return "any";
  if (type->is_string()) return std::string(type->as_string());
  std::string list;
  for (const json::value& each : type->as_array()) list += (list.empty() ? "" : " or ") + plain(each);
  return list;
}

// What may stand there, in a few words.
class Range {
 public:
  static std::string of(const json::object& schema) {
    Range range(schema);
    range.read();
    return range.text_;
  }

 private:
  explicit Range(const json::object& schema) : schema_(schema) {}

  void read() {
    if (const auto* values = schema_.if_contains("enum")) add(list_of(values->as_array()));
    if (has("minimum") && has("maximum")) add(fmt::format("{}–{}", word("minimum"), word("maximum")));
    if (has("multipleOf")) add("multiple of " + word("multipleOf"));
    if (has("minLength") && word("minLength") != "0" && word("minLength") != "1")
      add(fmt::format("at least {} characters", word("minLength")));
    if (has("maxLength") && !has("pattern")) add(fmt::format("up to {} characters", word("maxLength")));
    if (has("pattern")) add(fmt::format("`{}`", word("pattern")));
    if (const auto* suggestions = schema_.if_contains("x-suggestions"))
      add("such as " + list_of(suggestions->as_array()));
    if (has("minItems") && has("maxItems"))
      add(fmt::format("{}–{} entries", word("minItems"), word("maxItems")));
    if (const auto* presets = schema_.if_contains("then")) add(of(presets->as_object()));
    if (const auto* custom = schema_.if_contains("else"))
      if (const auto* members = custom->as_object().if_contains("properties"))
        add("`width` and `height`, each " + of(members->at("width").as_object()));
    if (has("x-max-area")) add(fmt::format("at most {} pixels", word("x-max-area")));
    if (const auto* help = schema_.if_contains("x-help")) add(plain(help->at("en")));
  }

  bool has(std::string_view name) const { return schema_.contains(name); }
  std::string word(std::string_view name) const { return plain(schema_.at(name)); }
  void add(const std::string& more) { text_ += (text_.empty() ? "" : "; ") + more; }

  const json::object& schema_;
  std::string text_;
};

std::string door(const Model& model, std::string endpoint) {
  std::replace(endpoint.begin(), endpoint.end(), '_', '-');
  return fmt::format("`POST /api/v1/{}/{}`", model.provider(), endpoint);
}

void add_table(std::string& page, const json::object& schema) {
  page += "| parameter | type | default | allowed |\n| --- | --- | --- | --- |\n";
  json::array required;
  if (const auto* names = schema.if_contains("required")) required = names->as_array();
  for (const auto& [name, value] : schema.at("properties").as_object()) {
    const json::object& property = value.as_object();
    const bool needed = std::find(required.begin(), required.end(), json::value(name)) != required.end();
    const auto* standard = property.if_contains("default");
    page += fmt::format("| `{}` | {} | {} | {} |\n", std::string_view(name), type_of(property),
                        standard ? code(*standard)
                        : needed ? "required"
                                 : "–",
                        Range::of(property));
  }
  page += "\n";
}

void add_model(std::string& page, const Model& model) {
  page += fmt::format("## {}\n\n`{}`", model.title().en, model.id());
  if (model.title().zh != model.title().en) page += " · " + model.title().zh;
  page += fmt::format("\n\n{} {}\n\nPrice: {}.\n\n", model.description().en, model.description().zh,
                      model.price_words());
  // Endpoints that take the same stand together.
  std::vector<std::pair<std::string, json::object>> tables;
  for (const std::string& endpoint : model.endpoints()) {
    json::object schema = model.schema_for(endpoint);
    const auto same =
        std::find_if(tables.begin(), tables.end(), [&](const auto& table) { return table.second == schema; });
    if (same == tables.end())
      tables.emplace_back(door(model, endpoint), std::move(schema));
    else
      same->first += ", " + door(model, endpoint);
  }
  for (const auto& [doors, schema] : tables) {
    page += doors + "\n\n";
    add_table(page, schema);
  }
}

// GitHub's anchor of a heading: lower case, spaces to hyphens, without other signs.
std::string anchor(std::string_view heading) {
  std::string name;
  for (const char c : heading) {
    if (c >= 'A' && c <= 'Z')
      name += static_cast<char>(c - 'A' + 'a');
    else if (c == ' ')
      name += '-';
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
      name += c;
  }
  return name;
}

}  // namespace

std::string models_markdown(const Catalogue& catalogue) {
  std::string page(kIntroduction);
  page += "| model | id | makes pictures from | price |\n| --- | --- | --- | --- |\n";
  for (const Model* model : catalogue.models()) {
    std::string from;
    for (const std::string& endpoint : model->endpoints()) {
      from += from.empty() ? "" : ", ";
      from += endpoint == "text_to_image"    ? "text"
              : endpoint == "image_to_image" ? "a picture"
                                             : "several pictures";
    }
    page += fmt::format("| [{}](#{}) | `{}` | {} | {} |\n", model->title().en, anchor(model->title().en),
                        model->id(), from, model->price_words());
  }
  page += "\n";
  for (const Model* model : catalogue.models()) add_model(page, *model);
  page.pop_back();
  return page;
}

}  // namespace fluxgate::catalogue
