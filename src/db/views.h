// The published views: the names that operators know from the original, read-only, column for column
// (spec/seed-db.md §4-§10; DESIGN §5.2). They read fg_ tables only, for a view that named Open WebUI's tables would
// break its migrations; they use functions that every SQLite (3.38, with JSON) and PostgreSQL (13) has built in.
//
// Times that the original kept as date text are date text in UTC with six digits (SQLite) or timestamp without time
// zone (PostgreSQL). Credits are numbers of credits, whole ones as integers. Keys are masked. Links to files of ours
// carry no signature: they open for their owner and for administrators.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"

namespace fluxgate::db {

struct View {
  std::string name;
  std::vector<std::string> columns;
  std::string select;  // complete, in the order of `columns`
};

const std::vector<View>& views(Dialect dialect);

// Makes it, or makes it anew. On PostgreSQL with a comment that tells which text it was made from, and without dropping
// the one that is there, on which others may be built: so it must have the same columns.
std::vector<std::string> create_statements(const View& view, Dialect dialect);
// What introspect.h's view_sql gives for a view that was made so.
std::string made_from(const View& view, Dialect dialect);

}  // namespace fluxgate::db
