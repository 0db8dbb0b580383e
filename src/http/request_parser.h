// Beast's incremental HTTP/1 parser, writing into a RequestHead instead of a Beast container, and
// handing body bytes out where they lie instead of copying them.
#pragma once

#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "http/request_head.h"

namespace fluxgate::http {

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // `head` outlives the parser.
  explicit RequestParser(RequestHead& head) : head_(head) { body_limit(boost::none); }

  // The body bytes the last `put` found, inside the buffer it was given; then none until the next.
  std::string_view take_piece() { return std::exchange(piece_, {}); }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  void on_request_impl(boost::beast::http::verb verb, string_view method, string_view target, int version,
                       error_code& ec) override;
  void on_response_impl(int code, string_view reason, int version, error_code& ec) override;
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& ec) override;
  void on_header_impl(error_code& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override;
  std::size_t on_body_impl(string_view body, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body, error_code& ec) override;
  void on_finish_impl(error_code& ec) override;

  RequestHead& head_;
  std::string_view piece_;
  bool in_header_ = true;
};

}  // namespace fluxgate::http
