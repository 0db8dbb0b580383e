// One SQLite connection with its prepared statements. Used by one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <sqlite3.h>

#include "db/database.h"

namespace fluxgate::db {

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct ConnectionDeleter {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};

// What SQLite answered, as an extended result code.
class SqliteFailure : public Failure {
 public:
  SqliteFailure(int code, std::string file, const std::string& message) : Failure(message), code_(code), file_(std::move(file)) {}
  int code() const { return code_; }
  const std::string& file() const { return file_; }  // of the database; "" = in memory

 private:
  int code_;
  std::string file_;
};

class SqliteConnection final : public Tx {
 public:
  enum class Mode { read_write, read_only };
  // Throws Failure naming the file.
  SqliteConnection(const std::string& path, Mode mode);

  Dialect dialect() const override { return Dialect::sqlite; }
  sqlite3* handle() { return connection_.get(); }
  std::int64_t total_changes() const { return sqlite3_total_changes64(connection_.get()); }
  bool in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }
  // Rolls back if a transaction is open; never throws.
  void rollback() noexcept;

 private:
  struct Statement {
    std::unique_ptr<sqlite3_stmt, StatementDeleter> handle;
    std::vector<int> positions;  // of $1, $2 …: SQLite numbers them by first appearance
    bool busy = false;           // being stepped further out
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::int64_t do_exec(std::string_view sql, std::span<const Param> params) override;
  void do_query(std::string_view sql, std::span<const Param> params,
                const std::function<void(const Row&)>& on_row) override;
  std::unique_ptr<Statement> prepare(std::string_view sql);
  Statement& statement(std::string_view sql);
  void bind(Statement& statement, std::span<const Param> params);
  void step_all(Statement& statement, std::string_view sql, const std::function<void(const Row&)>* on_row);
  [[noreturn]] void fail(std::string_view sql);

  std::unique_ptr<sqlite3, ConnectionDeleter> connection_;
  std::unordered_map<std::string, std::unique_ptr<Statement>, Hash, std::equal_to<>> statements_;
};

}  // namespace fluxgate::db
