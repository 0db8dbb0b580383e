#include "catalogue/refusals.h"

#include <cmath>

#include <fmt/format.h>

#include "catalogue/nearest.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

Location Path::location() const {
  constexpr std::size_t kNameMax = 100;
  Location at;
  if (up) at = up->location();
  if (index >= 0)
    at.emplace_back(index);
  else
    at.emplace_back(std::string(name.substr(0, kNameMax)));
  return at;
}

namespace refuse {
namespace {

namespace json = boost::json;

// "image_size.width", "image_urls[2]": the path without "body".
std::string field(const Location& at) {
  std::string name;
  for (std::size_t i = 1; i < at.size(); ++i) {
    if (const auto* text = std::get_if<std::string>(&at[i]))
      name += (name.empty() ? "" : ".") + *text;
    else
      name += fmt::format("[{}]", std::get<std::int64_t>(at[i]));
  }
  return name;
}

// The beginning of a value's JSON, never inside a character; `whole` says whether that is all of it. Only as
// much is written as is kept, however large the value is.
std::string beginning(const json::value& value, std::size_t most, bool& whole) {
  std::string text(most, '\0');
  json::serializer serializer;
  serializer.reset(&value);
  const json::string_view written = serializer.read(text.data(), text.size());
  whole = serializer.done();
  std::size_t size = written.size();
  if (!whole)
    while (size > 0 && (static_cast<unsigned char>(text[size - 1]) & 0xC0) == 0x80) --size;
  if (!whole && size > 0 && static_cast<unsigned char>(text[size - 1]) >= 0xC0) --size;
  text.resize(size);
  return text;
}

std::string shown(const json::value& value) {
  bool whole = false;
  std::string text = value.is_double() ? fmt::format("{}", value.get_double()) : beginning(value, 80, whole);
  return whole || value.is_double() ? text : text + "…";
}

// What `input` says: the value, or its beginning as text.
json::value received(const json::value& value) {
  bool whole = false;
  std::string text = beginning(value, 1'000, whole);
  if (whole) return value;
  return json::string(text + "…");
}

FieldError made(const Path& at, std::string_view type, const Text& rule, const json::value& value,
                json::object context) {
  FieldError error;
  error.loc = at.location();
  error.type = type;
  const std::string name = field(error.loc), got = shown(value);
  error.message = {fmt::format("{} {}; received {}.", name, rule.en, got),
                   fmt::format("{} {}，收到 {}。", name, rule.zh, got)};
  error.context = std::move(context);
  error.input = received(value);
  return error;
}

json::value number(double n) {
  constexpr double kWhole = 9e15;  // exact in both
  if (std::abs(n) < kWhole && n == std::nearbyint(n)) return static_cast<std::int64_t>(n);
  return n;
}

Text with_nearest(Text rule, const std::string& near) {
  if (near.empty()) return rule;
  rule.en += fmt::format(" (did you mean {}?)", near);
  rule.zh += fmt::format("（是否想用 {}？）", near);
  return rule;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string list;
  for (const std::string& word : words) {
    if (!list.empty()) list += between;
    list += word;
  }
  return list;
}

}  // namespace

FieldError missing(const Path& at, const json::value& object) {
  FieldError error;
  error.loc = at.location();
  error.type = "missing";
  const std::string name = field(error.loc);
  error.message = {fmt::format("{} is required; it is absent.", name), fmt::format("缺少必填项 {}。", name)};
  error.input = received(object);
  return error;
}

FieldError wrong_type(const Path& at, const json::value& value, unsigned types) {
  const bool text = value.is_string();
  if (types & Schema::integer && !(types & Schema::number)) {
    const std::string_view type = text ? "int_parsing" : value.is_double() ? "int_from_float" : "int_type";
    return made(at, type, {"must be a whole number", "必须是整数"}, value, {});
  }
  if (types & Schema::number)
    return made(at, text ? "float_parsing" : "float_type", {"must be a number", "必须是数字"}, value, {});
  if (types & Schema::boolean)
    return made(at, text ? "bool_parsing" : "bool_type", {"must be true or false", "必须是 true 或 false"},
                value, {});
  if ((types & Schema::object) && (types & Schema::string))
    return made(at, "string_or_dict_type", {"must be text or an object", "必须是文本或对象"}, value, {});
  if (types & Schema::array) return made(at, "list_type", {"must be a list", "必须是列表"}, value, {});
  if (types & Schema::object) return made(at, "dict_type", {"must be an object", "必须是对象"}, value, {});
  return made(at, "string_type", {"must be text", "必须是文本"}, value, {});
}

FieldError not_one_of(const Path& at, const json::value& value, const std::vector<json::value>& allowed) {
  std::string expected;  // as Pydantic writes it: 'jpeg', 'png' or 'webp'
  std::vector<std::string> words, listed;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (allowed[i].is_string()) words.emplace_back(allowed[i].as_string());
    listed.push_back(allowed[i].is_string() ? std::string(allowed[i].as_string())
                                            : json::serialize(allowed[i]));
    if (i > 0) expected += i + 1 == allowed.size() ? " or " : ", ";
    expected += allowed[i].is_string() ? fmt::format("'{}'", listed.back()) : listed.back();
  }
  const std::string near = value.is_string() ? nearest(value.as_string(), words) : "";
  Text rule{"must be one of " + joined(listed, ", "), "必须是以下之一：" + joined(listed, "、")};
  return made(at, "literal_error", with_nearest(std::move(rule), near), value, {{"expected", expected}});
}

FieldError below(const Path& at, const json::value& value, double limit, Bound bound) {
  const bool included = bound == Bound::included;
  return made(at, included ? "greater_than_equal" : "greater_than",
              {fmt::format("must be {} {}", included ? "at least" : "greater than", limit),
               fmt::format("必须{} {}", included ? "大于或等于" : "大于", limit)},
              value, {{included ? "ge" : "gt", number(limit)}});
}

FieldError above(const Path& at, const json::value& value, double limit, Bound bound, Hint hint) {
  const bool included = bound == Bound::included;
  Text rule{fmt::format("must be {} {}", included ? "at most" : "less than", limit),
            fmt::format("必须{} {}", included ? "小于或等于" : "小于", limit)};
  if (hint == Hint::batch) {
    rule.en += " for this model in one request (for more, send a batch of requests)";
    rule.zh += "（该模型单次请求的上限；如需更多，请使用批量请求）";
  }
  return made(at, included ? "less_than_equal" : "less_than", rule, value,
              {{included ? "le" : "lt", number(limit)}});
}

FieldError no_multiple(const Path& at, const json::value& value, double step) {
  return made(at, "multiple_of",
              {fmt::format("must be a multiple of {}", step), fmt::format("必须是 {} 的倍数", step)}, value,
              {{"multiple_of", number(step)}});
}

FieldError too_many_pixels(const Path& at, const json::value& value, std::int64_t limit) {
  return made(
      at, "area_too_large",
      {fmt::format("must have at most {} pixels in all", limit), fmt::format("总像素数不能超过 {}", limit)},
      value, {{"max_area", limit}});
}

FieldError too_short_text(const Path& at, const json::value& value, std::size_t limit, std::size_t length) {
  return made(at, "string_too_short",
              {fmt::format("must have at least {} {}, has {}", limit, limit == 1 ? "character" : "characters",
                           length),
               fmt::format("至少 {} 个字符，实际 {} 个", limit, length)},
              value, {{"min_length", limit}});
}

FieldError too_long_text(const Path& at, const json::value& value, std::size_t limit, std::size_t length) {
  return made(at, "string_too_long",
              {fmt::format("must have at most {} characters, has {}", limit, length),
               fmt::format("最多 {} 个字符，实际 {} 个", limit, length)},
              value, {{"max_length", limit}});
}

FieldError no_match(const Path& at, const json::value& value, std::string_view pattern) {
  return made(at, "string_pattern_mismatch",
              {fmt::format("must match {}", pattern), fmt::format("必须匹配 {}", pattern)}, value,
              {{"pattern", pattern}});
}

FieldError too_few(const Path& at, const json::value& value, std::size_t limit, std::size_t count) {
  return made(
      at, "too_short",
      {fmt::format("must have at least {} {}, has {}", limit, limit == 1 ? "entry" : "entries", count),
       fmt::format("至少 {} 项，实际 {} 项", limit, count)},
      value, {{"field_type", "List"}, {"min_length", limit}, {"actual_length", count}});
}

FieldError too_many(const Path& at, const json::value& value, std::size_t limit, std::size_t count) {
  return made(at, "too_long",
              {fmt::format("must have at most {} {}, has {}", limit, limit == 1 ? "entry" : "entries", count),
               fmt::format("最多 {} 项，实际 {} 项", limit, count)},
              value, {{"field_type", "List"}, {"max_length", limit}, {"actual_length", count}});
}

FieldError twice(const Path& at, const json::value& value) {
  return made(at, "not_unique", {"stands in the list twice", "在列表中重复出现"}, value, {});
}

FieldError unknown_member(const Path& at, const json::value& value, const std::string& near) {
  json::object context;
  if (!near.empty()) context["nearest"] = near;
  return made(at, "extra_forbidden", with_nearest({"is not a parameter here", "不是此处的参数"}, near), value,
              std::move(context));
}

FieldError unknown_model(std::string_view id, const std::string& near) {
  const Path body{nullptr, "body"};
  json::object context;
  if (!near.empty()) context["nearest"] = near;
  return made(body.member("model"), "model_unknown",
              with_nearest({"is not a model of this provider", "不是该服务商的模型"}, near), json::string(id),
              std::move(context));
}

FieldError wrong_endpoint(std::string_view model, std::string_view endpoint,
                          const std::vector<std::string>& endpoints, const std::vector<std::string>& others) {
  const Path body{nullptr, "body"};
  const std::string here = joined(endpoints, ", ");
  Text rule{fmt::format("serves {}, not {}", here, endpoint),
            fmt::format("支持 {}，不支持 {}", here, endpoint)};
  json::object context{{"endpoints", json::value_from(endpoints)}};
  if (!others.empty()) {
    rule.en += fmt::format(" (here use {})", joined(others, ", "));
    rule.zh += fmt::format("（此处可用 {}）", joined(others, "、"));
    context["models"] = json::value_from(others);
  }
  return made(body.member("model"), "model_endpoint", rule, json::string(model), std::move(context));
}

}  // namespace refuse
}  // namespace fluxgate::catalogue
