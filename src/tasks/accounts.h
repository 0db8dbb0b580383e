// Upstream accounts and the provider's settings, as admins keep them; keys sealed at rest.
//
// A provider has one row of settings and any number of accounts. The `flux/config` endpoints of the
// original edit the settings and the account named "default".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/result.h"
#include "db/database.h"
#include "providers/adapter.h"

namespace fluxgate::tasks {

struct UpstreamAccount {
  providers::Account account;      // key opened
  std::string name;                // for people; "" = its id
  bool enabled = true;
  int weight = 1;
  int max_concurrent = 5;
  int timeout_s = 300;             // of one upstream call
  std::optional<Millis> out_since; // key or balance refused
  std::string out_reason;
  std::int64_t rev = 1;
};

struct ProviderSettings {
  bool enabled = false;
  std::string default_model;
  std::map<std::string, Credits> model_credits;  // overrides, per image
  std::int64_t rev = 0;
  Millis created_at = 0, updated_at = 0;
};

class AccountStore {
 public:
  explicit AccountStore(const crypto::Sealer& sealer) : sealer_(sealer) {}

  // Before use, at start: the account of a provider that has none stored (from the environment), and the
  // account that stands for every provider whatever is stored (the sandbox). Either enables the provider.
  void set_default(UpstreamAccount account) { default_ = std::move(account); }
  void set_sandbox(UpstreamAccount account) { sandbox_ = std::move(account); }
  bool sandbox() const { return sandbox_.has_value(); }

  // Throws db::Failure when a stored key cannot be opened (another master key).
  std::vector<UpstreamAccount> accounts(db::Tx& tx, std::string_view provider) const;
  // Inserts or replaces by id; an empty key keeps the stored one. Clears out_since and resolves its alerts.
  void save(db::Tx& tx, const UpstreamAccount& account, Millis now) const;
  // As stored, of every provider or of one; the environment's where none is stored.
  std::vector<UpstreamAccount> all(db::Tx& tx) const;
  std::optional<UpstreamAccount> find(db::Tx& tx, std::string_view id) const;
  // Locked until the transaction ends; for changes.
  std::optional<UpstreamAccount> find_stored(db::Tx& tx, std::string_view id) const;
  std::int64_t at_work(db::Tx& tx, std::string_view id) const;  // tasks, on all nodes
  // conflict account_busy while tasks are at work on it; false when there is none.
  Result<bool> remove(db::Tx& tx, std::string_view id, Millis now) const;
  // Key or balance refused: nobody is sent to it until it is saved again. Raises an alert; `alert_id` is for it. The
  // environment's account is not ours to switch off: each task is told, and the alert says where its key is.
  void take_out(db::Tx& tx, std::string_view account_id, std::string_view reason, std::string_view alert_id, Millis now) const;
  // Remedy text when a stored key cannot be opened; nullopt when all can.
  std::optional<std::string> unreadable_key(db::Tx& tx) const;

  // The account that an admin edits: the one stored under edited_id(), else the environment's. What stands
  // behind the sandbox too.
  std::optional<UpstreamAccount> configured(db::Tx& tx, std::string_view provider) const;
  static std::string edited_id(std::string_view provider) { return std::string(provider) + "-default"; }

  // What is stored; absent when nobody configured the provider.
  std::optional<ProviderSettings> settings(db::Tx& tx, std::string_view provider) const;
  // Whether members may use it now, and the sentence that says why not.
  Result<void> usable(db::Tx& tx, std::string_view provider) const;
  void save_settings(db::Tx& tx, std::string_view provider, const ProviderSettings& settings, Millis now) const;

 private:
  UpstreamAccount read(const db::Row& row) const;
  std::vector<UpstreamAccount> stored(db::Tx& tx, std::string_view provider) const;  // "" = of all

  const crypto::Sealer& sealer_;
  std::optional<UpstreamAccount> default_, sandbox_;
};

}  // namespace fluxgate::tasks
