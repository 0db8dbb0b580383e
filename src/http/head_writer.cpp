#include "http/head_writer.h"

#include <boost/beast/http/status.hpp>

#include <charconv>

#include "http/request_head.h"

namespace fluxgate::http {

void append_status_line(std::string& out, int status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  constexpr int kChecksumMismatch = 460;  // tus 1.0.0's own; Beast does not know it
  const auto known = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  const std::string_view reason = status == kChecksumMismatch ? "Checksum Mismatch" : std::string_view(known.data(), known.size());
  out += fmt::format("HTTP/1.1 {} {}\r\n", status, reason);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const std::size_t start = out.size();
  out.append(value);
  for (std::size_t i = start; i < out.size(); ++i)
    if (out[i] == '\r' || out[i] == '\n' || out[i] == '\0') out[i] = ' ';
  out += "\r\n";
}

void append_headers(std::string& out, const HeaderList& headers, EtagForm etag) {
  static constexpr std::string_view kOurs[] = {"content-length", "transfer-encoding", "connection", "date",
                                               "x-request-id"};
  for (const auto& [name, value] : headers) {
    const auto same = [&](std::string_view ours) { return equals_ignoring_case(ours, name); };
    if (std::ranges::any_of(kOurs, same)) continue;
    if (etag == EtagForm::weak && same("etag") && value.starts_with('"'))
      append_header(out, name, "W/" + value);
    else
      append_header(out, name, value);
  }
}

void append_content_length(std::string& out, std::uint64_t length) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, length).ptr;
  out.append("Content-Length: ").append(digits, end).append("\r\n");
}

std::string_view find_header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (equals_ignoring_case(key, name)) return value;
  return {};
}

}  // namespace fluxgate::http
