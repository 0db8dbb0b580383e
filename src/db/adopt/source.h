// The rows of one old table, by the names its columns had in one shape or another. Values come as text
// (adopt/values.h says what they mean); a column that this database lacks reads as NULL.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "db/adopt/values.h"
#include "db/database.h"

namespace fluxgate::db::adopt {

class OldRow {
 public:
  explicit OldRow(const Row& row) : row_(row) {}
  // Lives until the row callback returns.
  Cell operator[](int number) const {
    if (number < 0 || row_.is_null(number)) return std::nullopt;
    return row_.text(number);
  }
  std::string text(int number) const { return text_of((*this)[number]); }
  // A new one, as of `at`, where there is none: SQLite takes rows without a key that is text.
  std::string id(int number, Millis at) const;

 private:
  const Row& row_;
};

class Source {
 public:
  Source(Tx& tx, std::string table);

  const std::string& table() const { return table_; }
  bool has(std::string_view column) const { return columns_.contains(column); }
  std::int64_t rows() const;

  // One more value of each row: the first of the columns "a|b" that is there and not empty. Its number for OldRow;
  // -1, which reads as NULL, when the table has none of them.
  int pick(std::string_view columns);

  // Every row, in the order of insertion as far as the engine knows it after `order` ("" or columns that exist).
  // Memory stays flat: SQLite steps, PostgreSQL reads a cursor. The callback may write to other tables.
  void each(std::string_view order, const std::function<void(const OldRow&)>& on_row) const;

 private:
  Tx& tx_;
  std::string table_;
  std::set<std::string, std::less<>> columns_;
  std::vector<std::string> picked_;  // SQL
};

}  // namespace fluxgate::db::adopt
