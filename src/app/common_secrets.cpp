#include "app/common_secrets.h"

#include <fmt/format.h>

#include "base/log.h"
#include "db/turns.h"
#include "identity/secrets.h"
#include "tasks/task_store.h"

namespace fluxgate::app {
namespace {

enum class Differs { none, master_key, session_secret };

struct Found {
  Differs differs = Differs::none;
  bool others = false;
};

// The master key's owner can guess a weak session secret by its print, and nobody else.
Differs compare(const crypto::Sealer& sealer, const std::string& kept, const std::string& print) {
  const auto opened = sealer.open(kept);
  if (!opened) return Differs::master_key;
  return *opened == print ? Differs::none : Differs::session_secret;
}

std::unexpected<Error> refused(Differs differs, const Config& config) {
  const bool master = differs == Differs::master_key;
  const std::string_view name = master ? "FLUXGATE_MASTER_KEY" : "WEBUI_SECRET_KEY";
  const std::string file = fmt::format("{}/{}", config.data_dir, master ? identity::kMasterKeyFile : identity::kSecretKeyFile);
  const bool given = !(master ? config.master_key : config.secret_key).empty();
  return fail(Errc::internal, "secrets_differ",
              {fmt::format("{} ({}) is not that of the nodes that run on this database: {}. Give all nodes the same. To change it, stop "
                           "every node first (one that crashed counts for another {} s).",
                           name, given ? "given" : "from " + file,
                           master ? "keys stored by one could not be opened by the other"
                                  : "tokens and links made by one would not be valid at the other",
                           tasks::store::kLease / 1000),
               fmt::format("{}（{}）与此数据库上正在运行的节点不同：{}。请为所有节点设置相同的值；如需更换，请先停止所有节点（崩溃的节点在 {} 秒后失效）。",
                           name, given ? "已指定" : "来自 " + file, master ? "彼此无法解开对方存储的密钥" : "彼此签发的令牌和链接无效",
                           tasks::store::kLease / 1000)});
}

}  // namespace

Result<void> join_nodes(db::Database& database, const crypto::Sealer& sealer, std::string_view session_secret, const std::string& node_id,
                        const Config& config, const Clock& clock) {
  if (database.dialect() == db::Dialect::sqlite) return {};
  const std::string print = crypto::hex(crypto::hmac_sha256(session_secret, "the nodes' common secret"));
  const Found found = database.write_now([sealer, print, sealed = sealer.seal(print), node_id, now = clock.now_ms()](db::Tx& tx) {
    db::take_turns(tx, "the nodes' secrets");
    Found result;
    const auto kept = tx.first("SELECT value FROM fg_once WHERE name = 'node.secrets'", {}, [](const db::Row& row) { return row.str(0); });
    if (kept) result.differs = compare(sealer, *kept, print);
    result.others = tx.number("SELECT 1 FROM fg_node WHERE id <> $1 AND lease_until > $2 LIMIT 1", {node_id, db::shared_now(tx, now)}) != 0;
    if (result.differs != Differs::none && result.others) return result;
    tasks::store::renew_lease(tx, node_id, tasks::store::kLease, now);
    if (!kept || result.differs != Differs::none)
      tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ('node.secrets', $1, $2) ON CONFLICT (name) DO UPDATE SET value = $1",
              {sealed, now});
    return result;
  });
  if (found.differs == Differs::none) return {};
  if (found.others) return refused(found.differs, config);
  if (found.differs == Differs::master_key) log::warn("FLUXGATE_MASTER_KEY is another than before; no stored key needs the former");
  else log::warn("WEBUI_SECRET_KEY is another than before: everybody has to sign in again, and links given out have ended");
  return {};
}

}  // namespace fluxgate::app
