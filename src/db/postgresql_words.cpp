#include "db/postgresql_words.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace fluxgate::db {
namespace {

// By SQLSTATE or its class (PostgreSQL's appendix A); {} is what the server says.
struct Meaning {
  std::string_view state, en, zh;
};
constexpr std::array<Meaning, 10> kMeanings{{
    {"08001", "{}. Check host, port, user, password and name in DATABASE_URL.", "{}。请检查 DATABASE_URL 中的主机、端口、用户、密码和库名。"},
    {"53300",
     "{}. Every node keeps up to DATABASE_POOL_SIZE (8) sessions and one for news: lower it, or raise max_connections of the server or the "
     "CONNECTION LIMIT of the role or the database.",
     "{}。每个节点最多占用 DATABASE_POOL_SIZE（默认 8）个会话，另有 1 个用于通知：请调小该值，或调大服务器的 max_connections，"
     "或角色、数据库的 CONNECTION LIMIT。"},
    {"42501",
     "PostgreSQL allows the user of DATABASE_URL too little: {}. That user must own the tables (ALTER TABLE … OWNER TO), and be allowed to "
     "make new ones (GRANT USAGE, CREATE ON SCHEMA) and, for backups, schemas (GRANT CREATE ON DATABASE). Nothing was changed.",
     "DATABASE_URL 中的 PostgreSQL 用户权限不足：{}。该用户须拥有这些表（ALTER TABLE … OWNER TO），并能建表（GRANT USAGE, CREATE ON SCHEMA）；"
     "备份还须能创建 schema（GRANT CREATE ON DATABASE）。未做任何更改。"},
    {"3F000", "The schema that DATABASE_SCHEMA or the search_path of the user names does not exist: CREATE SCHEMA makes it. Nothing was changed.",
     "DATABASE_SCHEMA 或用户 search_path 指定的 schema 不存在，请先用 CREATE SCHEMA 创建。未做任何更改。"},
    {"53100", "The disk of the PostgreSQL server is full ({}). Nothing was changed.", "PostgreSQL 服务器磁盘已满（{}）。未做任何更改。"},
    {"25006", "This PostgreSQL server is read-only ({}): a standby, or set so. Name the primary in DATABASE_URL, or all hosts of the cluster. "
              "Nothing was changed.",
     "该 PostgreSQL 服务器为只读（{}）：是备库，或被设为只读。请在 DATABASE_URL 中指定主库，或列出集群的所有主机。未做任何更改。"},
    {"2BP01",
     "Something was built on what has to be made anew ({}). Drop it, try again, and make it again afterwards. Nothing was changed.",
     "有对象依赖需要重建的对象（{}）。请先删除，完成后再重建。未做任何更改。"},
    {"57014", "PostgreSQL gave up a statement ({}). Nothing was changed; try again when it has less to do.",
     "PostgreSQL 中止了语句（{}）。未做任何更改，请在负载较低时重试。"},
    {"40", "Another program was at work on the same rows ({}). Nothing was changed; try again.", "其他程序正在处理相同的数据（{}）。未做任何更改，请重试。"},
    {"", "PostgreSQL says: {}. Nothing was changed.", "PostgreSQL 返回：{}。未做任何更改。"},
}};

constexpr std::string_view kLockNotGot = "55P03";

Text locked(const std::string& in_the_way) {
  return {fmt::format("A table is locked by another program{}. Stop it, then try again. Nothing was changed.",
                      in_the_way.empty() ? "" : fmt::format(": {}", in_the_way)),
          fmt::format("有表正被其他程序锁定{}。请停止该程序后重试。未做任何更改。", in_the_way.empty() ? "" : fmt::format("：{}", in_the_way))};
}

}  // namespace

Text explained(const PgFailure& failure, const std::string& in_the_way) {
  if (failure.sqlstate() == kLockNotGot) return locked(in_the_way);
  std::string says = failure.what();
  if (!failure.sqlstate().empty()) says.resize(std::min(says.size(), says.find(" in: ")));  // without the statement
  while (says.ends_with('.') || says.ends_with('?')) says.pop_back();
  // A standby is found out by libpq, which has no SQLSTATE for it.
  const std::string_view state = says.ends_with("session is read-only") ? "25006" : std::string_view(failure.sqlstate());
  for (const Meaning& meaning : kMeanings)
    if (state.starts_with(meaning.state)) return {fmt::format(fmt::runtime(meaning.en), says), fmt::format(fmt::runtime(meaning.zh), says)};
  return {says, says};
}

}  // namespace fluxgate::db
