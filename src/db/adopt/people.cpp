// Users, who stay where they are, and the two tables of Open WebUI that the repair script made in shapes of its own.
#include <fmt/format.h>

#include "db/adopt/source.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// Nobody who was there before is given opening credits.
void accounts_for_all(Work& work) {
  if (kind_of(work.tx, "user") != Kind::table) return;
  const auto opened = work.tx.exec(
      "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) SELECT id, 0, 0, $1, $1 FROM \"user\" "
      "WHERE id IS NOT NULL ON CONFLICT (user_id) DO NOTHING",
      {work.options.now});
  work.tx.exec(
      "INSERT INTO fg_user (user_id, created_at) SELECT id, $1 FROM \"user\" WHERE id IS NOT NULL ON CONFLICT (user_id) DO NOTHING",
      {work.options.now});
  if (opened != 0)
    work.say("user", {fmt::format("{} users had no balance and begin with 0 credits.", opened),
                      fmt::format("{} 个用户没有余额记录，从 0 积分开始。", opened)}, Level::info, opened, opened);
}

void folders_over(Work& work, const std::string& legacy) {
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int id = source.pick("id"), parent = source.pick("parent_id"), user = source.pick("user_id"), name = source.pick("name"),
            data = source.pick("data"), created = source.pick("created_at"), updated = source.pick("updated_at");
  source.each("", [&](const OldRow& row) {
    const Millis made = time_of(row[created]).value_or(time_of(row[updated]).value_or(work.options.now));
    work.tx.exec(
        "INSERT INTO folder (id, parent_id, user_id, name, items, meta, data, is_expanded, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, NULL, NULL, $5, FALSE, $6, $7)",
        {row.id(id, made), row[parent], row.text(user), row.text(name), row[data], made / 1000, time_of(row[updated]).value_or(made) / 1000});
  });
  mark_done(work, legacy, rows, rows);
  work.say(legacy, {fmt::format("{} folders were put into Open WebUI's own shape.", rows),
                    fmt::format("{} 个文件夹已转换为 Open WebUI 的表结构。", rows)}, Level::info, rows, rows);
}

void channels_over(Work& work, const std::string& legacy) {
  constexpr std::int64_t kNanos = 1'000'000;
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int id = source.pick("id"), user = source.pick("user_id"), name = source.pick("name"), description = source.pick("description"),
            data = source.pick("data"), meta = source.pick("meta"), created = source.pick("created_at"),
            updated = source.pick("updated_at");
  source.each("", [&](const OldRow& row) {
    const Millis made = time_of(row[created]).value_or(time_of(row[updated]).value_or(work.options.now));
    work.tx.exec(
        "INSERT INTO channel (id, user_id, name, description, data, meta, access_control, created_at, updated_at, type) "
        "VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8, NULL)",
        {row.id(id, made), row[user], row[name], row[description], row[data], row[meta], made * kNanos,
         time_of(row[updated]).value_or(made) * kNanos});
  });
  mark_done(work, legacy, rows, rows);
  work.say(legacy, {fmt::format("{} channels were put into Open WebUI's own shape.", rows),
                    fmt::format("{} 个频道已转换为 Open WebUI 的表结构。", rows)}, Level::info, rows, rows);
}

}  // namespace

void people_over(Work& work) {
  accounts_for_all(work);
  for (const std::string& legacy : waiting(work.tx, "folder")) folders_over(work, legacy);
  for (const std::string& legacy : waiting(work.tx, "channel")) channels_over(work, legacy);
}

void plan_people(Tx& tx, Lines& lines) {
  for (std::string_view name : {"folder", "channel"})
    for (const std::string& table : repair_shaped(tx))
      if (table == name) {
        const std::int64_t rows = Source(tx, table).rows();
        lines.push_back({table, {"Made by the fork's repair script in a shape Open WebUI cannot use; it is rebuilt, its rows kept.",
                                 "由旧修复脚本创建，Open WebUI 无法使用；将重建并保留数据。"}, Level::info, rows, rows});
      }
  if (kind_of(tx, "user") != Kind::table) return;
  const std::int64_t users = tx.number("SELECT COUNT(*) FROM \"user\"");
  lines.push_back({"user", {fmt::format("{} users keep their sign-in, roles and keys; those without a balance begin with 0 credits.", users),
                            fmt::format("{} 个用户保留登录方式、角色和密钥，没有余额记录的从 0 积分开始。", users)}, Level::info, users, users});
  const std::int64_t repeated = tx.number(
      "SELECT COUNT(*) FROM (SELECT LOWER(TRIM(email)) FROM \"user\" WHERE email <> '' GROUP BY LOWER(TRIM(email)) HAVING COUNT(*) > 1) e");
  if (repeated != 0)
    lines.push_back({"user", {fmt::format("{} e-mail addresses have more than one account, capitals apart. The one written in lower case signs "
                                          "in, else the oldest; an administrator gives the others addresses of their own.", repeated),
                              fmt::format("{} 个邮箱（不计大小写）对应多个账号：以小写书写的账号登录，若无则为最早的账号；其余账号由管理员更换邮箱。", repeated)}, Level::warning});
  if (kind_of(tx, "auth") != Kind::table) return;
  const std::int64_t without = tx.number("SELECT COUNT(*) FROM auth WHERE password IS NULL OR password NOT LIKE '$2%'");
  if (without != 0)
    lines.push_back({"auth", {fmt::format("{} accounts have no password of their own (LDAP and the like); an administrator sets one.", without),
                              fmt::format("{} 个账号没有本地密码（如 LDAP），需由管理员设置。", without)}, Level::warning});
}

}  // namespace fluxgate::db::adopt
