// One running node: every part of the product, built in order and stopped in reverse. This is the only
// place that knows them all.
//
// Nodes on one PostgreSQL may have roles: `api` answers people and leaves the tasks to others, `worker` works on tasks
// and answers /health alone, `all` does both.
#pragma once

#include <memory>

#include "app/config.h"
#include "base/result.h"

namespace fluxgate::app {

class Node {
 public:
  // Builds everything; nothing runs yet. Errors say what to do.
  static Result<std::unique_ptr<Node>> build(const Config& config);
  virtual ~Node() = default;

  // Starts listening and working. Throws std::runtime_error when the port is taken.
  virtual void start() = 0;
  virtual std::uint16_t port() const = 0;
  // Drains for at most `config.drain_s`, then stops, which takes as long as the database needs. Safe twice.
  virtual void stop() = 0;
};

}  // namespace fluxgate::app
