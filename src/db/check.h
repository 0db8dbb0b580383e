// What the database lacks, or has otherwise than described (db/schema.h, db/views.h), with the statements that mend
// it. Checking and repairing are the same comparison.
//
// Of our tables all that the description says is compared: columns with their types, NOT NULL and defaults, keys, and of
// indexes the columns, whether they are unique and whether they have a condition, but not which one.
//
// In tables of Open WebUI's only the columns are looked at that its own releases have had for long and that a
// half-migrated file lacks (late_columns), and those without which nobody can sign in; one that its own migrations are
// still going to add is left to them. On PostgreSQL, which mixes no types, theirs of `user` and `auth` are compared, too.
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
  bool foreign = false;                 // only the operator can mend it, and must before anything is done
  // A SELECT of the rows because of which the statements would fail; "" when none can be in their way. See hinder().
  std::string hindrance = "";
};

// Makes those foreign whose hindrance finds rows, and says so. Reads only.
void hinder(Tx& tx, std::vector<Difference>& differences);

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
