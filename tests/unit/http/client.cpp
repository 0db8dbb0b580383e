#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>

#include <gtest/gtest.h>

namespace fluxgate::http::test {

std::string Answer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

Client::Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{10, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(0, ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address));
}

Client::~Client() { close(); }

void Client::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void Client::finish_sending() { ::shutdown(socket_, SHUT_WR); }

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server may have closed: what it said is still to be read
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool Client::fill() {
  char buffer[16384];
  const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
  if (got < 0) EXPECT_NE(EAGAIN, errno) << "the server neither answered nor closed";
  if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
  return got > 0;
}

std::string Client::read_until(std::string_view end) {
  std::size_t at = in_.find(end);
  while (at == std::string::npos && fill()) at = in_.find(end);
  const std::size_t size = at == std::string::npos ? in_.size() : at + end.size();
  std::string out = in_.substr(0, size);
  in_.erase(0, size);
  return out;
}

std::string Client::read_all() {
  while (fill()) {
  }
  return std::exchange(in_, {});
}

Answer Client::read_answer(bool to_head) {
  Answer answer;
  const std::string head = read_until("\r\n\r\n");
  if (!head.ends_with("\r\n\r\n")) return answer;
  std::from_chars(head.data() + 9, head.data() + 12, answer.status);
  for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    answer.headers.emplace_back(std::move(name), head.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  if (to_head || answer.status == 204 || answer.status == 304 || answer.status == 100) return answer;
  if (answer.header("transfer-encoding") == "chunked") {
    for (;;) {
      const std::string line = read_until("\r\n");
      std::size_t size = 0;
      std::from_chars(line.data(), line.data() + line.size(), size, 16);
      while (in_.size() < size + 2 && fill()) {
      }
      answer.body.append(in_, 0, size);
      in_.erase(0, size + 2);
      if (size == 0) return answer;
    }
  }
  const std::string length = answer.header("content-length");
  if (length.empty()) {
    answer.body = read_all();
    return answer;
  }
  const std::size_t size = std::stoul(length);
  while (in_.size() < size && fill()) {
  }
  answer.body = in_.substr(0, size);
  in_.erase(0, size);
  return answer;
}

std::string get(std::string_view target, std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n{}\r\n", target, headers);
}

std::string post(std::string_view target, std::string_view body, std::string_view headers) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n{}\r\n{}", target, body.size(),
                     headers, body);
}

Response render_code(const Request*, const Error& error) {
  return Response::json(boost::json::object{{"code", error.code()}}, http_status(error.errc()));
}

TestServer::TestServer(Router router, ServerOptions options)
    : server_(std::move(options), std::move(router), render_code) {
  server_.start();
}

}  // namespace fluxgate::http::test
