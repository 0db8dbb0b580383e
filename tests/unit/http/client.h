// A raw TCP client that a test scripts byte by byte, and a Server on a free port beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace fluxgate::http::test {

// One answer as it came over the wire.
struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // chunks joined

  std::string header(std::string_view name) const;  // the first; "" if absent
};

// Blocking, with a ten-second limit on every read: a test that hangs fails with a message instead.
class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;

  void send(std::string_view bytes);
  void finish_sending();  // half-close
  void close();
  // One whole answer; `to_head` when the request was HEAD. Status 0 when the connection ended instead.
  Answer read_answer(bool to_head = false);
  std::string read_until(std::string_view end);  // up to and including it, or what came before the end
  std::string read_all();                        // until the server closes
  bool is_closed() { return read_all().empty(); }
  Answer ask(std::string_view request) {
    send(request);
    return read_answer();
  }

 private:
  bool fill();
  int socket_ = -1;
  std::string in_;
};

// "GET /x HTTP/1.1\r\nHost: test\r\n…\r\n\r\n"; `headers` end each in CRLF.
std::string get(std::string_view target, std::string_view headers = "");
std::string post(std::string_view target, std::string_view body, std::string_view headers = "");

// {"code": …} and the status of the Errc, enough to see what the library reported.
Response render_code(const Request* request, const Error& error);

class TestServer {
 public:
  explicit TestServer(Router router, ServerOptions options = {});
  ~TestServer() { server_.stop(std::chrono::milliseconds(0)); }
  std::uint16_t port() const { return server_.port(); }
  Server& operator*() { return server_; }
  Server* operator->() { return &server_; }
  Answer ask(std::string_view request) { return Client(port()).ask(request); }

 private:
  Server server_;
};

}  // namespace fluxgate::http::test
