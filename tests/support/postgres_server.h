// A real PostgreSQL server from Debian's package, in a temporary folder, for the life of a test program. It
// listens on a socket in that folder only. Started on first use; ends with the program, however that ends.
#pragma once

#include <filesystem>
#include <string>

#include <sys/types.h>

namespace fluxgate::test {

class PostgresServer {
 public:
  // The program's server.
  static PostgresServer& shared();

  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;

  // A new, empty database; its URL.
  std::string new_database();

 private:
  std::string url(const std::string& database) const;
  void start();

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int databases_ = 0;
};

}  // namespace fluxgate::test
