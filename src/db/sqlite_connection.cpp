#include "db/sqlite_connection.h"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "db/storable_text.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  bool is_null(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::int64_t i64(int column) const override { return sqlite3_column_int64(statement_, column); }
  double real(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string_view text(int column) const override {
    auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (!bytes) return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_;
};

// Leaves a statement ready for its next use however the stepping ended.
class Using {
 public:
  Using(sqlite3_stmt* statement, bool& busy) : statement_(statement), busy_(busy) { busy_ = true; }
  ~Using() {
    sqlite3_reset(statement_);
    busy_ = false;
  }
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;

 private:
  sqlite3_stmt* statement_;
  bool& busy_;
};

void bind_text(sqlite3_stmt* statement, int position, std::string_view text) {
  if (is_storable(text)) {  // what is bound lives until the statement ends
    sqlite3_bind_text64(statement, position, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return;
  }
  const std::string clean = storable_text(text);
  sqlite3_bind_text64(statement, position, clean.data(), clean.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// A new database holds hashes of passwords: it is for who runs the server. What SQLite puts beside it goes by its mode.
void make_private(const std::string& path) {
  if (path == ":memory:") return;
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
}

// Reading a file with a write-ahead log begins with making the log's index beside it. Where nothing may be made, and the
// log was folded back when the last program ended, the file is all there is: SQLite has to be told that.
bool is_at_rest(const std::string& path) {
  const auto missing = [&path](const char* beside) { return ::access((path + beside).c_str(), F_OK) != 0; };
  const fs::path folder = fs::path(path).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0 || !missing("-wal") || !missing("-journal")) return false;
  std::ifstream file(path, std::ios::binary);
  constexpr int kWriteVersion = 18, kWal = 2;  // of the file's header, sqlite.org/fileformat2.html §1.3
  return file.seekg(kWriteVersion) && file.get() == kWal;
}

std::string immutable_uri(std::string_view path) {
  std::string uri = "file:";
  for (char c : path)
    if (std::string_view("%?#").contains(c)) uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else uri += c;
  return uri + "?immutable=1";
}

// More distinct statements than the product has; beyond it something builds SQL from data.
constexpr std::size_t kMaxStatements = 512;

}  // namespace

SqliteConnection::SqliteConnection(const std::string& path, Mode mode) {
  int flags = mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (mode == Mode::read_write) make_private(path);
  const bool at_rest = mode == Mode::read_only && is_at_rest(path);
  if (at_rest) flags |= SQLITE_OPEN_URI;
  sqlite3* opened = nullptr;
  int code = sqlite3_open_v2(at_rest ? immutable_uri(path).c_str() : path.c_str(), &opened, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(opened);
  if (code != SQLITE_OK)
    throw SqliteFailure(code, path, fmt::format("cannot open the database {}: {}", path, opened ? sqlite3_errmsg(opened) : "out of memory"));
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_timeout(opened, 5000);
}

void SqliteConnection::rollback() noexcept {
  if (in_transaction()) sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

std::unique_ptr<SqliteConnection::Statement> SqliteConnection::prepare(std::string_view sql) {
  sqlite3_stmt* prepared = nullptr;
  int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK) fail(sql);
  auto made = std::make_unique<Statement>();
  made->handle.reset(prepared);
  for (int number = 1;; ++number) {
    int position = sqlite3_bind_parameter_index(prepared, fmt::format("${}", number).c_str());
    if (position == 0) break;
    made->positions.push_back(position);
  }
  return made;
}

SqliteConnection::Statement& SqliteConnection::statement(std::string_view sql) {
  if (auto found = statements_.find(sql); found != statements_.end()) return *found->second;
  if (statements_.size() >= kMaxStatements) std::erase_if(statements_, [](const auto& item) { return !item.second->busy; });
  return *statements_.emplace(std::string(sql), prepare(sql)).first->second;
}

void SqliteConnection::bind(Statement& statement, std::span<const Param> params) {
  if (params.size() != statement.positions.size())
    throw Failure(fmt::format("{} parameters for {} places in: {}", params.size(), statement.positions.size(),
                              sqlite3_sql(statement.handle.get())));
  sqlite3_stmt* handle = statement.handle.get();
  for (std::size_t i = 0; i < params.size(); ++i) {
    int position = statement.positions[i];
    const Param::Value& value = params[i].value();
    if (auto* n = std::get_if<std::int64_t>(&value)) sqlite3_bind_int64(handle, position, *n);
    else if (auto* real = std::get_if<double>(&value)) sqlite3_bind_double(handle, position, *real);
    else if (auto* text = std::get_if<std::string_view>(&value)) bind_text(handle, position, *text);
    else sqlite3_bind_null(handle, position);
  }
}

void SqliteConnection::step_all(Statement& statement, std::string_view sql,
                                const std::function<void(const Row&)>* on_row) {
  Using use(statement.handle.get(), statement.busy);
  SqliteRow row(statement.handle.get());
  for (;;) {
    int code = sqlite3_step(statement.handle.get());
    if (code == SQLITE_DONE) return;
    if (code != SQLITE_ROW) fail(sql);
    if (on_row) (*on_row)(row);
  }
}

std::int64_t SqliteConnection::do_exec(std::string_view sql, std::span<const Param> params) {
  Statement& prepared = statement(sql);
  bind(prepared, params);
  step_all(prepared, sql, nullptr);
  return sqlite3_changes64(connection_.get());
}

void SqliteConnection::do_query(std::string_view sql, std::span<const Param> params,
                                const std::function<void(const Row&)>& on_row) {
  Statement& cached = statement(sql);
  if (!cached.busy) {
    bind(cached, params);
    step_all(cached, sql, &on_row);
    return;
  }
  // The same query inside its own rows: a statement of its own.
  auto fresh = prepare(sql);
  bind(*fresh, params);
  step_all(*fresh, sql, &on_row);
}

void SqliteConnection::fail(std::string_view sql) {
  const char* file = sqlite3_db_filename(connection_.get(), "main");
  throw SqliteFailure(sqlite3_extended_errcode(connection_.get()), file ? file : "", fmt::format("{} in: {}", sqlite3_errmsg(connection_.get()), sql));
}

}  // namespace fluxgate::db
