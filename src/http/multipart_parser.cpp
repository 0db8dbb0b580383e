#include "http/multipart_parser.h"

#include <cstring>

#include "http/request_head.h"
#include "http/url.h"

namespace fluxgate::http {
namespace {

constexpr std::size_t kHeaderMax = 8 * 1024;
constexpr std::size_t kPaddingMax = 128;  // spaces between a boundary and its line end
constexpr int kPartsMax = 1000;

std::unexpected<Error> malformed(const char* what) {
  return fail(Error(Errc::bad_request, "malformed_multipart",
                    {"The multipart body is malformed.", "multipart 请求体格式错误。"})
                  .with("reason", what));
}

// As std::string_view::find, which stops at every carriage return of a film.
std::size_t find(std::string_view text, std::string_view what) {
  const void* found = ::memmem(text.data(), text.size(), what.data(), what.size());
  return found == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

// One parameter after a semicolon: name=token or name="quoted". Only \" and \\ are escapes: browsers
// of old sent Windows paths with single backslashes.
struct Parameter {
  std::string name, value;
};
std::optional<Parameter> take_parameter(std::string_view& text) {
  const std::size_t start = text.find_first_not_of("; \t");
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start);
  const std::size_t equals = text.find_first_of("=;");
  Parameter parameter{std::string(trim(text.substr(0, equals))), ""};
  if (equals == std::string_view::npos || text[equals] == ';') {
    text = equals == std::string_view::npos ? std::string_view() : text.substr(equals);
    return parameter;
  }
  text = trim(text.substr(equals + 1));
  if (!text.starts_with('"')) {
    const std::size_t end = std::min(text.find(';'), text.size());
    parameter.value = trim(text.substr(0, end));
    text.remove_prefix(end);
    return parameter;
  }
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    parameter.value += text[i];
  }
  text.remove_prefix(std::min(i + 1, text.size()));
  return parameter;
}

bool is_boundary(std::string_view text) {
  static constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ";
  return !text.empty() && text.size() <= 70 && text.find_first_not_of(kAllowed) == std::string_view::npos &&
         text.back() != ' ';
}

// UTF-8''%E5%9B%BE.png (RFC 8187), as old Python clients name files beyond ASCII; RFC 7578 knows no such thing.
std::optional<std::string> extended_value(std::string_view text) {
  const std::size_t charset = text.find('\''), language = charset == text.npos ? charset : text.find('\'', charset + 1);
  if (language == text.npos || !equals_ignoring_case(text.substr(0, charset), "UTF-8")) return std::nullopt;
  return decode_path(text.substr(language + 1));
}

bool read_disposition(std::string_view value, PartHeader& header) {
  const std::size_t end = std::min(value.find(';'), value.size());
  if (!equals_ignoring_case(trim(value.substr(0, end)), "form-data")) return false;
  value.remove_prefix(end);
  bool named = false, extended = false;
  while (auto parameter = take_parameter(value)) {
    if (equals_ignoring_case(parameter->name, "name")) {
      header.name = std::move(parameter->value);
      named = true;
    } else if (equals_ignoring_case(parameter->name, "filename")) {
      if (!extended) header.file_name = std::move(parameter->value);
    } else if (equals_ignoring_case(parameter->name, "filename*")) {
      if (auto name = extended_value(parameter->value)) {
        header.file_name = std::move(*name);
        extended = true;  // wins, wherever it stands (RFC 6266 §4.3)
      }
    }
  }
  return named;
}

// `text` is the lines of a part's header, each with its CRLF.
bool read_part_header(std::string_view text, PartHeader& header) {
  header = {};
  bool disposed = false;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || line.find('\0') != std::string_view::npos)
      return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-disposition")) {
      if (std::exchange(disposed, true) || !read_disposition(value, header)) return false;
    } else if (equals_ignoring_case(name, "content-type")) {
      header.content_type = value;
    }
  }
  return disposed;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const std::size_t end = std::min(content_type.find(';'), content_type.size());
  if (!equals_ignoring_case(trim(content_type.substr(0, end)), "multipart/form-data")) return std::nullopt;
  content_type.remove_prefix(end);
  while (auto parameter = take_parameter(content_type))
    if (equals_ignoring_case(parameter->name, "boundary") && is_boundary(parameter->value))
      return std::move(parameter->value);
  return std::nullopt;
}

