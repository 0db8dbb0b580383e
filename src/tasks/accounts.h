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

  // Throws db::Failure when a stored key cannot be opened (another master key).
  std::vector<UpstreamAccount> accounts(db::Tx& tx, std::string_view provider) const;
  // Inserts or replaces by id; an empty key keeps the stored one. Clears out_since.
  void save(db::Tx& tx, const UpstreamAccount& account, Millis now) const;
  void take_out(db::Tx& tx, std::string_view account_id, std::string_view reason, Millis now) const;
  // Remedy text when a stored key cannot be opened; nullopt when all can.
  std::optional<std::string> unreadable_key(db::Tx& tx) const;

  std::optional<ProviderSettings> settings(db::Tx& tx, std::string_view provider) const;
  void save_settings(db::Tx& tx, std::string_view provider, const ProviderSettings& settings, Millis now) const;

 private:
  const crypto::Sealer& sealer_;
};

}  // namespace fluxgate::tasks
