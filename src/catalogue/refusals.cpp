#include "catalogue/refusals.h"

#include <fmt/format.h>

namespace fluxgate::catalogue::refuse {
namespace {

namespace json = boost::json;

// "image_size.width", "image_urls[2]": the path without "body".
std::string field(const Location& at) {
  std::string name;
  for (std::size_t i = 1; i < at.size(); ++i) {
    if (auto* text = std::get_if<std::string>(&at[i])) name += (name.empty() ? "" : ".") + *text;
    else name += fmt::format("[{}]", std::get<std::int64_t>(at[i]));
  }
  return name;
}

FieldError made(Location at, std::string type, Text rule, const json::value& value, json::object context = {}) {
  FieldError error;
  std::string name = field(at), received = shown(value);
  error.message = {fmt::format("{} {}; received {}.", name, rule.en, received),
                   fmt::format("{} {}，收到 {}。", name, rule.zh, received)};
  error.loc = std::move(at);
  error.type = std::move(type);
  error.context = std::move(context);
  error.input = value;
  return error;
}

std::string plain(double n) { return fmt::format("{}", n); }

json::value number(double n) {
  if (n == static_cast<double>(static_cast<std::int64_t>(n))) return static_cast<std::int64_t>(n);
  return n;
}

}  // namespace

FieldError missing(Location at, const json::value& object) {
  FieldError error;
  std::string name = field(at);
  error.loc = std::move(at);
  error.type = "missing";
  error.message = {name + " is required.", "缺少 " + name + "。"};
  // The sibling members, but never megabytes of a picture in one of them.
  if (object.is_object() && json::serialize(object).size() < 1'000) error.input = object;
  return error;
}

FieldError wrong_type(Location at, const json::value& value, unsigned types) {
  if (types & Schema::integer) return made(std::move(at), "int_type", {"must be a whole number", "必须是整数"}, value);
  if (types & Schema::number) return made(std::move(at), "float_type", {"must be a number", "必须是数字"}, value);
  if (types & Schema::boolean) return made(std::move(at), "bool_type", {"must be true or false", "必须是 true 或 false"}, value);
  if (types & Schema::array) return made(std::move(at), "list_type", {"must be a list", "必须是列表"}, value);
  if ((types & Schema::object) && (types & Schema::string))
    return made(std::move(at), "string_or_dict_type", {"must be text or an object", "必须是文本或对象"}, value);
  if (types & Schema::object) return made(std::move(at), "dict_type", {"must be an object", "必须是对象"}, value);
  return made(std::move(at), "string_type", {"must be text", "必须是文本"}, value);
}

FieldError not_one_of(Location at, const json::value& value, const std::vector<json::value>& allowed) {
  std::string list;
  std::vector<std::string> words;
  for (const auto& each : allowed) {
    list += (list.empty() ? "" : ", ") + json::serialize(each);
    if (each.is_string()) words.emplace_back(each.as_string());
  }
  std::string near = value.is_string() ? nearest(value.as_string(), words) : "";
  Text rule{"must be one of " + list, "必须是以下之一：" + list};
  if (!near.empty()) {
    rule.en += fmt::format(" (did you mean \"{}\"?)", near);
    rule.zh += fmt::format("（是否想用 \"{}\"？）", near);
  }
  return made(std::move(at), "literal_error", std::move(rule), value, {{"expected", list}});
}

FieldError below(Location at, const json::value& value, double limit, Bound bound) {
  bool included = bound == Bound::included;
  return made(std::move(at), included ? "greater_than_equal" : "greater_than",
              {(included ? "must be at least " : "must be greater than ") + plain(limit), (included ? "不能小于 " : "必须大于 ") + plain(limit)},
              value, {{included ? "ge" : "gt", number(limit)}});
}

FieldError above(Location at, const json::value& value, double limit, Bound bound, std::string_view hint) {
  bool included = bound == Bound::included;
  Text rule{(included ? "must be at most " : "must be less than ") + plain(limit), (included ? "不能大于 " : "必须小于 ") + plain(limit)};
  if (hint == "batch") {
    rule.en += " for this model in one request; for more, send a batch of requests";
    rule.zh += "（该模型单次请求的上限）；如需更多，请使用批量请求";
  }
  return made(std::move(at), included ? "less_than_equal" : "less_than", std::move(rule), value, {{included ? "le" : "lt", number(limit)}});
}

FieldError no_multiple(Location at, const json::value& value, double step) {
  return made(std::move(at), "multiple_of", {"must be a multiple of " + plain(step), "必须是 " + plain(step) + " 的倍数"}, value,
              {{"multiple_of", number(step)}});
}

FieldError too_short_text(Location at, const json::value& value, std::size_t limit, std::size_t length) {
  return made(std::move(at), "string_too_short",
              {fmt::format("must have at least {} characters, has {}", limit, length), fmt::format("至少 {} 个字符，实际 {} 个", limit, length)},
              value, {{"min_length", limit}});
}

FieldError too_long_text(Location at, const json::value& value, std::size_t limit, std::size_t length) {
  return made(std::move(at), "string_too_long",
              {fmt::format("must have at most {} characters, has {}", limit, length), fmt::format("最多 {} 个字符，实际 {} 个", limit, length)},
              json::value(shown(value)), {{"max_length", limit}});
}

FieldError no_match(Location at, const json::value& value, std::string_view pattern) {
  return made(std::move(at), "string_pattern_mismatch",
              {fmt::format("must match {}", pattern), fmt::format("必须匹配 {}", pattern)}, value, {{"pattern", pattern}});
}

FieldError too_few(Location at, const json::value& value, std::size_t limit, std::size_t count) {
  return made(std::move(at), "too_short", {fmt::format("must have at least {} entries, has {}", limit, count), fmt::format("至少 {} 项，实际 {} 项", limit, count)},
              json::value(shown(value)), {{"min_length", limit}, {"actual_length", count}});
}

FieldError too_many(Location at, const json::value& value, std::size_t limit, std::size_t count) {
  return made(std::move(at), "too_long", {fmt::format("must have at most {} entries, has {}", limit, count), fmt::format("最多 {} 项，实际 {} 项", limit, count)},
              json::value(shown(value)), {{"max_length", limit}, {"actual_length", count}});
}

FieldError twice(Location at, const json::value& value) {
  return made(std::move(at), "not_unique", {"stands there twice", "重复出现"}, value);
}

FieldError unknown_member(Location at, const json::value& value, const std::string& near) {
  Text rule{"is not a parameter of this model", "不是该模型的参数"};
  json::object context;
  if (!near.empty()) {
    rule.en += fmt::format(" (did you mean {}?)", near);
    rule.zh += fmt::format("（是否想用 {}？）", near);
    context["nearest"] = near;
  }
  return made(std::move(at), "extra_forbidden", std::move(rule), value, std::move(context));
}

FieldError unknown_model(const json::value& value, const std::string& near) {
  Text rule{"is not a model of this provider", "不是该服务商的模型"};
  json::object context;
  if (!near.empty()) {
    rule.en += fmt::format(" (did you mean {}?)", near);
    rule.zh += fmt::format("（是否想用 {}？）", near);
    context["nearest"] = near;
  }
  return made({std::string("body"), std::string("model")}, "model_unknown", std::move(rule), value, std::move(context));
}

FieldError wrong_endpoint(const json::value& model, const std::vector<std::string>& endpoints) {
  std::string list;
  for (std::string name : endpoints) {
    for (char& c : name) c = c == '_' ? '-' : c;
    list += (list.empty() ? "" : ", ") + name;
  }
  return made({std::string("body"), std::string("model")}, "model_endpoint",
              {"is served by " + list + ", not here", "由 " + list + " 提供，不在此接口"}, model, {{"endpoints", list}});
}

}  // namespace fluxgate::catalogue::refuse
