// The start line and header of one request, kept in one growing block that the connection reuses for
// its next request: parsing a request allocates nothing once the block has its size. Views returned
// live until `clear`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.h"

namespace fluxgate::http {

class RequestHead {
 public:
  void clear();
  // Gives memory back that an unusually large header left behind.
  void shrink();

  void set_request_line(std::string_view method, std::string_view target, int version);
  void add_field(std::string_view name, std::string_view value);
  // Splits the target (RFC 9112 §3.2: origin, absolute or asterisk form) and decodes its path. False
  // when it is malformed or unsafe (url.h, is_clean_path).
  bool resolve_target();

  std::string_view method() const { return at(method_); }
  std::string_view target() const { return at(target_); }  // path and query, as sent
  std::string_view raw_path() const;                       // as sent, without the query
  std::string_view path() const { return decoded_ ? std::string_view(*decoded_) : raw_path(); }
  int version() const { return version_; }  // 10 or 11

  std::string_view field(std::string_view name) const;  // case-insensitive; the first; "" if absent
  std::size_t count(std::string_view name) const;
  HeaderList fields() const;  // all of them, names in lower case
  std::optional<std::string> query(std::string_view name) const;
  std::string_view cookie(std::string_view name) const;

 private:
  struct Piece {
    std::uint32_t offset = 0, size = 0;
  };
  struct Field {
    Piece name, value;
  };
  Piece keep(std::string_view text);
  std::string_view at(Piece piece) const { return std::string_view(text_).substr(piece.offset, piece.size); }

  std::string text_;
  std::vector<Field> fields_;
  Piece method_, target_;
  std::uint32_t path_size_ = 0;
  int version_ = 11;
  std::optional<std::string> decoded_;
};

// ASCII only, as header names and tokens are (RFC 9110 §5.1).
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);

}  // namespace fluxgate::http
