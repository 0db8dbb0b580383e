// Which operation a path of the queue means (spec/upstream-fal.md §1.3). Pure.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::sandbox {

enum class Operation { submit, status, stream, result, cancel, unknown };

struct QueuePath {
  Operation operation = Operation::unknown;
  std::string endpoint;  // submit: the whole id; else the application
  std::string request_id;
  bool full_id_form = false;  // a follow-up with the sub-path in it: the real service answers 405
};

// Accepts a trailing slash, and "/response" after the id of a result.
QueuePath read_queue_path(std::string_view path);

}  // namespace fluxgate::sandbox
