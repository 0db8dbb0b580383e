#include "sandbox/input.h"

#include <charconv>
#include <cmath>

#include "base/crypto.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr int kImageSideMax = 14142;

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += '\'' + words[i] + '\'';
  }
  return text;
}

// Values as pydantic's lax mode reads them: "3" and 3.0 are integers, "true" and 1 are booleans.
std::optional<double> lax_number(const json::value& value) {
  if (value.is_number()) return value.to_number<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_string();
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<bool> lax_boolean(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_number()) {
    double number = value.to_number<double>();
    if (number == 0 || number == 1) return number == 1;
  }
  if (value.is_string()) {
    const auto& text = value.get_string();
    if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "0" || text == "no" || text == "off") return false;
  }
  return std::nullopt;
}

// One pass over the fields of one request.
class Reader {
 public:
  Reader(const Endpoint& endpoint, const json::object& body, const ProbeImage& probe)
      : endpoint_(endpoint), body_(body), probe_(probe) {}

  CheckedInput read() {
    for (const Field& field : endpoint_.fields) read_field(field);
    settle_size();
    return std::move(result_);
  }

 private:
  void read_field(const Field& field) {
    const json::value* value = body_.if_contains(field.name);
    // Optional fields without a default are nullable; in all others null is a wrong type.
    if (value && value->is_null() && !field.required && !field.fallback) value = nullptr;
    if (!value && field.required) return refuse(field, "Field required", "missing", body_without_blobs());
    switch (field.kind) {
      case FieldKind::text: return read_text(field, value);
      case FieldKind::link: return read_link(field, value);
      case FieldKind::links: return read_links(field, value);
      case FieldKind::size: return read_size(field, value);
      case FieldKind::choice: return read_choice(field, value);
      case FieldKind::integer: return read_integer(field, value);
      case FieldKind::number: return read_number(field, value);
      case FieldKind::boolean: return read_boolean(field, value);
      case FieldKind::seed: return read_seed(field, value);
      case FieldKind::ratio:
      case FieldKind::free_ratio: return read_ratio(field, value);
      case FieldKind::loras: return read_loras(field, value);
    }
  }

  void refuse(const Field& field, std::string_view message, std::string_view type, json::value input,
              json::object context = {}, json::array deeper = {}) {
    json::array loc{"body", field.name};
    for (auto& step : deeper) loc.push_back(step);
    result_.problems.push_back(problem(std::move(loc), message, type, std::move(input), std::move(context)));
  }

  json::value body_without_blobs() const {
    return body_.size() <= 16 ? json::value(body_) : json::value(json::object());
  }

  void read_text(const Field& field, const json::value* value) {
    if (!value) return;
    if (!value->is_string()) return refuse(field, "Input should be a valid string", "string_type", *value);
    if (field.name == "prompt") result_.input.prompt = value->get_string();
  }

  void read_link(const Field& field, const json::value* value) {
    if (!value) return;
    if (!value->is_string()) return refuse(field, "Input should be a valid string", "string_type", *value);
    read_image(field, value->get_string(), {});
  }

