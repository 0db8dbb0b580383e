#include "db/rights.h"

#include <fmt/format.h>

#include "db/introspect.h"
#include "db/postgresql_tables.h"

namespace fluxgate::db {
namespace {

// Another relation than the one it was found on, that can have it.
bool is_for(Tx& tx, const std::string& name, const Right& right) {
  return tx.number("SELECT COUNT(*) FROM pg_class c WHERE c.oid = to_regclass($1) AND CAST(c.oid AS BIGINT) <> $2 "
                   "AND (c.relkind <> 'v' OR CAST($3 AS TEXT) = 'SELECT') AND (CAST($4 AS TEXT) = '' OR EXISTS "
                   "(SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = CAST($4 AS TEXT) AND NOT a.attisdropped))",
                   {name, right.id, right.privilege, right.column}) != 0;
}

}  // namespace

std::vector<Right> rights_in(Tx& tx, std::string_view schema, std::string_view relation) {
  if (tx.dialect() != Dialect::postgresql) return {};
  return tx.all(
      "WITH relation AS (SELECT c.oid, c.relname, c.relacl, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
      "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v') AND (CAST($2 AS TEXT) = '' OR c.relname = CAST($2 AS TEXT))), "
      "entry AS (SELECT oid, relname, '' AS attname, COALESCE(relacl, acldefault('r', relowner)) AS acl FROM relation UNION ALL "
      "SELECT r.oid, r.relname, CAST(t.attname AS TEXT), t.attacl FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid "
      "WHERE t.attacl IS NOT NULL AND NOT t.attisdropped) "
      "SELECT CAST(e.oid AS BIGINT), e.relname, e.attname, a.privilege_type, "
      "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, CASE WHEN a.is_grantable THEN 1 ELSE 0 END "
      "FROM entry e CROSS JOIN LATERAL aclexplode(e.acl) a "
      "WHERE a.grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user) ORDER BY 2, 3, 4, 5",
      {schema, relation}, [](const Row& row) {
        return Right{row.i64(0), row.str(1), row.str(2), row.str(3), row.str(4), row.i64(5) != 0};
      });
}

void grant(Tx& tx, std::string_view schema, const std::vector<Right>& rights) {
  for (const Right& right : rights) {
    const std::string name = qualified(schema, right.relation);
    if (!is_for(tx, name, right)) continue;
    tx.exec(fmt::format("GRANT {}{} ON {} TO {}{}", right.privilege, right.column.empty() ? "" : " (" + quoted_name(right.column) + ")", name,
                        right.grantee, right.grantable ? " WITH GRANT OPTION" : ""));
  }
}

}  // namespace fluxgate::db
