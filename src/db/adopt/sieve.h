// Which rows of an old table with a key of its own are taken over, and why the others are not. The plan asks the same as
// the import: so it promises what is done, and both name the rows in the same words.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "db/adopt/adopt.h"

namespace fluxgate::db::adopt {

// Rows to tell of: how many they are, and the names of the first.
class Named {
 public:
  void add(std::string_view name);
  std::int64_t count() const { return count_; }
  std::string list() const;  // "a, b, c, d, e …"

 private:
  std::int64_t count_ = 0;
  std::vector<std::string> first_;
};

enum class Lack { nothing, amount, user };

// For all tables of one kind, one after the other.
class Sieve {
 public:
  // `ours`: the table its rows go into, and the column there that is the key. `secret`: only the beginning of a key is told.
  Sieve(Tx& tx, std::string_view ours, std::string_view key, bool secret);

  // Whether the row goes into ours; then it counts as being there.
  bool takes(const std::string& key, Lack lack);
  std::int64_t taken() const { return taken_; }
  std::int64_t left_out() const { return without_key_ + without_amount_.count() + without_user_.count() + known_.count(); }
  // A line for each reason. Counts from zero again.
  void tell(Lines& lines, const std::string& table);

 private:
  bool is_known(const std::string& key) const;
  std::string shown(const std::string& key) const;

  Tx& tx_;
  std::string key_, look_;  // look_: SQL that counts rows of ours by their key; "" while there is no such table
  bool secret_;
  std::set<std::string> seen_;
  std::int64_t taken_ = 0, without_key_ = 0;
  Named without_amount_, without_user_, known_;
};

}  // namespace fluxgate::db::adopt
