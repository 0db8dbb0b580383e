#include "db/postgresql_tables.h"

#include <algorithm>

#include <fmt/format.h>

#include "db/introspect.h"
#include "db/rights.h"

namespace fluxgate::db {
namespace {

std::vector<std::string> strings(Tx& tx, std::string_view sql, Params params) {
  return tx.all(sql, params, [](const Row& row) { return row.str(0); });
}

}  // namespace

std::string qualified(std::string_view schema, std::string_view table) { return quoted_name(schema) + "." + quoted_name(table); }

std::string current_schema(Tx& tx) {
  return tx.first("SELECT current_schema()", {}, [](const Row& row) { return row.str(0); }).value_or("public");
}

std::vector<std::string> tables_in(Tx& tx, const std::string& schema) {
  return strings(tx, "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                     "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname", {schema});
}

std::string free_schema(Tx& tx, std::string name) {
  std::ranges::replace(name, '-', '_');
  std::string free = name;
  for (int number = 2; tx.number("SELECT COUNT(*) FROM pg_namespace WHERE nspname = $1", {free}) != 0; ++number)
    free = fmt::format("{}_{}", name, number);
  return free;
}

void copy_table(Tx& tx, const std::string& from, const std::string& to, const std::string& table) {
  const std::string source = qualified(from, table), target = qualified(to, table);
  tx.exec(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED INCLUDING STORAGE)", target, source));
  tx.exec(fmt::format("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}", target, source));
  for (const std::string& constraint :
       strings(tx, "SELECT format('%I %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint "
                   "WHERE conrelid = to_regclass($1) AND contype IN ('p', 'u', 'c') ORDER BY conname", {source}))
    tx.exec(fmt::format("ALTER TABLE {} ADD CONSTRAINT {}", target, constraint));
  for (const std::string& index :
       strings(tx, "SELECT replace(pg_get_indexdef(i.indexrelid), format(' ON %I.%I ', n.nspname, c.relname), format(' ON %I.%I ', $2::text, c.relname)) "
                   "FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE i.indrelid = to_regclass($1) AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)",
               {source, to}))
    tx.exec(index);
  grant(tx, to, rights_in(tx, from, table));
}

void take_sequences(Tx& tx, const std::string& aside, const std::string& schema, const std::string& table) {
  struct Owned {
    std::string column, sequence;
  };
  const auto owned = tx.all(
      "SELECT a.attname, s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
      "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
      "WHERE d.refobjid = to_regclass($1) AND d.deptype = 'a'",
      {qualified(aside, table)}, [](const Row& row) { return Owned{row.str(0), row.str(1)}; });
  for (const Owned& counter : owned) {
    const std::string there = qualified(aside, counter.sequence);
    tx.exec(fmt::format("ALTER SEQUENCE {} OWNED BY NONE", there));
    tx.exec(fmt::format("ALTER SEQUENCE {} SET SCHEMA {}", there, quoted_name(schema)));
    tx.exec(fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", qualified(schema, counter.sequence), qualified(schema, table), quoted_name(counter.column)));
  }
}

std::vector<std::string> readers_of(Tx& tx, const std::string& schema, const std::string& relation) {
  return strings(tx, "SELECT DISTINCT format('%I.%I', vn.nspname, v.relname) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
                     "JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace vn ON vn.oid = v.relnamespace JOIN pg_class t ON t.oid = d.refobjid "
                     "JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE d.classid = CAST('pg_rewrite' AS REGCLASS) "
                     "AND d.refclassid = CAST('pg_class' AS REGCLASS) AND tn.nspname = $1 AND v.oid <> t.oid "
                     "AND CASE WHEN CAST($2 AS TEXT) = '' THEN vn.nspname <> $1 ELSE t.relname = CAST($2 AS TEXT) END ORDER BY 1",
                 {schema, relation});
}

std::vector<ForeignKey> foreign_keys(Tx& tx, const std::string& schema) {
  return tx.all(
      "SELECT c.relname, t.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
      "JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.oid = t.relnamespace "
      "WHERE k.contype = 'f' AND n.nspname = $1 ORDER BY c.relname, k.conname",
      {schema}, [](const Row& row) { return ForeignKey{row.str(0), row.str(1), row.str(2), row.str(3)}; });
}

void lead_back(Tx& tx, const std::string& schema, const std::vector<ForeignKey>& keys, const std::vector<std::string>& moved) {
  const auto has_moved = [&](const std::string& table) { return std::ranges::find(moved, table) != moved.end(); };
  for (const ForeignKey& key : keys) {
    if (!has_moved(key.table) && !has_moved(key.target)) continue;
    const std::string table = qualified(schema, key.table);
    if (!has_moved(key.table)) tx.exec(fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table, quoted_name(key.name)));
    if (kind_of(tx, key.table) != Kind::table || kind_of(tx, key.target) != Kind::table) continue;
    tx.exec(fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}", table, quoted_name(key.name), key.definition,
                        key.definition.ends_with("NOT VALID") ? "" : " NOT VALID"));
  }
}

}  // namespace fluxgate::db
