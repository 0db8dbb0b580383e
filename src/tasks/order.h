// From a request to what its transaction writes: checked, normalised and priced by the catalogue, its inputs
// taken in. Shared by single submits and batches, so that both mean the same.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/coro.h"
#include "catalogue/holder.h"
#include "credits/ledger.h"
#include "files/files.h"
#include "tasks/accounts.h"
#include "tasks/inputs.h"
#include "tasks/result_cache.h"
#include "tasks/scheduling.h"
#include "tasks/tasks.h"

namespace fluxgate::tasks {

// Members of a request that speak to us, not to the model.
struct Wishes {
  std::optional<Credits> expected_price;
  std::optional<Priority> priority;
  std::optional<bool> use_cache;
};
// Takes them out of the body; invalid with the field.
Result<Wishes> take_wishes(boost::json::object& body);

// The settings a submit is judged by, read together.
struct House {
  Share share;
  CacheRules cache;
};
// Errors: unavailable as AccountStore::usable.
Result<House> read_house(db::Tx& tx, const AccountStore& accounts, const std::string& provider, const std::string& user_id);

// Everything the transaction writes for one task, made before it.
struct Order {
  Task task;
  CacheRules cache;
  bool use_cache = false;
  TakenInputs::Pictures uploads;
  credits::Stamp stamp;
};

struct OrderParts {
  db::Database& database;
  files::Files& files;
  const catalogue::Holder& catalogue;
  const AccountStore& accounts;
  const Clock& clock;
  std::vector<std::string> own_origins;  // under which links are ours, besides the caller's
  bool inputs_inline = true;             // no public URL: upstreams are sent the bytes
};

// Who asks, for what, and by which settings.
struct Asking {
  std::string user_id, provider, endpoint, own_origin;
  House house;
};

// Inputs that were taken in already, by what was given: the many requests of a batch often share them.
using TakenBefore = std::map<std::vector<std::string>, TakenInputs>;

// Errors: invalid, conflict price_changed, forbidden priority_not_allowed, and those of take_inputs. `taken`, when
// given, lives as long as the call.
awaitable<Result<Order>> make_order(const OrderParts& parts, Asking asking, boost::json::object body, Wishes wishes,
                                    TakenBefore* taken = nullptr);
Error price_changed(Credits price, int rev, Credits expected);

// ---- in the transaction ----

// Other submits of the user wait from here on; nothing is needed where writers come one by one.
void lock_account(db::Tx& tx, std::string_view user_id);

// Refuses a submit of `more` tasks beyond the user's limit of unfinished ones: too_many_requests.
Result<void> check_pending(db::Tx& tx, std::string_view user_id, std::string_view provider, const Share& share, int more);

// Refuses a submit of a user who has no room for files left: invalid storage_quota. At least one order.
Result<void> check_files(db::Tx& tx, std::span<const Order> orders);

// Holds and stores the task; answered from the result cache, it is stored as succeeded and charged its share.
// insufficient_credits; then nothing was written. The task as it is stored.
Result<Task> place(db::Tx& tx, const files::Files& files, const Order& order);

// ---- the Idempotency-Key (DESIGN §7) ----

struct KeyUse {
  std::string user_id, endpoint, key, body_sha256;   // key "" = none
};
struct KnownKey {
  std::string made_id;        // the task or batch it made
  bool same_body = false;
};
std::optional<KnownKey> find_key(db::Tx& tx, const KeyUse& use);
void keep_key(db::Tx& tx, const KeyUse& use, std::string_view made_id, Millis now);
// The answer to a repetition; invalid when it is one of another body.
Result<Submitted> replay(const KnownKey& known);

}  // namespace fluxgate::tasks