  void read_links(const Field& field, const json::value* value) {
    if (!value) return;
    if (!value->is_array()) return refuse(field, "Input should be a valid list", "list_type", *value);
    const auto& list = value->get_array();
    if (list.empty())
      return refuse(field, "List should have at least 1 item after validation, not 0", "too_short", *value,
                    {{"min_length", 1}, {"actual_length", 0}});
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].is_string())
        read_image(field, list[i].get_string(), {i});
      else
        refuse(field, "Input should be a valid string", "string_type", list[i], {}, {i});
    }
  }

  void read_image(const Field& field, std::string_view link, json::array deeper) {
    ImageProbe image = probe_(link);
    json::value input(json::string(link.substr(0, 200)));
    switch (image.state) {
      case ImageProbe::State::fine: break;
      case ImageProbe::State::not_downloaded:
        return refuse(field, "The file could not be fetched. Check that the URL is public.",
                      "file_download_error", input, {}, deeper);
      case ImageProbe::State::not_an_image:
        return refuse(field, "The image could not be decoded.", "image_load_error", input, {}, deeper);
      case ImageProbe::State::too_large:
        return refuse(field, "The image has too many pixels.", "image_too_large", input,
                      {{"max_height", kImageSideMax}, {"max_width", kImageSideMax}}, deeper);
    }
    if (!first_image_ && field.name != "mask_url") first_image_ = image.size;
    result_.input.images_digest = result_.input.images_digest * 1099511628211u ^ stable_digest(link);
  }

  void read_size(const Field& field, const json::value* value) {
    if (!value) {
      if (field.fallback) size_ = size_of_preset(*field.fallback);
      return;
    }
    if (value->is_object()) return read_custom_size(field, value->get_object());
    if (value->is_string()) {
      std::string_view name = value->get_string();
      if (name == "auto" && field.fallback == "auto") return;
      size_ = size_of_preset(name);
      if (size_) return;
    }
    auto names = preset_names();
    if (field.fallback == "auto") names.emplace_back("auto");
    refuse(field, "Input should be " + listed(names), "enum", *value, {{"expected", listed(names)}});
  }

  void read_custom_size(const Field& field, const json::object& object) {
    const SizeRule& rule = endpoint_.sizes;
    PixelSize size{512, 512};
    bool fine = read_side(field, object, "width", size.width);
    fine = read_side(field, object, "height", size.height) && fine;
    if (!fine) return;
    if (std::int64_t{size.width} * size.height > rule.area_max)
      return refuse(field, "The image has too many pixels.", "value_error", object,
                    {{"max_pixels", rule.area_max}});
    if (rule.multiple_of == 0) {  // the models think in blocks of 16 pixels
      size.width = std::max(16, (size.width + 8) / 16 * 16);
      size.height = std::max(16, (size.height + 8) / 16 * 16);
    }
    size_ = size;
  }

  bool read_side(const Field& field, const json::object& object, std::string_view side, int& pixels) {
    const json::value* value = object.if_contains(side);
    if (!value) return true;
    auto complain = [&](const std::string& message, std::string_view type, json::object context) {
      refuse(field, message, type, *value, std::move(context), {json::string(side)});
      return false;
    };
    auto number = lax_number(*value);
    if (!number || *number != std::floor(*number))
      return complain("Input should be a valid integer", number ? "int_from_float" : "int_type", {});
    const SizeRule& rule = endpoint_.sizes;
    if (*number <= 0) return complain("Input should be greater than 0", "greater_than", {{"gt", 0}});
    if (*number < rule.side_min)
      return complain(fmt::format("Input should be greater than or equal to {}", rule.side_min),
                      "greater_than_equal", {{"ge", rule.side_min}});
    if (*number > rule.side_max)
      return complain(fmt::format("Input should be less than or equal to {}", rule.side_max),
                      "less_than_equal", {{"le", rule.side_max}});
    pixels = static_cast<int>(*number);
    if (rule.multiple_of > 0 && pixels % rule.multiple_of != 0)
      return complain(fmt::format("Input should be a multiple of {}", rule.multiple_of), "multiple_of",
                      {{"multiple_of", rule.multiple_of}});
    return true;
  }

  void read_choice(const Field& field, const json::value* value) {
    std::string chosen = field.fallback.value_or("");
    if (value) {
      bool known =
          value->is_string() && std::ranges::count(field.choices, std::string_view(value->get_string()));
      if (!known)
        return refuse(field, "Input should be " + listed(field.choices), "literal_error", *value,
                      {{"expected", listed(field.choices)}});
      chosen = value->get_string();
    }
    if (field.name == "output_format") result_.input.format = chosen;
    if (field.name == "resolution_mode" && chosen != "auto" && chosen != "match_input")
      size_ = size_of_ratio(chosen, false);
  }

  // A limit as it is written in a schema: 4, not 4.0.
  static json::value limit_value(double limit) {
    if (limit == std::floor(limit)) return static_cast<std::int64_t>(limit);
    return limit;
  }

  // The number within its limits, or nullopt after a complaint.
  std::optional<double> limited(const Field& field, const json::value& value, std::string_view type) {
    auto number = lax_number(value);
    if (!number) {
      bool word = value.is_string();
      bool whole = type == "int";
      refuse(field, whole ? "Input should be a valid integer" : "Input should be a valid number",
             std::string(type) + (word ? "_parsing" : "_type"), value);
      return std::nullopt;
    }
    if (field.minimum && *number < *field.minimum) {
      refuse(field, fmt::format("Input should be greater than or equal to {}", *field.minimum),
             "greater_than_equal", value, {{"ge", limit_value(*field.minimum)}});
      return std::nullopt;
    }
    if (field.maximum && *number > *field.maximum) {
      refuse(field, fmt::format("Input should be less than or equal to {}", *field.maximum),
             "less_than_equal", value, {{"le", limit_value(*field.maximum)}});
      return std::nullopt;
    }
    return number;
  }

  void read_integer(const Field& field, const json::value* value) {
    double number = field.fallback ? std::strtod(field.fallback->c_str(), nullptr) : 0;
    if (value) {
      auto read = limited(field, *value, "int");
      if (!read) return;
      if (*read != std::floor(*read))
        return refuse(field, "Input should be a valid integer, got a number with a fractional part",
                      "int_from_float", *value);
      number = *read;
    }
    if (field.name == "num_images") result_.input.count = static_cast<int>(number);
    if (field.name == "num_inference_steps") result_.input.steps = static_cast<int>(number);
  }

  void read_number(const Field& field, const json::value* value) {
    if (value) limited(field, *value, "float");
  }

  void read_boolean(const Field& field, const json::value* value) {
    bool on = field.fallback == "true";
    if (value) {
      auto read = lax_boolean(*value);
      if (!read) return refuse(field, "Input should be a valid boolean", "bool_parsing", *value);
      on = *read;
    }
    if (field.name == "sync_mode") result_.input.as_data_uri = on;
    if (field.name == "enable_safety_checker") result_.input.safety_checker = on;
  }

  void read_seed(const Field& field, const json::value* value) {
    if (!value) return;
    if (value->is_uint64()) {
      result_.input.seed = value->get_uint64();
    } else if (value->is_int64()) {
      result_.input.seed = static_cast<std::uint64_t>(value->get_int64());
    } else if (auto number = lax_number(*value); number && *number == std::floor(*number) && *number < 9e15) {
      result_.input.seed = static_cast<std::uint64_t>(static_cast<std::int64_t>(*number));
    } else {
      refuse(field, "Input should be a valid integer", value->is_string() ? "int_parsing" : "int_type",
             *value);
    }
  }

  void read_ratio(const Field& field, const json::value* value) {
    std::optional<std::string> ratio = field.fallback;
    if (value) {
      if (!value->is_string()) return refuse(field, "Input should be a valid string", "string_type", *value);
      ratio = std::string(value->get_string());
    }
    if (!ratio) return;
    auto names = ratio_names();
    if (std::ranges::count(names, *ratio) > 0 || field.kind == FieldKind::free_ratio)
      size_ = size_of_ratio(*ratio, endpoint_.four_megapixels);
    if (size_) return;
    refuse(field, "Input should be " + listed(names), "literal_error", *value, {{"expected", listed(names)}});
  }

  void read_loras(const Field& field, const json::value* value) {
    if (!value) return;
    if (!value->is_array()) return refuse(field, "Input should be a valid list", "list_type", *value);
    const auto& list = value->get_array();
    for (std::size_t i = 0; i < list.size(); ++i)
      if (!list[i].is_object() || !list[i].get_object().contains("path"))
        refuse(field, "Field required", "missing", list[i], {}, {i, "path"});
  }

  // Without a size of its own the output follows the first input image.
  void settle_size() {
    if (size_) {
      result_.input.size = *size_;
    } else if (first_image_) {
      PixelSize size = *first_image_;
      double shrink = std::min(1.0, 2048.0 / std::max(size.width, size.height));
      auto side = [&](int pixels) { return std::max(16, static_cast<int>(pixels * shrink + 8) / 16 * 16); };
      result_.input.size = {side(size.width), side(size.height)};
    }
  }

  const Endpoint& endpoint_;
  const json::object& body_;
  const ProbeImage& probe_;
  CheckedInput result_;
  std::optional<PixelSize> size_, first_image_;
};

}  // namespace

CheckedInput check_input(const Endpoint& endpoint, const boost::json::object& body, const ProbeImage& probe) {
  return Reader(endpoint, body, probe).read();
}

boost::json::object problem(boost::json::array loc, std::string_view message, std::string_view type,
                            boost::json::value input, boost::json::object context) {
  // Types of the platform link to their explanation, pydantic's do not.
  bool of_platform = type.find("file_") == 0 || type.find("image_") == 0 ||
                     type == "content_policy_violation" || type == "no_media_generated" ||
                     type == "generation_timeout";
  json::object entry;
  entry["loc"] = std::move(loc);
  entry["msg"] = message;
  entry["type"] = type;
  if (of_platform) entry["url"] = fmt::format("https://docs.fal.ai/errors#{}", type);
  if (!context.empty() || of_platform) entry["ctx"] = std::move(context);
  entry["input"] = std::move(input);
  return entry;
}

std::uint64_t stable_digest(std::string_view text) {
  std::uint64_t digest = 14695981039346656037u;  // FNV-1a
  for (unsigned char byte : text) digest = (digest ^ byte) * 1099511628211u;
  return digest;
}

}  // namespace fluxgate::sandbox
