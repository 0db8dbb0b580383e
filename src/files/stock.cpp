#include "files/stock.h"

#include <fmt/format.h>

#include "files/rows.h"
#include "files/store_table.h"

namespace fluxgate::files {
namespace {

// As insert_row counts them.
constexpr const char* kSource = "CASE WHEN source_type = '' THEN 'other' ELSE source_type END";
constexpr const char* kType = "CASE WHEN file_type = '' THEN 'other' ELSE file_type END";

void count_users(db::Tx& tx) {
  tx.exec("DELETE FROM fg_file_usage");
  const auto add = [&](std::string_view source, std::string_view type) {
    tx.exec(fmt::format("INSERT INTO fg_file_usage (user_id, source_type, file_type, files, bytes) "
                        "SELECT user_id, {0}, {1}, COUNT(*), COALESCE(SUM(file_size), 0) FROM generated_files "
                        "WHERE status = 'uploaded' GROUP BY user_id, {0}, {1}",
                        source, type));
  };
  add(kSource, kType);
  tx.exec(
      "INSERT INTO fg_file_usage (user_id, source_type, file_type, files, bytes) "
      "SELECT user_id, '', '', SUM(files), SUM(bytes) FROM fg_file_usage WHERE source_type <> '' GROUP BY user_id");
}

void count_local(db::Tx& tx) {
  tx.exec(
      "INSERT INTO fg_file_object (key, size, refs, place) SELECT local_path, COALESCE(MAX(file_size), 0), COUNT(*), 'local' "
      "FROM generated_files WHERE status = 'uploaded' AND local_path IS NOT NULL GROUP BY local_path "
      "ON CONFLICT (key) DO UPDATE SET refs = excluded.refs");
}

void count_in_store(db::Tx& tx, const std::string& place) {
  struct Found {
    std::string path;
    std::int64_t size, refs;
  };
  const auto found = tx.all(
      "SELECT cloud_path, COALESCE(MAX(file_size), 0), COUNT(*) FROM generated_files WHERE status = 'uploaded' AND "
      "local_path IS NULL AND cloud_path IS NOT NULL GROUP BY cloud_path",
      {}, [](const db::Row& row) { return Found{row.str(0), row.i64(1), row.i64(2)}; });
  for (const Found& object : found)
    tx.exec(
        "INSERT INTO fg_file_object (key, size, refs, place, cloud_path) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (key) DO UPDATE SET refs = excluded.refs",
        {key_in(object.path), object.size, object.refs, place, object.path});
}

struct Check {
  const char* sql;  // SELECT subject, found, expected
  const char* what;
};

constexpr Check kChecks[] = {
    {"SELECT o.key, o.refs, COALESCE(g.n, 0) FROM fg_file_object o LEFT JOIN (SELECT local_path, COUNT(*) AS n FROM generated_files "
     "WHERE status = 'uploaded' AND local_path IS NOT NULL GROUP BY local_path) AS g ON g.local_path = o.key "
     "WHERE o.place = 'local' AND o.refs <> COALESCE(g.n, 0)",
     "object on the disk is not referred to by as many files as it counts"},
    {"SELECT o.key, o.refs, COALESCE(g.n, 0) FROM fg_file_object o LEFT JOIN (SELECT cloud_path, COUNT(*) AS n FROM generated_files "
     "WHERE status = 'uploaded' AND cloud_path IS NOT NULL GROUP BY cloud_path) AS g ON g.cloud_path = o.cloud_path "
     "WHERE o.place <> 'local' AND o.refs <> COALESCE(g.n, 0)",
     "object in a store is not referred to by as many files as it counts"},
    {"SELECT o.key, 0, 0 FROM fg_file_object o WHERE o.place <> 'local' AND NOT EXISTS (SELECT 1 FROM cloud_storage_config c "
     "WHERE c.id = o.place)",
     "object lies in a store that is not known"},
    {"SELECT g.id, 0, 0 FROM generated_files g WHERE g.status = 'uploaded' AND g.local_path IS NOT NULL AND NOT EXISTS "
     "(SELECT 1 FROM fg_file_object o WHERE o.key = g.local_path AND o.place = 'local')",
     "file has no object on the disk"},
    {"SELECT g.id, 0, 0 FROM generated_files g WHERE g.status = 'uploaded' AND g.local_path IS NULL AND g.cloud_path IS NOT "
     "NULL AND NOT EXISTS (SELECT 1 FROM fg_file_object o WHERE o.cloud_path = g.cloud_path AND o.place <> 'local')",
     "file has no object in a store"},
    {"SELECT g.id, 0, 0 FROM generated_files g WHERE g.status = 'uploaded' AND g.local_path IS NULL AND g.cloud_path IS NULL "
     "AND g.cloud_url IS NULL",
     "file is nowhere"},
    {"SELECT user_id, bytes, n FROM (SELECT u.user_id, u.bytes, (SELECT COALESCE(SUM(g.file_size), 0) FROM generated_files g "
     "WHERE g.user_id = u.user_id AND g.status = 'uploaded') AS n FROM fg_file_usage u WHERE u.source_type = '') AS counted "
     "WHERE bytes <> n",
     "bytes of a user are not the sum of the files"},
    {"SELECT user_id, files, n FROM (SELECT u.user_id, u.files, (SELECT COUNT(*) FROM generated_files g WHERE g.user_id = "
     "u.user_id AND g.status = 'uploaded') AS n FROM fg_file_usage u WHERE u.source_type = '') AS counted WHERE files <> n",
     "files of a user are not counted right"},
    {"SELECT user_id, total, parts FROM (SELECT user_id, SUM(CASE WHEN source_type = '' THEN bytes ELSE 0 END) AS total, "
     "SUM(CASE WHEN source_type <> '' THEN bytes ELSE 0 END) AS parts FROM fg_file_usage GROUP BY user_id) AS summed "
     "WHERE total <> parts",
     "bytes of a user are not the sum of their kinds"},
};

}  // namespace

bool needs_stock(db::Tx& tx) {
  return tx.number("SELECT 1 FROM generated_files WHERE status = 'uploaded' LIMIT 1") != 0 &&
         tx.number("SELECT 1 FROM fg_file_usage LIMIT 1") == 0;
}

void take_stock(db::Tx& tx) {
  count_users(tx);
  tx.exec("UPDATE fg_file_object SET refs = 0");
  count_local(tx);
  if (const auto store = shown_store(tx)) count_in_store(tx, store->id);
}

std::vector<std::string> audit(db::Tx& tx) {
  std::vector<std::string> findings;
  for (const Check& check : kChecks)
    tx.each(check.sql, {}, [&](const db::Row& row) {
      findings.push_back(fmt::format("{}: {} ({}, {})", row.text(0), check.what, row.i64(1), row.i64(2)));
    });
  return findings;
}

}  // namespace fluxgate::files
