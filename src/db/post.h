// Statements whose answer nobody needs. On PostgreSQL such a one goes along with the next that is asked something, or
// with COMMIT, instead of making a journey of its own; what it throws is thrown by then. Where statements are function
// calls it is run at once.
#pragma once

#include <span>
#include <string_view>

#include "db/database.h"

namespace fluxgate::db {

// A Tx that can wait with statements.
class Posting {
 public:
  virtual void post(std::string_view sql, std::span<const Param> params) = 0;

 protected:
  ~Posting() = default;
};

inline void post(Tx& tx, std::string_view sql, Params params) {
  if (auto* posting = dynamic_cast<Posting*>(&tx)) posting->post(sql, {params.begin(), params.size()});
  else tx.exec(sql, params);
}

}  // namespace fluxgate::db
