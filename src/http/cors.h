// Cross-origin resource sharing (Fetch standard §3.2) by configuration: a list of origins, or "*".
// Listed origins may send cookies; with "*" nobody may, since that would hand every site the session.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.h"

namespace fluxgate::http {

class Cors {
 public:
  Cors(std::vector<std::string> origins, const std::vector<std::string>& expose);

  bool enabled() const { return any_ || !origins_.empty(); }
  bool allows(std::string_view origin) const;
  // Header lines for every answer, errors too, or a browser could not read them.
  void append_lines(std::string& out, std::string_view origin) const;
  // What a preflight's answer needs besides those lines. `methods` is the path's Allow list.
  HeaderList preflight(std::string_view requested_headers, std::string_view methods) const;

 private:
  std::vector<std::string> origins_;
  std::string expose_;
  bool any_ = false;
};

}  // namespace fluxgate::http
