// Under which old id a row goes into the history. A table without a key may name an id twice, and one that comes back
// may name those of others: no task is lost for that, and none is taken over twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "db/adopt/adopt.h"

namespace fluxgate::db::adopt {

// What tells apart two tasks of one id.
struct Whose {
  std::string user_id, prompt;
  bool operator==(const Whose&) const = default;
};
using TaskOf = std::function<std::optional<Whose>(const std::string& old_id)>;

// "k-1"; where another task has it, "k-1~" and eight digits made from whose it is; "" when this very task is there.
std::string old_id_for(const std::string& id, const Whose& whose, const TaskOf& task_of);
std::optional<Whose> task_in_history(Tx& tx, std::string_view provider, const std::string& old_id);

// What becomes of the rows of a table, for the plan and for the report.
struct OldIds {
  std::int64_t taken = 0, without = 0, known = 0, renamed = 0;
  std::string example;  // of an id that another task had

  std::int64_t rows() const { return taken + without + known; }
  void add(const std::string& id, const std::string& old_id);  // as old_id_for() answered; id "" = none
  void tell(Lines& lines, const std::string& table) const;
};

// Counts while planning: tables of one kind one after the other.
class OldIdPlan {
 public:
  // `several`: more tables of this kind follow.
  OldIdPlan(Tx& tx, std::string_view provider, bool several);
  // `on_taken`: with the status of each that goes into the history.
  OldIds count(const std::string& table, const std::function<void(std::string_view status)>& on_taken);

 private:
  Tx& tx_;
  std::string_view provider_;
  bool several_, history_;
  std::map<std::string, Whose> placed_;  // by the ids that may come again
};

}  // namespace fluxgate::db::adopt
