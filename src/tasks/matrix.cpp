#include "tasks/matrix.h"

#include <fmt/format.h>

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

using Readings = std::vector<std::string>;

struct TooMany {};

// Recursive descent over  text := (character | "\" character | "{" text ("|" text)+ "}")*
class Reader {
 public:
  Reader(std::string_view prompt, std::size_t limit) : prompt_(prompt), limit_(limit) {}

  Readings read() {
    Readings readings{""};
    while (at_ < prompt_.size()) read_piece(readings);
    return readings;
  }

 private:
  void read_piece(Readings& readings) {
    if (const auto end = choices_end(at_)) {
      const std::size_t stop = *end;
      ++at_;
      append(readings, read_choices(stop));
      return;
    }
    const bool escaped = prompt_[at_] == '\\' && at_ + 1 < prompt_.size() && is_special(prompt_[at_ + 1]);
    if (escaped) ++at_;
    for (std::string& reading : readings) reading += prompt_[at_];
    ++at_;
  }

  // From behind the opening brace to behind the closing one at `stop`.
  Readings read_choices(std::size_t stop) {
    Readings all;
    while (at_ <= stop) {
      Readings one{""};
      while (at_ < stop && prompt_[at_] != '|') read_piece(one);
      all.insert(all.end(), one.begin(), one.end());
      if (all.size() > limit_) throw TooMany{};
      ++at_;
    }
    return all;
  }

  void append(Readings& readings, const Readings& choices) const {
    if (readings.size() * choices.size() > limit_) throw TooMany{};
    Readings longer;
    for (const std::string& reading : readings)
      for (const std::string& choice : choices) longer.push_back(reading + choice);
    readings = std::move(longer);
  }

  static bool is_special(char c) { return c == '{' || c == '|' || c == '}' || c == '\\'; }

  // Where the choices that open at `open` close; nothing when no choices open there.
  std::optional<std::size_t> choices_end(std::size_t open) const {
    if (prompt_[open] != '{') return std::nullopt;
    int depth = 0;
    bool bar = false;
    for (std::size_t i = open; i < prompt_.size(); ++i) {
      const char c = prompt_[i];
      if (c == '\\' && i + 1 < prompt_.size() && is_special(prompt_[i + 1])) ++i;
      else if (c == '{') ++depth;
      else if (c == '|' && depth == 1) bar = true;
      else if (c == '}' && --depth == 0) return bar ? std::optional(i) : std::nullopt;
    }
    return std::nullopt;
  }

  std::string_view prompt_;
  std::size_t limit_, at_ = 0;
};

std::unexpected<Error> refuse(std::vector<std::variant<std::string, std::int64_t>> loc, std::string type, Text message,
                              json::object context = {}) {
  FieldError error;
  error.loc = std::move(loc);
  error.type = std::move(type);
  error.message = std::move(message);
  error.context = std::move(context);
  return fail(Error::invalid(std::move(error)));
}

std::unexpected<Error> too_many(std::string member, std::size_t limit) {
  return refuse({std::string("body"), std::move(member)}, "too_many_tasks",
                {fmt::format("This stands for more than {} tasks.", limit), fmt::format("展开后超过 {} 个任务。", limit)},
                {{"limit", limit}});
}

Result<Readings> prompts_of(const json::object& request, std::size_t limit) {
  const auto* prompt = request.if_contains("prompt");
  if (!prompt || !prompt->is_string()) return Readings{};
  auto readings = expand_prompt(prompt->as_string(), limit);
  if (!readings) return too_many("request", limit);
  return std::move(*readings);
}

}  // namespace

std::optional<Readings> expand_prompt(std::string_view prompt, std::size_t limit) {
  try {
    return Reader(prompt, limit).read();
  } catch (const TooMany&) {
    return std::nullopt;
  }
}

Result<std::vector<json::object>> expand(const json::object& request, const json::object& sweep, std::size_t limit) {
  FLUX_TRY(prompts, prompts_of(request, limit));
  std::vector<json::object> all;
  if (prompts.empty()) all.push_back(request);
  for (const std::string& prompt : prompts) all.emplace_back(request)["prompt"] = prompt;
  for (const auto& [name, values] : sweep) {
    if (!values.is_array() || values.as_array().empty())
      return refuse({std::string("body"), std::string("sweep"), std::string(name)}, "list_type",
                    {"Expected a list of at least one value.", "应为至少一个值的列表。"});
    if (all.size() * values.as_array().size() > limit) return too_many("sweep", limit);
    std::vector<json::object> more;
    for (const json::object& one : all)
      for (const auto& value : values.as_array()) more.emplace_back(one)[name] = value;
    all = std::move(more);
  }
  return all;
}

}  // namespace fluxgate::tasks
