#include "server_process.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "client.h"
#include "support/postgres_server.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

constexpr std::chrono::milliseconds kPollInterval{5};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

pid_t spawn(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
            const std::string& log) {
  std::vector<std::string> words{FLUXGATE_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings;
  for (const char* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) settings.push_back(fmt::format("{}={}", name, value));
  for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (auto& word : words) argv.push_back(word.data());
  for (auto& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, argv.front(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw std::runtime_error(fmt::format("{} cannot be started: {}", FLUXGATE_BINARY, std::strerror(failed)));
  return pid;
}

int exit_code_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// With FLUXGATE_TEST_ENGINE=postgresql every data folder has a database of its own on a server of ours.
std::vector<std::string> database_words(const std::string& data_folder) {
  const char* engine = std::getenv("FLUXGATE_TEST_ENGINE");
  if (engine == nullptr || std::string_view(engine) != "postgresql") return {};
  static std::map<std::string, std::string> databases;
  std::string& url = databases[data_folder];
  if (url.empty()) url = test::PostgresServer::shared().new_database();
  return {"--database-url", url};
}

// In the database of that folder, beside its server.
void set_grace(const std::filesystem::path& data_folder, int from, int to) {
  const std::string statement = fmt::format(
      R"(UPDATE fg_setting SET value = REPLACE(value, '"grace_s":{}', '"grace_s":{}') WHERE key = 'files')", from, to);
  const auto words = database_words(data_folder.string());
  if (!words.empty()) {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(words[1].c_str()), &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), statement.c_str()), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
    return;
  }
  sqlite3* opened = nullptr;
  const int code = sqlite3_open((data_folder / "webui.db").c_str(), &opened);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> connection(opened, &sqlite3_close);
  sqlite3_busy_timeout(opened, 30'000);
  if (code != SQLITE_OK || sqlite3_exec(opened, statement.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(opened));
}

}  // namespace

TempFolder::TempFolder()
    : path_(std::filesystem::temp_directory_path() / ("fluxgate-integration-" + crypto::random_hex(8))) {
  std::filesystem::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool eventually(const std::function<bool()>& holds, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

WithoutGrace::WithoutGrace(std::filesystem::path data_folder) : folder_(std::move(data_folder)) { set_grace(folder_, 900, 0); }

WithoutGrace::~WithoutGrace() { set_grace(folder_, 0, 900); }

Finished run_program(std::vector<std::string> arguments) {
  TempFolder folder;
  const auto data = std::ranges::find(arguments, "--data-dir");
  const bool named = std::ranges::find(arguments, "--database-url") != arguments.end();
  if (!named && data != arguments.end() && data + 1 != arguments.end())
    for (std::string& word : database_words(*(data + 1))) arguments.push_back(std::move(word));
  const std::string log = (folder.path() / "output").string();
  const int code = exit_code_of(spawn(arguments, {}, log));
  return {code, read_file(log)};
}

SandboxProcess::SandboxProcess(std::vector<std::string> arguments) { start(arguments, "0"); }

SandboxProcess::~SandboxProcess() {
  if (pid_ > 0) kill();
}

void SandboxProcess::start(const std::vector<std::string>& arguments, const std::string& port) {
  const auto port_file = folder_.path() / "port";
  std::filesystem::remove(port_file);
  std::vector<std::string> words{"sandbox", "--tiny",     "--port",          port, "--folder", (folder_.path() / "kept").string(),
                                 "--port-file", port_file.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  pid_ = spawn(words, {}, (folder_.path() / "log").string());
  const bool listens = eventually([&] { return read_file(port_file).ends_with('\n'); });
  if (!listens) throw std::runtime_error("the sandbox did not come up:\n" + read_file(folder_.path() / "log"));
  port_ = read_file(port_file);
  port_.pop_back();
  base_url_ = "http://127.0.0.1:" + port_;
}

std::int64_t SandboxProcess::count(const std::string& what) const {
  return Client(base_url_, nullptr).get("/_sandbox/stats").json().at(what).as_int64();
}

void SandboxProcess::kill() {
  ::kill(pid_, SIGKILL);
  exit_code_of(pid_);
  pid_ = -1;
}

void SandboxProcess::freeze() { ::kill(pid_, SIGSTOP); }
void SandboxProcess::thaw() { ::kill(pid_, SIGCONT); }

void SandboxProcess::start_again(std::vector<std::string> arguments) {
  if (pid_ > 0) kill();
  start(arguments, port_);
}

ServerProcess::ServerProcess(std::filesystem::path data_folder, std::vector<std::string> arguments,
                             Environment environment)
    : folder_(std::move(data_folder)),
      arguments_(std::move(arguments)),
      environment_(std::move(environment)) {}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) kill();
}

void ServerProcess::start_only() {
  std::filesystem::remove(folder_ / "fluxgate.port");
  std::vector<std::string> words{"serve", "--port", "0", "--data-dir", folder_.string()};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  if (std::ranges::find(words, "--database-url") == words.end())
    for (std::string& word : database_words(folder_.string())) words.push_back(std::move(word));
  pid_ = spawn(words, environment_, (folder_ / "log").string());
}

void ServerProcess::start() {
  start_only();
  const bool answers = eventually([&] {
    const std::string port = read_file(folder_ / "fluxgate.port");
    if (!port.ends_with('\n')) return false;
    base_url_ = "http://127.0.0.1:" + port.substr(0, port.size() - 1);
    return Client(base_url_, nullptr).get("/health").status == 200;
  });
  if (!answers) throw std::runtime_error("the server did not come up:\n" + log());
}

int ServerProcess::wait_for_end() {
  const int code = exit_code_of(pid_);
  pid_ = -1;
  return code;
}

void ServerProcess::kill() {
  ::kill(pid_, SIGKILL);
  wait_for_end();
}

void ServerProcess::freeze() { ::kill(pid_, SIGSTOP); }
void ServerProcess::thaw() { ::kill(pid_, SIGCONT); }

void ServerProcess::terminate() { ::kill(pid_, SIGTERM); }

int ServerProcess::stop() {
  terminate();
  return wait_for_end();
}

std::string ServerProcess::log() const { return read_file(folder_ / "log"); }

}  // namespace fluxgate::integration
