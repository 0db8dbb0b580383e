#include "http/cors.h"

#include <algorithm>

namespace fluxgate::http {

Cors::Cors(std::vector<std::string> origins, const std::vector<std::string>& expose)
    : origins_(std::move(origins)) {
  any_ = std::ranges::find(origins_, "*") != origins_.end();
  for (const std::string& name : expose) expose_ += (expose_.empty() ? "" : ", ") + name;
}

bool Cors::allows(std::string_view origin) const {
  return !origin.empty() && (any_ || std::ranges::find(origins_, origin) != origins_.end());
}

void Cors::append_lines(std::string& out, std::string_view origin) const {
  if (!any_) out += "Vary: Origin\r\n";  // also without a match: a cache must not serve this to another
  if (!allows(origin)) return;
  out += "Access-Control-Allow-Origin: ";
  if (any_) {
    out += "*\r\n";
  } else {
    out.append(origin).append("\r\nAccess-Control-Allow-Credentials: true\r\n");
  }
  if (!expose_.empty()) out.append("Access-Control-Expose-Headers: ").append(expose_).append("\r\n");
}

HeaderList Cors::preflight(std::string_view requested_headers, std::string_view methods) const {
  HeaderList headers{{"Access-Control-Allow-Methods", std::string(methods)},
                     {"Access-Control-Max-Age", "600"}};
  if (!requested_headers.empty())
    headers.emplace_back("Access-Control-Allow-Headers", std::string(requested_headers));
  headers.emplace_back("Vary", "Access-Control-Request-Headers");
  return headers;
}

}  // namespace fluxgate::http
