// multipart/form-data (RFC 7578, RFC 2046 §5.1) without I/O: fed with bytes in pieces of any size, it
// hands out part headers and part data. Looks at the pieces where they are; only what a piece leaves undecided (the
// beginning of a delimiter, half a part header) is copied, so that its memory does not depend on the size of the parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/multipart.h"

namespace fluxgate::http {

// The boundary of a Content-Type value; nullopt when it is not multipart/form-data with a valid one.
std::optional<std::string> multipart_boundary(std::string_view content_type);

class MultipartParser {
 public:
  enum class Event {
    need_more,  // feed, or say that the input has ended
    header,     // `header()` is the new part's
    data,       // `data()` is the next piece of the part, not empty
    part_end,
    end,  // after the last part; what follows it is ignored
  };

  explicit MultipartParser(const std::string& boundary);
  MultipartParser(const MultipartParser&) = delete;
  MultipartParser& operator=(const MultipartParser&) = delete;

  // Only after need_more (or before the first `next`). The bytes stay where they are until the next need_more.
  void feed(std::string_view bytes);
  // need_more when there is no more input means that the body was cut off.
  // bad_request when the input is no multipart body or breaks a limit.
  Result<Event> next();
  const PartHeader& header() const { return header_; }
  std::string_view data() const { return data_; }  // until the next call

 private:
  enum class State { preamble, after_delimiter, header, data, done };
  Event take_data();
  Result<std::optional<Event>> take_delimiter();
  Result<Event> take_header();
  Event starve();
  std::string_view rest() const { return input_.substr(used_); }

  const std::string delimiter_;  // CRLF, two dashes, boundary
  std::string buffer_;      // what the last piece left, and then with the next one behind it
  std::string_view input_;  // buffer_, or the fed piece when nothing was left
  std::size_t used_ = 0;    // bytes of input_ that were handed out
  State state_ = State::preamble;
  bool in_part_ = false;
  bool at_line_end_ = false;  // the line end after a part's header is still at the front of the rest
  int parts_ = 0;
  PartHeader header_;
  std::string_view data_;
};

}  // namespace fluxgate::http
