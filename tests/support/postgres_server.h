// A real PostgreSQL server from Debian's package, in a temporary folder, for the life of a test program. It
// listens on a socket in that folder only. Started on first use; ends with the program, however that ends.
#pragma once

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace fluxgate::test {

class PostgresServer {
 public:
  // The program's server. Tests that stop or break it make one of their own.
  static PostgresServer& shared();

  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A new, empty database; its URL.
  std::string new_database();
  // One with all that is in another, to which nobody is connected.
  std::string copy_of(const std::string& url);
  std::string url(const std::string& database) const;
  // Through a PgBouncer in front of it, started for this mode on first use: "session", "transaction", "statement".
  std::string pooled_url(const std::string& database, const std::string& mode);
  // Of its socket.
  std::string socket() const { return (folder_ / ".s.PGSQL.5432").string(); }

  // As a crash of the machine, without a last word to anybody; the data stays.
  void stop();
  // Returns when it answers.
  void start();
  // Stands still with all its processes, connections and all, until thawed.
  void freeze() { send_all(SIGSTOP); }
  void thaw() { send_all(SIGCONT); }

 private:
  std::string new_database(const std::string& model);
  void make_folder();
  void send_all(int signal);
  // Starts a program as PostgreSQL's user. It is sent SIGQUIT when the thread that started it ends, so that is one
  // that lives as long as this object, whoever calls.
  pid_t spawn(std::vector<std::string> words, const std::filesystem::path& log);
  void keep();

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  std::vector<std::pair<std::string, pid_t>> poolers_;  // by mode
  int databases_ = 0;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::function<void()> order_;
  bool ended_ = false;
  std::thread keeper_;
};

}  // namespace fluxgate::test
