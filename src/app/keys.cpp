#include "app/keys.h"

#include <filesystem>

#include <fmt/format.h>

#include "base/clock.h"
#include "db/turns.h"
#include "files/depot.h"
#include "identity/secrets.h"

namespace fluxgate::app {
namespace {

bool has_sealed_keys(db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_upstream_account WHERE sealed_key IS NOT NULL") != 0; }

// Whether the database is of another folder than the one with this mark, where something would be missed without that one.
bool is_of_another(db::Tx& tx, const std::string& mark, Millis now) {
  return tx.number("SELECT COUNT(*) FROM fg_once WHERE name = 'files.folder' AND value <> $1 AND (EXISTS (SELECT 1 FROM fg_file_object "
                   "WHERE place = 'local') OR EXISTS (SELECT 1 FROM fg_node WHERE lease_until > $2))",
                   {mark, db::shared_now(tx, now)}) != 0;
}

struct Secret {
  std::string_view variable, file;
  bool seals = false;
};
constexpr Secret kSession{"WEBUI_SECRET_KEY", identity::kSecretKeyFile}, kMaster{"FLUXGATE_MASTER_KEY", identity::kMasterKeyFile, true};

Result<void> may_be_made(const Config& config, db::Database& database, const Secret& secret, std::string_view given) {
  const std::filesystem::path folder = config.data_dir;
  std::error_code failed;
  if (!given.empty() || std::filesystem::exists(folder / secret.file, failed)) return {};
  const std::string mark = files::folder_marker((folder / "files").string());
  const bool missed = database.read_now([&, now = system_clock().now_ms()](db::Tx& tx) {
    return (secret.seals && has_sealed_keys(tx)) || is_of_another(tx, mark, now);
  });
  if (!missed) return {};
  const std::string where = std::filesystem::absolute(folder).string();
  return fail(Errc::internal, "key_not_here",
              {fmt::format("{} has no {}, and a new one would open nothing that is stored in this database. Mount its data folder, or name it "
                           "with --data-dir (DATA_DIR). If that key is lost for good, give a new one in {}. Nothing was changed.",
                           where, secret.file, secret.variable),
               fmt::format("{} 中没有 {}，新建的密钥无法解开该数据库中已存储的内容。请挂载其数据目录，或用 --data-dir（DATA_DIR）指定；如原密钥确已"
                           "丢失，请在 {} 中设置新密钥。未做任何更改。",
                           where, secret.file, secret.variable)});
}

}  // namespace

Result<std::string> session_secret(const Config& config, db::Database& database) {
  FLUX_CHECK(may_be_made(config, database, kSession, config.secret_key));
  return identity::session_secret(config.secret_key, config.data_dir);
}

Result<std::string> master_key(const Config& config, db::Database& database) {
  FLUX_CHECK(may_be_made(config, database, kMaster, config.master_key));
  return identity::master_key(config.master_key, config.data_dir);
}

}  // namespace fluxgate::app
