// A request without a socket, for handlers.
#pragma once

#include <map>
#include <string>

#include "http/server.h"

namespace fluxgate::api {

class FakeRequest final : public http::Request {
 public:
  FakeRequest(std::string method, std::string path, std::string body = {})
      : method_(std::move(method)), path_(std::move(path)), body_(std::move(body)) {
    if (!body_.empty()) headers["content-type"] = "application/json";
    headers["host"] = "flux.example:8080";
  }

  std::string_view method() const override { return method_; }
  bool is_head() const override { return false; }
  std::string_view target() const override { return path_; }
  std::string_view path() const override { return path_; }
  std::string_view header(std::string_view name) const override { return find(headers, name); }
  HeaderList header_list() const override { return {headers.begin(), headers.end()}; }
  std::string_view remote_address() const override { return "192.0.2.7"; }
  std::string_view id() const override { return "request-1"; }
  std::optional<std::string> query(std::string_view name) const override {
    if (const auto found = queries.find(std::string(name)); found != queries.end()) return found->second;
    return std::nullopt;
  }
  std::string_view param(std::string_view name) const override { return find(params, name); }
  std::string_view cookie(std::string_view name) const override { return find(cookies, name); }
  bool over_tls() const override { return tls; }
  std::optional<std::uint64_t> content_length() const override {
    if (chunked) return std::nullopt;
    return announced.value_or(body_.size());
  }
  awaitable<Result<std::string>> read_body(std::size_t limit) override {
    ++reads;
    if (announced.value_or(body_.size()) > limit)
      co_return fail(Errc::payload_too_large, "body_too_large", {"Too large.", "过大。"});
    co_return body_;
  }
  awaitable<Result<std::string_view>> read_some(std::uint64_t) override {  // all, then the end
    co_return std::exchange(unread_, false) ? std::string_view(body_) : std::string_view();
  }

  std::map<std::string, std::string> headers, queries, params, cookies;
  std::optional<std::uint64_t> announced;
  bool tls = false, chunked = false;
  int reads = 0;

 private:
  static std::string_view find(const std::map<std::string, std::string>& map, std::string_view name) {
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (const auto found = map.find(lower); found != map.end()) return found->second;
    return {};
  }

  std::string method_, path_, body_;
  bool unread_ = true;
};

}  // namespace fluxgate::api
