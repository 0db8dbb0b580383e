// What the API may do with tasks. Thread-safe; every call is authorised by its user id, so another's
// task looks like one that does not exist.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/coro.h"
#include "base/http_message.h"
#include "base/result.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

struct SubmitRequest {
  std::string user_id;
  std::string provider;
  std::string endpoint;                    // text_to_image, image_to_image, multi_image_edit
  boost::json::object body;                // the request's members; model, expected_price and rev among them
  std::string idempotency_key;             // "" = none
  std::string body_sha256;                 // of the raw body, for the key
  std::string own_origin;                  // "https://host:port" under which the caller reached us
};

struct Submitted {
  std::string task_id;
  bool replayed = false;                   // the key was used before with the same body
  std::optional<Task> task = {};           // as it was stored; of a single submit that is no replay
};

inline constexpr std::size_t kSearchWordsMax = 4;

struct HistoryQuery {
  std::string user_id;
  std::string provider;
  std::optional<std::vector<TaskState>> states;
  std::string batch_id;                    // "" = all; else the tasks of this batch, in the order of its request
  std::string cursor;                      // the id where the last page ended; "" = from the beginning
  int offset = 0;                          // for `page`; ≤ 10 000
  int limit = 20;
  // A search: what a page looks through is bounded (task_history.cpp), so it may be short and still have a next one.
  std::string model;                       // "" = any
  std::vector<std::string> words;          // all of them in the prompt, whatever their case; empty = any prompt
  Millis from = 0, to = 0;                 // of the submit, [from, to); 0 = open
  bool is_search() const { return !model.empty() || !words.empty() || from != 0 || to != 0; }
};

struct HistoryPage {
  std::vector<TaskView> tasks;
  std::optional<std::int64_t> total;       // of a search: not known
  std::string next_cursor;                 // "" = no more
};

class Tasks {
 public:
  virtual ~Tasks() = default;

  // Validates, quotes, then holds and stores in one transaction; the answer is on disk.
  // Errors: invalid, insufficient_credits, conflict price_changed, unavailable provider_disabled,
  // invalid idempotency_mismatch.
  virtual awaitable<Result<Submitted>> submit(SubmitRequest request) = 0;

  // What a submit is answered with.
  virtual awaitable<Result<TaskView>> view(Submitted placed, std::string user_id) = 0;

  // `user_id` "" = any (admins).
  virtual awaitable<Result<TaskView>> find(std::string id, std::string user_id) = 0;
  virtual awaitable<HistoryPage> history(HistoryQuery query) = 0;

  // Cancels what is still waiting; asks the upstream otherwise. The task as it is afterwards.
  virtual awaitable<Result<TaskView>> cancel(std::string id, std::string user_id) = 0;

  // Waits until the task has ended, `limit` passed or the server drains; the task as it is then.
  virtual awaitable<Result<TaskView>> wait(std::string id, std::string user_id, std::chrono::milliseconds limit) = 0;

  // A call to /hooks/{attempt}/{mac}. True when the path's mac is right.
  virtual awaitable<bool> webhook(std::string attempt_id, std::string mac, HeaderList headers, std::string body) = 0;

  // Somebody deleted a file: tasks that have ended are read anew. Without this, as on other nodes, within five seconds.
  virtual void files_deleted() = 0;
};

}  // namespace fluxgate::tasks