// The first boundary may open the body without a line end before it: one is put there.
MultipartParser::MultipartParser(const std::string& boundary)
    : delimiter_("\r\n--" + boundary), buffer_("\r\n"), input_(buffer_) {}

void MultipartParser::feed(std::string_view bytes) {
  input_ = buffer_.empty() ? bytes : std::string_view(buffer_.append(bytes));
  used_ = 0;
}

// Keeps what is undecided: the fed piece may go.
MultipartParser::Event MultipartParser::starve() {
  buffer_ = std::string(rest());
  input_ = buffer_;
  used_ = 0;
  return Event::need_more;
}

Result<MultipartParser::Event> MultipartParser::next() {
  for (;;) {
    switch (state_) {
      case State::preamble:
      case State::data: {
        const Event event = take_data();
        if (event == Event::data && state_ == State::preamble) continue;
        if (event != Event::part_end) return event;
        state_ = State::after_delimiter;
        continue;
      }
      case State::after_delimiter: {
        FLUX_TRY(event, take_delimiter());
        if (event) return *event;
        continue;
      }
      case State::header: return take_header();
      case State::done: return Event::end;
    }
  }
}

// Hands out what cannot be the start of a delimiter; part_end stands for a delimiter found, which is
// left in place: whether it is one shows only after it.
MultipartParser::Event MultipartParser::take_data() {
  std::string_view left = rest();
  if (left.starts_with(delimiter_)) return Event::part_end;
  if (at_line_end_) {
    if (std::string_view(delimiter_).starts_with(left)) return starve();
    at_line_end_ = false;
    used_ += 2;
    left = rest();
  }
  const std::size_t at = find(left, delimiter_);
  if (at == 0) return Event::part_end;
  std::size_t size = at;
  if (at == std::string_view::npos) {
    // Keep the longest tail that a delimiter may continue.
    std::size_t tail = std::min(left.size(), delimiter_.size() - 1);
    while (tail > 0 && !left.ends_with(std::string_view(delimiter_).substr(0, tail))) --tail;
    size = left.size() - tail;
  }
  if (size == 0) return starve();
  data_ = left.substr(0, size);
  used_ += size;
  return Event::data;
}

// At a delimiter: "--" ends the body, a line end starts a part, and anything else shows that it was
// data that only began like one. nullopt = go on in the new state.
Result<std::optional<MultipartParser::Event>> MultipartParser::take_delimiter() {
  const std::string_view after = rest().substr(delimiter_.size());
  const std::size_t padding = std::min(after.find_first_not_of(" \t"), after.size());
  const std::string_view line_end = after.substr(padding, 2);
  const bool closes = after.starts_with("--");
  const bool opens = line_end == "\r\n" && padding <= kPaddingMax;
  if (!closes && !opens) {
    const bool undecided = after == "-" || (line_end.size() < 2 && (line_end.empty() || line_end == "\r"));
    if (undecided && padding <= kPaddingMax) return starve();
    data_ = rest().substr(at_line_end_ ? 2 : 0, delimiter_.size() - (at_line_end_ ? 2 : 0));
    at_line_end_ = false;
    used_ += delimiter_.size();
    state_ = in_part_ ? State::data : State::preamble;
    if (!in_part_) return std::optional<Event>();
    return Event::data;
  }
  const bool ended_part = std::exchange(in_part_, false);
  at_line_end_ = false;
  if (closes) {
    used_ += delimiter_.size() + 2;
    state_ = State::done;
    return ended_part ? Event::part_end : Event::end;
  }
  if (++parts_ > kPartsMax) return malformed("too many parts");
  used_ += delimiter_.size() + padding;  // the line end stays: it is where an empty header begins
  state_ = State::header;
  if (ended_part) return Event::part_end;
  return std::optional<Event>();
}

Result<MultipartParser::Event> MultipartParser::take_header() {
  const std::string_view left = rest();
  const std::size_t end = left.find("\r\n\r\n");
  if (std::min(end, left.size()) > kHeaderMax) return malformed("a part's header is too large");
  if (end == std::string_view::npos) return starve();
  if (end == 0 || !read_part_header(left.substr(2, end), header_))
    return malformed("a part has no Content-Disposition: form-data with a name");
  // The last line end stays: in a part without a body it belongs to the delimiter (RFC 2046 §5.1.1).
  used_ += end + 2;
  at_line_end_ = true;
  state_ = State::data;
  in_part_ = true;
  return Event::header;
}

}  // namespace fluxgate::http
