#include <charconv>
#include <cmath>

#include "api/support.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

bool is_json_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

Error json_invalid(std::size_t offset, std::string_view reason) {
  return Error(Errc::bad_request, "json_invalid",
               {fmt::format("The body is not valid JSON: {} at byte {}.", reason, offset),
                fmt::format("请求正文不是有效的 JSON:第 {} 字节处出错({})。", offset, reason)})
      .with("offset", offset);
}

Error wrong_body(std::string type, Text message) {
  FieldError field;
  field.loc = {std::string("body")};
  field.type = std::move(type);
  field.message = std::move(message);
  return Error::invalid(std::move(field));
}

using Loc = std::vector<std::variant<std::string, std::int64_t>>;

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// Where a text or a name holds U+0000; `loc` leads to it. As deep as the parser let it be.
bool find_nul(const json::value& value, Loc& loc) {
  if (value.is_string()) return has_nul(value.as_string());
  if (const auto* list = value.if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      loc.emplace_back(static_cast<std::int64_t>(i));
      if (find_nul((*list)[i], loc)) return true;
      loc.pop_back();
    }
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [name, member] : *object) {
      loc.emplace_back(std::string(name));
      if (has_nul(name) || find_nul(member, loc)) return true;
      loc.pop_back();
    }
  }
  return false;
}

// PostgreSQL's texts cannot hold U+0000, and nobody means it: it is refused everywhere alike.
Result<void> refuse_nul(const json::value& value) {
  Loc loc{std::string("body")};
  if (!find_nul(value, loc)) return {};
  FieldError field;
  field.loc = std::move(loc);
  field.type = "string_nul";
  field.message = {"The character U+0000 is not allowed in text.", "文本中不允许包含字符 U+0000。"};
  return fail(Error::invalid(std::move(field)));
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::optional<std::int64_t> whole_number(const json::value& value) {
  if (value.is_int64()) return value.as_int64();
  if (value.is_double() && std::trunc(value.as_double()) == value.as_double() &&
      std::abs(value.as_double()) < 9e15)
    return static_cast<std::int64_t>(value.as_double());
  return std::nullopt;
}

}  // namespace

Result<json::object> parse_json(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return fail(wrong_body("missing", {"A JSON body is needed.", "缺少 JSON 请求正文。"}));
  json::parse_options options;
  options.max_depth = kJsonDepthLimit;
  json::parser parser({}, options);
  boost::system::error_code broken;
  const std::size_t consumed = parser.write_some(body.data(), body.size(), broken);
  if (broken) return fail(json_invalid(consumed, broken.message()));
  if (const auto rest = body.find_first_not_of(" \t\r\n", consumed); rest != std::string_view::npos)
    return fail(json_invalid(rest, "text after the value"));
  json::value value = parser.release();
  if (!value.is_object())
    return fail(wrong_body("dict_type", {"The body must be a JSON object.", "请求正文应为 JSON 对象。"}));
  FLUX_CHECK(refuse_nul(value));
  return std::move(value.as_object());
}

awaitable<Result<std::string>> read_json_text(http::Request& request, std::size_t limit) {
  const auto announced = request.content_length();
  const std::string_view type = request.header("content-type");
  const bool fits = !announced || *announced <= limit;
  if (fits && !type.empty() && !is_json_type(type))
    co_return fail(Error(Errc::unsupported_media, "content_type",
                         {"Send JSON with the header Content-Type: application/json.",
                          "请以 JSON 格式发送,并设置 Content-Type: application/json。"})
                       .with("received", json::string(type.substr(0, 100))));
  auto body = co_await request.read_body(limit);
  co_return body;
}

awaitable<Result<json::object>> read_json(http::Request& request, std::size_t limit) {
  auto body = co_await read_json_text(request, limit);
  FLUX_CO_TRY(text, std::move(body));
  co_return parse_json(text);
}

Members::Members(const json::object& object, std::vector<std::string> loc)
    : object_(object), loc_(std::move(loc)) {}

void Members::refuse(std::string_view name, std::string type, Text message, json::object context) {
  FieldError error;
  error.loc.assign(loc_.begin(), loc_.end());
  error.loc.emplace_back(std::string(name));
  error.type = std::move(type);
  error.message = std::move(message);
  error.context = std::move(context);
  errors_.push_back(std::move(error));
}

void Members::wrong_type(std::string_view name, std::string type, Text message, const json::value& value) {
  refuse(name, std::move(type), std::move(message));
  errors_.back().input = value;
}

void Members::ignore(std::string_view name) { known_.emplace_back(name); }

const json::value* Members::maybe_value(std::string_view name) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::value* Members::required(std::string_view name) {
  const auto* value = maybe_value(name);
  if (value == nullptr) refuse(name, "missing", {"This member is required.", "缺少必填字段。"});
  return value;
}

std::string Members::text(std::string_view name, Length length) {
  if (required(name) == nullptr) return {};
  return maybe_text(name, length).value_or("");
}

