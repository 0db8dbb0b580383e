#include "app/shared_folder.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "base/ids.h"

namespace fluxgate::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFact = "installation";

std::string read_marker(const fs::path& file) {
  std::ifstream in(file);
  std::string id;
  std::getline(in, id);
  return id;
}

std::string installation(db::Tx& tx) {
  return tx.first("SELECT value FROM fg_once WHERE name = $1", {kFact}, [](const db::Row& row) { return row.str(0); }).value_or("");
}

// The id the folder has in the end; "" when it cannot be written. A link fails where there is one already, so that
// of two nodes in one folder the first one's id stands.
std::string mark(const fs::path& file, const std::string& id) {
  const fs::path fresh = file.string() + "." + id;
  std::ofstream(fresh) << id << '\n';
  static_cast<void>(::link(fresh.c_str(), file.c_str()));
  std::error_code ignored;
  fs::remove(fresh, ignored);
  return read_marker(file);
}

std::unexpected<Error> another_folder(const fs::path& file, const std::string& here, const std::string& wanted) {
  const std::string found = here.empty() ? "is missing" : "says " + here;
  const std::string found_zh = here.empty() ? "不存在" : "内容为 " + here;
  return fail(Errc::internal, "data_dir_not_shared",
              {fmt::format("The files of this database are in another data folder: {0} {1}, expected {2}. All nodes of one "
                           "database need the same folder: mount it here or name it with --data-dir. If this is the right "
                           "folder, restored or moved, write {2} into {0}.", file.string(), found, wanted),
               fmt::format("此数据库的文件位于另一个数据目录：{0} {1}，应为 {2}。同一数据库的所有节点必须使用同一目录：请在此挂载该目录，"
                           "或用 --data-dir 指定。如果这就是正确的目录（已恢复或移动），请将 {2} 写入 {0}。", file.string(), found_zh, wanted)});
}

}  // namespace

Result<void> prove_shared(db::Database& database, const std::string& data_dir, Millis now) {
  const fs::path file = fs::path(data_dir) / "installation";
  std::string here = read_marker(file);
  std::string wanted = database.read_now([](db::Tx& tx) { return installation(tx); });
  if (wanted.empty()) {
    if (here.empty()) here = mark(file, new_id(now));
    if (here.empty())
      return fail(Errc::internal, "data_dir",
                  {fmt::format("{} cannot be written.", file.string()), fmt::format("无法写入 {}。", file.string())});
    wanted = database.write_now([here, now](db::Tx& tx) {
      tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING", {kFact, here, now});
      return installation(tx);
    });
  }
  if (here != wanted) return another_folder(file, here, wanted);
  return {};
}

}  // namespace fluxgate::app
