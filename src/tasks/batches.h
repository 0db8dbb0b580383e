// Batches: up to a thousand tasks submitted together. All holds, tasks and the batch are one transaction; from
// then on each task lives its own life and fails alone. A batch has ended when its last task has.
//
// Thread-safe; every call is authorised by its user id ("" = any), as in tasks.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tasks/order.h"
#include "tasks/service.h"

namespace fluxgate::tasks {

inline constexpr std::size_t kBatchMax = 1'000;

struct BatchRequest {
  std::string user_id, provider, endpoint, name;
  std::vector<boost::json::object> requests;   // 1 to kBatchMax bodies of single submits
  std::string items_at = "requests";           // where errors say that a request stands: body/<items_at>/<index>
  Wishes wishes;                               // for all of them; the price is that of all together
  bool skip_refused = false;                   // leave out what is invalid, instead of refusing all
  std::string idempotency_key, body_sha256, own_origin;
};

struct Batch {
  std::string id, user_id, provider, endpoint, name;
  int total = 0;
  boost::json::array refused;                  // left out at submit: {index, errors: [{loc, type, msg: {en, zh}}]}
  std::optional<Millis> cancel_requested_at, ended_at;
  Millis created_at = 0;
};

struct BatchView {
  Batch batch;
  std::map<TaskState, int> counts;
  Credits quote, charged;
};

struct BatchList {
  std::vector<BatchView> batches;              // newest first
  std::string next_cursor;                     // "" = no more
};

// Its tasks: Tasks::history with its id.
class Batches {
 public:
  virtual ~Batches() = default;

  // Errors: those of Tasks::submit, the field errors of items below body/<items_at>/<index>;
  // insufficient_credits for the sum, with nothing held.
  virtual awaitable<Result<Submitted>> submit(BatchRequest request) = 0;
  virtual awaitable<Result<BatchView>> find(std::string id, std::string user_id) = 0;
  virtual awaitable<BatchList> list(std::string user_id, std::string cursor, int limit) = 0;
  // Cancels what waits, asks the upstream to stop what runs. The batch as it is afterwards.
  virtual awaitable<Result<BatchView>> cancel(std::string id, std::string user_id) = 0;
};

std::unique_ptr<Batches> make_batches(ServiceParts parts);

}  // namespace fluxgate::tasks
