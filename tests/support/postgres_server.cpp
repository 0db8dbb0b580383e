#include "postgres_server.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/crypto.h"

extern char** environ;

namespace fluxgate::test {
namespace {

namespace fs = std::filesystem;

fs::path programs() {
  fs::path newest;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
    if (fs::exists(version.path() / "bin/postgres") && version.path() > newest) newest = version.path();
  if (newest.empty()) throw std::runtime_error("PostgreSQL is not installed: scripts/test installs it");
  return newest / "bin";
}

// PostgreSQL refuses to run as root; Debian's package brings a user for it. The server goes when we do.
pid_t spawn_here(std::vector<std::string> words, const fs::path& log) {
  std::vector<std::string> all{"/usr/bin/setpriv", "--pdeathsig", "QUIT"};
  if (::geteuid() == 0) all.insert(all.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  // A shell lets what it starts in the background ignore SIGQUIT, which is what we end servers with.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t quit;
  ::sigemptyset(&quit);
  ::sigaddset(&quit, SIGQUIT);
  posix_spawnattr_setsigdefault(&attributes, &quit);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, argv.front(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("setpriv cannot be started");
  return pid;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The log is ours: the server's user writes through the descriptor it is given.
fs::path log_of(const fs::path& folder) { return fs::temp_directory_path() / (folder.filename().string() + ".log"); }

bool answers(const std::string& url) {
  PGconn* connection = PQconnectdb(url.c_str());
  const bool ok = PQstatus(connection) == CONNECTION_OK;
  PQfinish(connection);
  return ok;
}

}  // namespace

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::PostgresServer() : folder_(fs::temp_directory_path() / ("fluxgate-postgres-" + crypto::random_hex(6))) {
  keeper_ = std::thread([this] { keep(); });
  make_folder();
  start();
}

void PostgresServer::keep() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || order_; });
    if (ended_) return;
    std::exchange(order_, nullptr)();
    changed_.notify_all();
  }
}

pid_t PostgresServer::spawn(std::vector<std::string> words, const fs::path& log) {
  pid_t pid = -1;
  std::exception_ptr error;
  bool done = false;
  std::unique_lock lock(mutex_);
  order_ = [&] {
    try {
      pid = spawn_here(words, log);
    } catch (...) {
      error = std::current_exception();
    }
    done = true;
  };
  changed_.notify_all();
  changed_.wait(lock, [&done] { return done; });
  if (error) std::rethrow_exception(error);
  return pid;
}

void PostgresServer::make_folder() {
  fs::create_directories(folder_);
  if (::geteuid() == 0) {
    const passwd* owner = ::getpwnam("postgres");
    if (owner == nullptr || ::chown(folder_.c_str(), owner->pw_uid, owner->pw_gid) != 0)
      throw std::runtime_error("the folder cannot be given to the user postgres");
  }
  const fs::path log = log_of(folder_);
  const pid_t made = spawn({(programs() / "initdb").string(), "-D", (folder_ / "data").string(), "-A", "trust", "-U", "postgres",
                            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"}, log);
  int status = 0;
  ::waitpid(made, &status, 0);
  if (status != 0) throw std::runtime_error("initdb failed:\n" + read_file(log));
}

void PostgresServer::start() {
  // The machine does not fail in these tests, only processes do: the disk need not be waited for.
  const fs::path log = log_of(folder_);
  pid_ = spawn({(programs() / "postgres").string(), "-D", (folder_ / "data").string(), "-k", folder_.string(), "-c",
                "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB"}, log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!answers(url("postgres"))) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("PostgreSQL did not come up:\n" + read_file(log));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  fs::remove(log);
}

void PostgresServer::send_all(int signal) {
  if (pid_ <= 0) return;  // stopped: -1 would be every process there is
  ::kill(pid_, signal);  // first, so that no child is born meanwhile
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string pid, name, state, parent;
    if (file >> pid >> name >> state >> parent && parent == std::to_string(pid_)) ::kill(std::stoi(pid), signal);
  }
}

void PostgresServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGQUIT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string PostgresServer::pooled_url(const std::string& database, const std::string& mode) {
  auto known = std::ranges::find(poolers_, mode, &std::pair<std::string, pid_t>::first);
  const auto port = 6432 + (known - poolers_.begin());  // names the socket only
  const std::string url = fmt::format("postgresql:///{}?host={}&port={}&user=postgres", database, folder_.string(), port);
  if (known != poolers_.end()) return url;
  const fs::path settings = folder_ / (mode + ".ini"), log = folder_ / (mode + ".log");
  std::ofstream(settings) << fmt::format(
      "[databases]\n* = host={0} port=5432 user=postgres\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {0}\nlisten_port = {1}\n"
      "auth_type = any\npool_mode = {2}\ndefault_pool_size = 50\n",
      folder_.string(), port, mode);
  poolers_.emplace_back(mode, spawn({"/usr/sbin/pgbouncer", settings.string()}, log));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!answers(url)) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("PgBouncer did not come up:\n" + read_file(log));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return url;
}

PostgresServer::~PostgresServer() {
  for (const auto& [mode, pid] : poolers_) {
    ::kill(pid, SIGQUIT);
    ::waitpid(pid, nullptr, 0);
  }
  stop();
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  keeper_.join();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string PostgresServer::url(const std::string& database) const {
  return fmt::format("postgresql:///{}?host={}&user=postgres", database, folder_.string());
}

std::string PostgresServer::new_database() { return new_database("template1"); }

std::string PostgresServer::copy_of(const std::string& other) {
  for (int n = 1; n <= databases_; ++n)
    if (url(fmt::format("test{}", n)) == other) return new_database(fmt::format("test{}", n));
  throw std::runtime_error("no database of this server: " + other);
}

std::string PostgresServer::new_database(const std::string& model) {
  const std::string name = fmt::format("test{}", ++databases_);
  PGconn* connection = PQconnectdb(url("postgres").c_str());
  PGresult* made = PQexec(connection, fmt::format("CREATE DATABASE {} TEMPLATE {}", name, model).c_str());
  const bool ok = PQresultStatus(made) == PGRES_COMMAND_OK;
  const std::string why = PQerrorMessage(connection);
  PQclear(made);
  PQfinish(connection);
  if (!ok) throw std::runtime_error("no database: " + why);
  return url(name);
}

}  // namespace fluxgate::test
