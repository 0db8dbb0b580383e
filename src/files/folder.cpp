// Which data folder this is, and whether the other nodes see the same one: a marker in it, made once.
#include <filesystem>
#include <fstream>

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

// Whoever is first names it; everybody reads what stands there then.
std::string marker_in(const std::string& directory) {
  const std::string path = directory + "/folder-id";
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
  if (database_.dialect() == db::Dialect::postgresql)
    co_await database_.write([marker, node = options_.node_id, at = now()](db::Tx& tx) {
      tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ('files.folder', $1, $2) ON CONFLICT (name) DO NOTHING",
              {marker, at});
      tx.exec("INSERT INTO fg_node_folder (node_id, folder) VALUES ($1, $2) ON CONFLICT (node_id) DO UPDATE SET folder = $2",
              {node, marker});
      // Another folder takes its place where nothing would be missed.
      tx.exec("UPDATE fg_once SET value = $1 WHERE name = 'files.folder' AND value <> $1 AND NOT EXISTS (SELECT 1 FROM "
              "fg_file_object WHERE place = 'local') AND NOT EXISTS (SELECT 1 FROM fg_node WHERE id <> $2 AND lease_until > $3)",
              {marker, node, db::shared_now(tx, at)});
    });
  folder_ = marker;
}

}  // namespace fluxgate::files
