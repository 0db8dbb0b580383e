// One `fluxgate serve` as a child process in a folder of its own.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace fluxgate::integration {

// A folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Polls until `holds` or the time is over; what it said last.
bool eventually(const std::function<bool()>& holds, std::chrono::seconds limit = std::chrono::seconds(120));

struct Finished {
  int exit_code = -1;  // -1: ended by a signal
  std::string output;  // both streams
};
// Runs the program to its end: {"db", "verify", …}.
Finished run_program(std::vector<std::string> arguments);

// One `fluxgate sandbox`, an upstream of its own.
class SandboxProcess {
 public:
  explicit SandboxProcess(std::vector<std::string> arguments = {});
  ~SandboxProcess();
  SandboxProcess(const SandboxProcess&) = delete;
  const std::string& base_url() const { return base_url_; }
  void kill();
  void freeze();     // SIGSTOP: it stalls with its connections open
  void thaw();
  // The same upstream with the same memory, on the same port, with other arguments.
  void start_again(std::vector<std::string> arguments);
  // One of its counters since it was started: posts, accepted, status, …
  std::int64_t count(const std::string& what) const;

 private:
  void start(const std::vector<std::string>& arguments, const std::string& port);

  TempFolder folder_;
  pid_t pid_ = -1;
  std::string base_url_, port_;
};

// For as long as it lives, bytes that nobody refers to go at once instead of after the 15 minutes, the least that the API
// allows: who is just storing the same would lose them.
class WithoutGrace {
 public:
  explicit WithoutGrace(std::filesystem::path data_folder);
  ~WithoutGrace();
  WithoutGrace(const WithoutGrace&) = delete;
  WithoutGrace& operator=(const WithoutGrace&) = delete;

 private:
  const std::filesystem::path folder_;
};

class ServerProcess {
 public:
  using Environment = std::map<std::string, std::string>;
  // The program inherits nothing of the test's own environment but PATH, and what `environment` sets.
  ServerProcess(std::filesystem::path data_folder, std::vector<std::string> arguments,
                Environment environment);
  ~ServerProcess();

  // Starts and waits until /health answers. Throws with the log when it does not.
  void start();
  void start_only();  // and does not wait
  void kill();       // SIGKILL, and waits for the end
  void freeze();     // SIGSTOP
  void thaw();       // SIGCONT
  void terminate();  // SIGTERM
  int stop();        // SIGTERM, and waits; the exit code
  const std::string& base_url() const { return base_url_; }
  std::string log() const;

 private:
  int wait_for_end();

  const std::filesystem::path folder_;
  const std::vector<std::string> arguments_;
  const Environment environment_;
  pid_t pid_ = -1;
  std::string base_url_;
};

}  // namespace fluxgate::integration