std::optional<std::string> Members::maybe_text(std::string_view name, Length length) {
  const auto* value = maybe_value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    wrong_type(name, "string_type", {"Expected text.", "应为文本。"}, *value);
    return std::nullopt;
  }
  const auto& found = value->as_string();
  if (found.size() < length.min)
    refuse(
        name, "string_too_short",
        {fmt::format("Expected at least {} bytes.", length.min), fmt::format("至少 {} 字节。", length.min)},
        {{"min_length", length.min}});
  if (found.size() > length.max)
    refuse(name, "string_too_long",
           {fmt::format("Expected at most {} bytes.", length.max), fmt::format("最多 {} 字节。", length.max)},
           {{"max_length", length.max}, {"actual_length", found.size()}});
  return std::string(found);
}

std::int64_t Members::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  if (required(name) == nullptr) return min;
  return maybe_integer(name, min, max).value_or(min);
}

std::optional<std::int64_t> Members::maybe_integer(std::string_view name, std::int64_t min,
                                                   std::int64_t max) {
  const auto* value = maybe_value(name);
  if (value == nullptr) return std::nullopt;
  const auto number = whole_number(*value);
  if (!number) {
    wrong_type(name, "int_type", {"Expected a whole number.", "应为整数。"}, *value);
    return std::nullopt;
  }
  if (*number < min || *number > max) {
    wrong_type(name, "int_range",
               {fmt::format("Expected {} to {}.", min, max), fmt::format("应在 {} 到 {} 之间。", min, max)},
               *value);
    errors_.back().context = {{"ge", min}, {"le", max}};
    return std::nullopt;
  }
  return number;
}

std::optional<double> Members::maybe_number(std::string_view name, double min, double max) {
  const auto* value = maybe_value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    wrong_type(name, "float_type", {"Expected a number.", "应为数字。"}, *value);
    return std::nullopt;
  }
  const double number = value->to_number<double>();
  if (!(number >= min && number <= max)) {
    wrong_type(name, "float_range",
               {fmt::format("Expected {} to {}.", min, max), fmt::format("应在 {} 到 {} 之间。", min, max)},
               *value);
    errors_.back().context = {{"ge", min}, {"le", max}};
    return std::nullopt;
  }
  return number;
}

std::optional<bool> Members::maybe_flag(std::string_view name) {
  const auto* value = maybe_value(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  wrong_type(name, "bool_type", {"Expected true or false.", "应为 true 或 false。"}, *value);
  return std::nullopt;
}

const json::object* Members::maybe_object(std::string_view name) {
  const auto* value = maybe_value(name);
  if (value == nullptr || value->is_object()) return value == nullptr ? nullptr : &value->as_object();
  wrong_type(name, "dict_type", {"Expected an object.", "应为对象。"}, *value);
  return nullptr;
}

const json::array* Members::maybe_array(std::string_view name, std::size_t max_items) {
  const auto* value = maybe_value(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    wrong_type(name, "list_type", {"Expected a list.", "应为列表。"}, *value);
    return nullptr;
  }
  if (value->as_array().size() <= max_items) return &value->as_array();
  refuse(name, "too_long",
         {fmt::format("Expected at most {} items.", max_items), fmt::format("最多 {} 项。", max_items)},
         {{"max_length", max_items}, {"actual_length", value->as_array().size()}});
  return nullptr;
}

Result<void> Members::check() {
  constexpr std::size_t kUnknownShown = 20;
  std::size_t unknown = 0;
  for (const auto& [key, value] : object_) {
    if (std::ranges::find(known_, std::string_view(key)) != known_.end()) continue;
    if (++unknown > kUnknownShown) break;
    const std::string close = nearest(key, known_);
    const std::string shown(std::string_view(key).substr(0, 64));
    refuse(shown, "extra_forbidden",
           close.empty() ? Text{"There is no such member.", "没有此字段。"}
                         : Text{fmt::format("There is no such member; did you mean {}?", close),
                                fmt::format("没有此字段,是否想写 {}?", close)});
    if (!close.empty()) errors_.back().context = {{"nearest", close}};
  }
  if (errors_.empty()) return {};
  return fail(Error::invalid(std::move(errors_)));
}

Result<std::int64_t> query_integer(const http::Request& request, std::string_view name, std::int64_t fallback,
                                   std::int64_t min, std::int64_t max) {
  const auto text = request.query(name);
  if (!text || text->empty()) return fallback;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool whole = error == std::errc{} && end == text->data() + text->size();
  if (whole && number >= min && number <= max) return number;
  FieldError field;
  field.loc = {std::string("query"), std::string(name)};
  field.type = whole ? "int_range" : "int_parsing";
  field.message = {fmt::format("Expected a whole number from {} to {}.", min, max),
                   fmt::format("应为 {} 到 {} 之间的整数。", min, max)};
  field.context = {{"ge", min}, {"le", max}};
  field.input = json::string(text->substr(0, 64));
  return fail(Error::invalid(std::move(field)));
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  if (word.size() > 64) return {};
  int best = static_cast<int>(word.size() / 3) + 1;
  std::string found;
  for (const std::string& candidate : candidates)
    if (const int distance = edit_distance(word, candidate); distance < best) {
      best = distance;
      found = candidate;
    }
  return found;
}

}  // namespace fluxgate::api
