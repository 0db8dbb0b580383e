// Whole tables on PostgreSQL: copied, moved between schemas, and put in each other's place. For backups and restores
// (postgresql_care.cpp), in the caller's transaction.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"

namespace fluxgate::db {

std::string qualified(std::string_view schema, std::string_view table);
std::string current_schema(Tx& tx);
// Sorted by name.
std::vector<std::string> tables_in(Tx& tx, const std::string& schema);
// `name` with "_" for "-", and a number behind it when there is such a schema.
std::string free_schema(Tx& tx, std::string name);

// Columns, rows, keys and indexes under their own names, and who may do what; no keys to other tables.
void copy_table(Tx& tx, const std::string& from, const std::string& to, const std::string& table);
// A counter belongs to the table that counts with it: it follows its table's name, not the table set aside.
void take_sequences(Tx& tx, const std::string& aside, const std::string& schema, const std::string& table);

// Views of other schemas, and of this one when a `relation` is named, that read it or any of it: "public.mine", sorted.
std::vector<std::string> readers_of(Tx& tx, const std::string& schema, const std::string& relation = "");

// A key between tables of one schema. It follows a table that moves.
struct ForeignKey {
  std::string table, target, name, definition;
};
std::vector<ForeignKey> foreign_keys(Tx& tx, const std::string& schema);
// Leads those of tables that `moved` to the ones in their places. Rows that are there already are not looked at: a
// member who is gone again may have left some.
void lead_back(Tx& tx, const std::string& schema, const std::vector<ForeignKey>& keys, const std::vector<std::string>& moved);

}  // namespace fluxgate::db
