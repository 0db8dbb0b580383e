#include "base/json_text.h"

#include <cmath>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

namespace fluxgate {
namespace {

namespace json = boost::json;

void append(std::string& out, const json::value& value);

void append(std::string& out, const json::array& list) {
  out += '[';
  bool first = true;
  for (const json::value& item : list) {
    if (!first) out += ',';
    first = false;
    append(out, item);
  }
  out += ']';
}

// Escaped as RFC 8259 §7 demands; most texts need none of it.
void append(std::string& out, std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; });
  if (!plain) {
    out += json::serialize(json::string_view(text.data(), text.size()));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void append(std::string& out, const json::object& object) {
  out += '{';
  bool first = true;
  for (const auto& [name, value] : object) {
    if (!first) out += ',';
    first = false;
    append(out, std::string_view(name));
    out += ':';
    append(out, value);
  }
  out += '}';
}

void append(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::object: return append(out, value.get_object());
    case json::kind::array: return append(out, value.get_array());
    case json::kind::string: return append(out, std::string_view(value.get_string()));
    case json::kind::int64: fmt::format_to(std::back_inserter(out), "{}", value.get_int64()); return;
    case json::kind::uint64: fmt::format_to(std::back_inserter(out), "{}", value.get_uint64()); return;
    case json::kind::bool_: out += value.get_bool() ? "true" : "false"; return;
    case json::kind::null: out += "null"; return;
    case json::kind::double_:
      if (std::isfinite(value.get_double()))
        fmt::format_to(std::back_inserter(out), "{}", value.get_double());
      else
        out += "null";  // JSON has no other word for it
      return;
  }
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace fluxgate
