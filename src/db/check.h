// What the database lacks, or has otherwise than described (db/schema.h, db/views.h), with the statements that mend
// it. Checking and repairing are the same comparison.
//
// In tables of Open WebUI's only the columns are looked at that its own releases have had for long and that a
// half-migrated file lacks (late_columns); one that its own migrations are still going to add is left to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "db/introspect.h"
#include "db/schema.h"

namespace fluxgate::db {

struct Difference {
  std::string table;
  Text text;                            // "the table is missing"
  std::vector<std::string> statements;  // that mend it; empty: nobody can but the operator
  bool absent = false;                  // the table as a whole
  // An index of ours on a table of Open WebUI's. Its migrations rebuild such tables and may forget it.
  bool forgotten = false;
  bool foreign = false;                 // somebody else's table stands under a name of ours; it has to go before anything is done
};

// In the order in which they can be mended.
std::vector<Difference> table_differences(const Found& found, Dialect dialect);
std::vector<Difference> view_differences(const Found& found, Dialect dialect);
std::vector<Difference> all_differences(const Found& found, Dialect dialect);

// A column of Open WebUI's that came with `revision` of its migrations.
struct LateColumn {
  std::string_view table;
  Column column;
  std::string_view revision;
};
const std::vector<LateColumn>& late_columns();

// "ALTER TABLE …", with a default where one is needed for the rows that are there; "" when the column cannot be added
// to an existing table (a key).
std::string add_column(std::string_view table, const Column& column, Dialect dialect);

}  // namespace fluxgate::db
