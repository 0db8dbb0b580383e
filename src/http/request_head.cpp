#include "http/request_head.h"

#include "http/url.h"

namespace fluxgate::http {
namespace {

constexpr std::size_t kKeptBytes = 4096;
constexpr std::size_t kKeptFields = 64;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void RequestHead::clear() {
  text_.clear();
  fields_.clear();
  method_ = target_ = {};
  path_size_ = 0;
  decoded_.reset();
}

void RequestHead::shrink() {
  if (text_.capacity() > kKeptBytes) text_.shrink_to_fit();
  if (fields_.capacity() > kKeptFields) fields_.shrink_to_fit();
}

RequestHead::Piece RequestHead::keep(std::string_view text) {
  const Piece piece{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())};
  text_.append(text);
  return piece;
}

void RequestHead::set_request_line(std::string_view method, std::string_view target, int version) {
  method_ = keep(method);
  target_ = keep(target);
  version_ = version;
}

void RequestHead::add_field(std::string_view name, std::string_view value) {
  const Piece kept_name = keep(name);
  fields_.push_back({kept_name, keep(value)});
}

bool RequestHead::resolve_target() {
  std::string_view text = target();
  if (const std::size_t scheme = text.find("://");
      scheme != std::string_view::npos && !text.starts_with('/')) {
    const std::size_t start = text.find_first_of("/?", scheme + 3);
    if (start == std::string_view::npos || text[start] != '/') {
      target_ = keep("/");
    } else {
      target_.offset += static_cast<std::uint32_t>(start);
      target_.size -= static_cast<std::uint32_t>(start);
    }
    text = target();
  }
  if (text.find('#') != std::string_view::npos) return false;
  path_size_ = static_cast<std::uint32_t>(std::min(text.find('?'), text.size()));
  if (text == "*") return method() == "OPTIONS";
  if (!text.starts_with('/')) return false;
  const std::string_view raw = raw_path();
  if (raw.find('%') != std::string_view::npos) {
    decoded_ = decode_path(raw);
    if (!decoded_) return false;
  }
  return is_clean_path(path());
}

std::string_view RequestHead::raw_path() const { return target().substr(0, path_size_); }

std::string_view RequestHead::field(std::string_view name) const {
  for (const Field& field : fields_)
    if (field.name.size == name.size() && equals_ignoring_case(at(field.name), name)) return at(field.value);
  return {};
}

std::size_t RequestHead::count(std::string_view name) const {
  std::size_t n = 0;
  for (const Field& field : fields_)
    if (field.name.size == name.size() && equals_ignoring_case(at(field.name), name)) ++n;
  return n;
}

HeaderList RequestHead::fields() const {
  HeaderList list;
  list.reserve(fields_.size());
  for (const Field& field : fields_) {
    std::string name(at(field.name));
    for (char& c : name) c = lower(c);
    list.emplace_back(std::move(name), at(field.value));
  }
  return list;
}

std::optional<std::string> RequestHead::query(std::string_view name) const {
  std::string_view rest = target().substr(path_size_);
  if (!rest.empty()) rest.remove_prefix(1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view raw_name = pair.substr(0, equals);
    if (raw_name != name) {
      if (raw_name.find_first_of("%+") == std::string_view::npos) continue;
      if (const auto decoded = decode_query(raw_name); !decoded || *decoded != name) continue;
    }
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    // A value that is no valid encoding is handed on as it was sent: the handler's own check names it.
    return decode_query(value).value_or(std::string(value));
  }
  return std::nullopt;
}

std::string_view RequestHead::cookie(std::string_view name) const {
  for (const Field& field : fields_) {
    if (!equals_ignoring_case(at(field.name), "cookie")) continue;
    std::string_view rest = at(field.value);
    while (!rest.empty()) {
      const std::size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return {};
}

}  // namespace fluxgate::http
