// Which data folder this is, whether it is the one whose files the database knows, and whether the other nodes see the
// same one: a marker in it, made once.
#include <filesystem>
#include <fstream>
#include <limits>

#include <fmt/format.h>

#include "base/ids.h"
#include "db/turns.h"
#include "files/depot.h"
#include "notify/alerts.h"

namespace fluxgate::files {
namespace {

std::string read_marker(const std::string& path) {
  std::ifstream file(path);
  std::string id;
  std::getline(file, id);
  return id;
}

std::string marker_path(const std::string& directory) { return directory + "/folder-id"; }

// Whoever is first names it; everybody reads what stands there then.
std::string marker_in(const std::string& directory) {
  const std::string path = marker_path(directory);
  if (std::string id = read_marker(path); !id.empty()) return id;
  const std::string mine = path + "." + new_id();
  {
    std::ofstream file(mine);
    file << new_id() << '\n';
  }
  std::error_code taken;
  std::filesystem::create_hard_link(mine, path, taken);
  std::filesystem::remove(mine, taken);
  return read_marker(path);
}

}  // namespace

std::string folder_marker(const std::string& directory) { return read_marker(marker_path(directory)); }

// Nodes that are gone have no folder; should that of a new one have been forgotten with them, it comes back here.
awaitable<void> Depot::name_folder() {
  if (database_.dialect() == db::Dialect::sqlite) co_return;
  co_await database_.write([folder = folder_, node = options_.node_id](db::Tx& tx) {
    tx.exec("INSERT INTO fg_node_folder (node_id, folder) VALUES ($1, $2) ON CONFLICT (node_id) DO NOTHING", {node, folder});
    tx.exec("DELETE FROM fg_node_folder WHERE node_id <> $1 AND NOT EXISTS (SELECT 1 FROM fg_node n WHERE n.id = "
            "fg_node_folder.node_id)",
            {node});
  });
}

// Administrators hear of it before results have to wait, and when it is over; also of what a life before said.
awaitable<void> Depot::look_at_room() {
  std::error_code failed;
  const auto room = std::filesystem::space(options_.directory, failed).available;
  if (failed) co_return;  // whoever writes there will say so
  const bool low = room < options_.least_room;
  if (told_low_ == low) co_return;
  constexpr std::uintmax_t kMB = 1'000'000;
  const Text words{fmt::format("Only {} MB are free where files are kept ({}). When it is full, uploads are refused and results wait: "
                               "make room there, or set up a storage.", room / kMB, options_.directory),
                   fmt::format("文件目录（{}）仅剩 {} MB。写满后将拒绝上传，结果也会等待：请清理空间或配置云存储。", options_.directory, room / kMB)};
  co_await database_.write([id = new_id(now()), folder = folder_, low, words, at = now()](db::Tx& tx) {
    if (low) notify::raise(tx, id, "disk_low", folder, words, at);
    else notify::resolve(tx, "disk_low", folder, at);
  });
  told_low_ = low;
}

awaitable<void> Depot::learn_folder() {
  const std::string marker = marker_in(options_.directory);
  if (marker.empty()) throw std::runtime_error("the folder " + options_.directory + " cannot be marked as ours");
  co_await database_.write([marker, node = options_.node_id, at = now()](db::Tx& tx) {
    constexpr Millis kNoOther = std::numeric_limits<Millis>::max();  // an SQLite file has one server, by its lock
    const bool shared = tx.dialect() == db::Dialect::postgresql;
    tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ('files.folder', $1, $2) ON CONFLICT (name) DO NOTHING", {marker, at});
    if (shared)
      tx.exec("INSERT INTO fg_node_folder (node_id, folder) VALUES ($1, $2) ON CONFLICT (node_id) DO UPDATE SET folder = $2",
              {node, marker});
    // Another folder takes its place where nothing would be missed.
    tx.exec("UPDATE fg_once SET value = $1 WHERE name = 'files.folder' AND value <> $1 AND NOT EXISTS (SELECT 1 FROM "
            "fg_file_object WHERE place = 'local') AND NOT EXISTS (SELECT 1 FROM fg_node WHERE id <> $2 AND lease_until > $3)",
            {marker, node, shared ? db::shared_now(tx, at) : kNoOther});
  });
  folder_ = marker;
}

Result<void> Depot::check_folder() const {
  const bool shared = database_.dialect() == db::Dialect::postgresql;
  const auto known = stores();
  if (known->home == folder_ || (shared && known->current)) return {};
  const std::filesystem::path here = std::filesystem::absolute(options_.directory);
  const std::string where = here.parent_path().string(), marker = marker_path(here.string());
  const Text ways = shared ? Text{"All nodes have to share one DATA_DIR (mount the same folder), or files have to go to a storage that all "
                                  "reach (COS or S3, in the administrator's settings).",
                                  "所有节点必须共享同一 DATA_DIR（挂载同一目录），或在管理设置中启用所有节点可访问的存储（COS 或 S3）。"}
                           : Text{"Name that one with --data-dir (DATA_DIR).", "请用 --data-dir（DATA_DIR）指定原目录。"};
  return fail(Errc::internal, "folder_not_shared",
              {fmt::format("{} is not the data folder whose files this database knows. {} If its files were brought here, or are lost for "
                           "good: echo {} > \"{}\"", where, ways.en, known->home, marker),
               fmt::format("{} 不是该数据库所记录文件的数据目录。{} 如文件已迁移到此处，或确已丢失：echo {} > \"{}\"", where, ways.zh, known->home, marker)});
}

}  // namespace fluxgate::files
