#include "catalogue/words.h"

#include <array>

#include <fmt/format.h>

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

using Problems = std::vector<std::pair<std::string, std::string>>;

constexpr std::array kRoles = {"prompt",      "negative_prompt", "image_input", "mask",
                               "first_frame", "last_frame",      "video_input", "audio_input",
                               "seed",        "aspect_ratio",    "size",        "count"};
constexpr std::int64_t kSideMax = 65'536;

template <std::size_t N>
bool one_of(const json::value& value, const std::array<const char*, N>& words) {
  return value.is_string() && std::find(words.begin(), words.end(), value.as_string()) != words.end();
}

// Reads one word; each has a function that says what is wrong, "" when nothing.
class Reader {
 public:
  Reader(Words& words, const std::string& pointer, Problems& problems)
      : words_(words), pointer_(pointer), problems_(problems) {}

  std::string read(std::string_view word, const json::value& value) {
    if (word == "x-role") return role(value);
    if (word == "x-label") return pair(value, words_.label);
    if (word == "x-help") return pair(value, words_.help);
    if (word == "x-labels") return labels(value);
    if (word == "x-sizes") return sizes(value);
    if (word == "x-suggestions") return suggestions(value);
    if (word == "x-send") return send(value);
    if (word == "x-file") return file(value);
    if (word == "x-group")
      return one_of(value, std::array{"basic", "advanced"}) ? "" : "is basic or advanced";
    if (word == "x-widget") return value.is_string() ? "" : "must be text";
    if (word == "x-coerce") return flag(value, "text", words_.coerce_to_text);
    if (word == "x-above") return flag(value, "batch", words_.above_points_to_batches);
    if (word == "x-max-area") return area(value);
    if (word == "x-visible-if" || word == "x-enabled-if") {
      Conditions read = Conditions::read(value, pointer_ + "/" + std::string(word), problems_);
      if (word == "x-visible-if") words_.visible_if = std::move(read);
      return "";
    }
    return "no such word (src/catalogue/words.h lists them)";
  }

 private:
  std::string role(const json::value& value) {
    if (!one_of(value, kRoles)) return "no such role";
    words_.role = value.as_string();
    return "";
  }
  static std::string pair(const json::value& value, Text& to) {
    auto text = text_in(value);
    if (!text) return "must be text in en and zh-CN";
    to = std::move(*text);
    return "";
  }
  static std::string flag(const json::value& value, std::string_view only, bool& to) {
    to = value.is_string() && value.as_string() == only;
    return to ? "" : fmt::format("can only be \"{}\"", only);
  }
  std::string labels(const json::value& value) {
    if (!value.is_object()) return "must be an object: choice → {en, zh-CN}";
    for (const auto& [choice, label] : value.as_object()) {
      auto text = text_in(label);
      if (!text) return fmt::format("{} must have en and zh-CN", std::string_view(choice));
      words_.labels.emplace(std::string(choice), std::move(*text));
    }
    return "";
  }
  std::string sizes(const json::value& value) {
    if (!value.is_object()) return "must be an object: choice → [width, height]";
    for (const auto& [choice, size] : value.as_object()) {
      const auto* pair = size.if_array();
      const auto side = [&](std::size_t i) {
        return pair && pair->size() == 2 && (*pair)[i].is_int64() ? (*pair)[i].get_int64() : 0;
      };
      if (side(0) <= 0 || side(1) <= 0 || side(0) > kSideMax || side(1) > kSideMax)
        return fmt::format("{} must be [width, height]", std::string_view(choice));
      words_.sizes.emplace(std::string(choice), Size{side(0), side(1)});
    }
    return "";
  }
  std::string suggestions(const json::value& value) {
    if (!value.is_array()) return "must be a list of text";
    for (const json::value& each : value.as_array()) {
      if (!each.is_string()) return "must be a list of text";
      words_.suggestions.emplace_back(each.as_string());
    }
    return "";
  }
  std::string area(const json::value& value) {
    if (!value.is_int64() || value.get_int64() <= 0) return "must be a whole number of pixels";
    words_.max_area = value.get_int64();
    return "";
  }
  static std::string file(const json::value& value) {
    if (!value.is_object()) return "must be an object";
    for (const auto& [name, each] : value.as_object()) {
      if (name == "mime" && each.is_array()) continue;
      if ((name == "maxBytes" || name == "minSide" || name == "maxSide") && each.is_int64() &&
          each.get_int64() > 0)
        continue;
      return fmt::format("{}: has mime (a list), maxBytes, minSide, maxSide (whole numbers)",
                         std::string_view(name));
    }
    return "";
  }
  std::string send(const json::value& value) {
    if (value.is_bool()) {
      words_.send.sent = value.as_bool();
      return "";
    }
    if (!value.is_object()) return "is false or {as, type}";
    for (const auto& [name, each] : value.as_object()) {
      if (!each.is_string()) return "is false or {as, type}";
      if (name == "as") {
        words_.send.name = each.as_string();
        continue;
      }
      constexpr std::array kTypes = {"text", "integer", "number", "list"};
      const auto type = std::find(kTypes.begin(), kTypes.end(), each.as_string());
      if (name != "type" || type == kTypes.end()) return "has a type text, integer, number or list";
      words_.send.as = static_cast<Send::As>(type - kTypes.begin() + 1);
    }
    return "";
  }

  Words& words_;
  const std::string& pointer_;
  Problems& problems_;
};

}  // namespace

std::optional<Text> text_in(const json::value& value) {
  const auto* object = value.if_object();
  if (!object || object->size() != 2) return std::nullopt;
  const auto* en = object->if_contains("en");
  const auto* zh = object->if_contains("zh-CN");
  if (!en || !zh || !en->is_string() || !zh->is_string() || en->as_string().empty() ||
      zh->as_string().empty())
    return std::nullopt;
  return Text{std::string(en->as_string()), std::string(zh->as_string())};
}

Words Words::read(const json::object& schema, const std::string& pointer, Problems& problems) {
  Words words;
  Reader reader(words, pointer, problems);
  for (const auto& [word, value] : schema) {
    if (!word.starts_with("x-")) continue;
    std::string wrong = reader.read(word, value);
    if (!wrong.empty()) problems.emplace_back(pointer + "/" + std::string(word), std::move(wrong));
  }
  return words;
}

}  // namespace fluxgate::catalogue
