// A blocking HTTP client for tests, on libcurl. One connection after another: what a test sees does not
// depend on what the one before left open.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/http_message.h"

namespace fluxgate::integration {

// One part of a form; `file_name` "" makes it a plain field.
struct Part {
  std::string name, file_name, bytes;
  std::string content_type = "application/octet-stream";
};

struct Call {
  std::string method = "GET";
  std::string path;   // with the query
  std::string token;  // "" = none
  std::optional<boost::json::value> json;
  std::string body;  // as it is, when there is no `json`
  HeaderList headers;
  std::vector<Part> parts;  // a multipart body
  std::optional<std::uint64_t>
      announce;  // Content-Length of a body of zeros that is sent as far as it is taken
  // For streams: called with what has come so far; true ends the call.
  std::function<bool(const std::string&)> enough;
  bool off_contract = false;  // not held against the contract (malformed on purpose, other products' paths)
};

struct Answer {
  int status = 0;      // 0: no answer came; see `failure`
  HeaderList headers;  // names in lower case
  std::string body;
  std::string failure;
  std::uint64_t uploaded = 0;  // bytes of the body that went out

  std::string header(std::string_view name) const;
  boost::json::value json() const;  // null when the body is none
  std::string code() const;         // the member of refusals, or ""
};

class Contract;

class Client {
 public:
  // Every exchange is shown to `contract` unless it is null.
  Client(std::string base_url, Contract* contract) : base_url_(std::move(base_url)), contract_(contract) {}
  Answer send(const Call& call) const;
  const std::string& base_url() const { return base_url_; }

  Answer get(std::string path, std::string token = {}) const;
  Answer post(std::string path, std::string token, boost::json::value body, HeaderList headers = {}) const;
  Answer put(std::string path, std::string token, boost::json::value body) const;
  Answer del(std::string path, std::string token) const;

 private:
  std::string base_url_;
  Contract* contract_;
};

}  // namespace fluxgate::integration
