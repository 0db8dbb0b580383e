// A task as stored and as shown. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/money.h"
#include "base/text.h"
#include "tasks/task_state.h"

namespace fluxgate::tasks {

enum class Priority { low = -1, normal = 0, high = 1 };

struct Task {
  std::string id, user_id, provider, endpoint, model;
  TaskState state = TaskState::queued;
  std::int64_t rev = 1;
  std::string owner;
  std::int64_t fence = 0;
  Priority priority = Priority::normal;
  std::string account_id;                // of the upstream account, from the claim on
  std::string prompt;
  boost::json::object params;
  std::vector<std::string> inputs;
  int images = 1;
  Credits quote;
  int quote_rev = 0;
  Credits charged;
  boost::json::value result;             // the upstream's outputs, from `storing` on
  std::string seed;
  std::string error_code, error_param;
  Text error_message;
  int tries = 0, resubmits = 0;
  Millis not_before = 0;
  std::optional<Millis> cancel_requested_at;
  Millis created_at = 0, updated_at = 0;
  std::optional<Millis> started_at, completed_at;
  std::string batch_id;
  std::string cache_key;                 // "" = not cacheable
  std::string cached_from;               // the task whose result this one was given; "" = made for it
  std::string legacy_id;                 // of an imported task, under which its clients know it; "" = ours
};

struct Attempt {
  std::string id, task_id;
  int number = 1;
  std::string account_id;
  boost::json::object reference;         // empty: the upstream's answer is not known
  Millis sent_at = 0;
  bool over = false;                     // ended, given up or lost
};

// One delivered result.
struct TaskFile {
  int position = 0;
  std::string file_id, name, mime, seed, sha256, dominant_color, thumbhash;
  bool flagged = false;
  bool deleted = false;                  // by its owner or by retention: no link to it works any more
  std::uint64_t size = 0;
  int width = 0, height = 0;
};

// What the engine knows of a task in flight and does not store.
struct Progress {
  std::optional<int> queue_position;   // ahead of it at the upstream, or in our queue
  std::optional<double> fraction;      // 0..1
  std::optional<Millis> wait_ms;       // until it is started, probably
  std::optional<Millis> expected_at;   // from learned durations
  bool upstream_running = false;
};

struct TaskView {
  Task task;
  std::vector<TaskFile> files;
  Progress progress;
};

}  // namespace fluxgate::tasks
