#include "http/request_parser.h"

namespace fluxgate::http {

void RequestParser::on_request_impl(boost::beast::http::verb, string_view method, string_view target,
                                    int version, error_code& ec) {
  head_.set_request_line(method, target, version);
  ec = {};
}

void RequestParser::on_response_impl(int, string_view, int, error_code& ec) { ec = {}; }

void RequestParser::on_field_impl(boost::beast::http::field, string_view name, string_view value,
                                  error_code& ec) {
  // Trailer fields are read over: none of ours means anything (RFC 9110 §6.5.1).
  if (in_header_) head_.add_field(name, value);
  ec = {};
}

void RequestParser::on_header_impl(error_code& ec) {
  in_header_ = false;
  ec = {};
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>&, error_code& ec) { ec = {}; }

std::size_t RequestParser::on_body_impl(string_view body, error_code& ec) {
  piece_ = body;
  ec = {};
  return body.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t, string_view, error_code& ec) { ec = {}; }

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) {
  piece_ = body;
  ec = {};
  return body.size();
}

void RequestParser::on_finish_impl(error_code& ec) { ec = {}; }

}  // namespace fluxgate::http
