#include "app/keys.h"

#include <filesystem>

#include <fmt/format.h>

#include "base/clock.h"
#include "db/turns.h"
#include "files/depot.h"
#include "identity/secrets.h"

namespace fluxgate::app {
namespace {

// The mark of the folder, where something would be missed without it.
std::optional<std::string> missed_folder(db::Tx& tx, Millis now) {
  return tx.first("SELECT value FROM fg_once WHERE name = 'files.folder' AND (EXISTS (SELECT 1 FROM fg_file_object WHERE place = 'local') "
                  "OR EXISTS (SELECT 1 FROM fg_upstream_account WHERE sealed_key IS NOT NULL) OR EXISTS (SELECT 1 FROM fg_node WHERE "
                  "lease_until > $1))",
                  {db::shared_now(tx, now)}, [](const db::Row& row) { return row.str(0); });
}

Result<void> may_be_made(const Config& config, db::Database& database, std::string_view variable, std::string_view given,
                         std::string_view file) {
  const std::filesystem::path folder = config.data_dir;
  std::error_code failed;
  if (!given.empty() || std::filesystem::exists(folder / file, failed)) return {};
  const auto home = database.read_now([now = system_clock().now_ms()](db::Tx& tx) { return missed_folder(tx, now); });
  if (!home || *home == files::folder_marker((folder / "files").string())) return {};
  const std::string where = std::filesystem::absolute(folder).string();
  return fail(Errc::internal, "data_folder_elsewhere",
              {fmt::format("{} is not the data folder whose files this database knows, and has no {}; a new one would open nothing that is "
                           "stored. Mount that folder, or name it with --data-dir (DATA_DIR). If it is lost for good, give a new key in {}. "
                           "Nothing was changed.",
                           where, file, variable),
               fmt::format("{} 不是该数据库所记录文件的数据目录，且没有 {}；新建的密钥无法解开已存储的内容。请挂载原目录，或用 --data-dir（DATA_DIR）"
                           "指定；如原目录确已丢失，请在 {} 中设置新密钥。未做任何更改。",
                           where, file, variable)});
}

}  // namespace

Result<std::string> session_secret(const Config& config, db::Database& database) {
  FLUX_CHECK(may_be_made(config, database, "WEBUI_SECRET_KEY", config.secret_key, identity::kSecretKeyFile));
  return identity::session_secret(config.secret_key, config.data_dir);
}

Result<std::string> master_key(const Config& config, db::Database& database) {
  FLUX_CHECK(may_be_made(config, database, "FLUXGATE_MASTER_KEY", config.master_key, identity::kMasterKeyFile));
  return identity::master_key(config.master_key, config.data_dir);
}

}  // namespace fluxgate::app
