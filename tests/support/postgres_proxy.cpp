#include "postgres_proxy.h"

#include <string_view>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace fluxgate::test {

Proxy::Proxy(std::string server_socket) : server_socket_(std::move(server_socket)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t length = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  ::listen(listener_, 64);
  acceptor_ = std::thread([this] { accept_all(); });
}

Proxy::~Proxy() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& line : lines_) line.join();
  ::close(listener_);
}

void Proxy::accept_all() {
  for (;;) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    lines_.emplace_back([this, client] { carry(client); });
  }
}

void Proxy::carry(int client) {
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  server_socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
    while (!stopping_ && pass(client, server)) {
    }
  ::close(server);
  ::close(client);
}

// False when the line is to end.
bool Proxy::pass(int client, int server) {
  pollfd watched[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
  ::poll(watched, 2, 50);
  char bytes[65536];
  if (watched[0].revents != 0) {
    const auto got = ::read(client, bytes, sizeof bytes);
    if (got <= 0) return false;
    ++journeys;
    const bool commit = std::string_view(bytes, static_cast<std::size_t>(got)).find("COMMIT") != std::string_view::npos;
    const Cut cut = commit ? cut_at_commit.exchange(Cut::never) : Cut::never;
    if (cut == Cut::before && at_cut) at_cut();
    if (cut == Cut::before) return false;
    if (::send(server, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) return false;
    if (cut == Cut::after) {
      static_cast<void>(::read(server, bytes, sizeof bytes));  // it is done
      if (at_cut) at_cut();
      return false;
    }
  }
  if (watched[1].revents != 0) {
    const auto got = ::read(server, bytes, sizeof bytes);
    if (got <= 0 || ::send(client, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) return false;
  }
  return true;
}

}  // namespace fluxgate::test
