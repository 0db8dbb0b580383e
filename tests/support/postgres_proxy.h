// Stands between a database and its server on a port of this machine, and cuts the line at a COMMIT: before the
// server hears of it, or after it has done it and before the client hears of that.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace fluxgate::test {

class Proxy {
 public:
  enum class Cut { never, before, after };

  explicit Proxy(std::string server_socket);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  int port() const { return port_; }
  // Holds for the next COMMIT only.
  std::atomic<Cut> cut_at_commit{Cut::never};
  // How often the clients sent something.
  std::atomic<int> journeys{0};
  // Called between a COMMIT that was cut and the end of its line. Set before use.
  std::function<void()> at_cut;

 private:
  void accept_all();
  void carry(int client);
  bool pass(int client, int server);

  const std::string server_socket_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::vector<std::thread> lines_;
};

}  // namespace fluxgate::test
