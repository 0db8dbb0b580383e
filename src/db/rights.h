// Who may do what with tables and views on PostgreSQL, so that what takes the place of one serves those whom the other
// served. SQLite has no such rights: nothing is found there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"

namespace fluxgate::db {

struct Right {
  std::int64_t id = 0;     // of the relation that it was found on
  std::string relation;
  std::string column;      // "" = all of it
  std::string privilege;   // "SELECT"
  std::string grantee;     // in quotes where it needs them, or PUBLIC
  bool grantable = false;  // WITH GRANT OPTION
};
// Of a schema, or of one relation in it, but for those of the session's own user. The owner's are among them: what
// comes in the place of their table may be another's.
std::vector<Right> rights_in(Tx& tx, std::string_view schema, std::string_view relation = "");
// On what bears these names in that schema now, unless it is still the same relation. On a view that is SELECT alone.
void grant(Tx& tx, std::string_view schema, const std::vector<Right>& rights);

}  // namespace fluxgate::db
