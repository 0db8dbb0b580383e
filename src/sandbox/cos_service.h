// What the fake COS bucket does with a request: who asks, what for, what may go wrong, the answer.
#pragma once

#include <atomic>
#include <mutex>

#include "http/server.h"
#include "sandbox/cos.h"
#include "sandbox/cos_auth.h"
#include "sandbox/cos_shelf.h"

namespace fluxgate::sandbox::cos {

struct Operation {
  std::string_view name;    // "put", "part" …
  std::string_view action;  // the permission it needs
  std::string key;          // "" = the bucket
};

class CosService {
 public:
  CosService(CosOptions options, const Clock& clock);  // throws std::invalid_argument for an unknown fault

  awaitable<Result<http::Response>> answer(http::Request& request);
  awaitable<Result<http::Response>> tell();  // what was asked so far
  // Those that hang give up.
  void stop() { stopping_ = true; }

  void add_fault(std::string_view text);
  void deny(std::vector<std::string> actions);
  std::vector<std::pair<std::string, std::string>> log() const;  // request, host
  const Shelf& shelf() const { return shelf_; }
  const CosOptions& options() const { return options_; }

 private:
  struct Fault {
    std::string operation, what;
    int times = -1;  // -1 = always
    int after = 0;   // so many are spared first
  };

  // `region` is where the bucket is, for those who signed for another.
  http::Response refuse(std::string_view code, std::string_view message, std::string_view resource,
                        std::string_view region = {}) const;
  std::string due_fault(std::string_view operation);
  bool is_denied(std::string_view action) const;
  std::string wrong_bucket(std::string_view host) const;
  std::string take_bucket(Target& target) const;

  awaitable<Result<http::Response>> perform(http::Request& request, const Operation& operation,
                                            const Target& target, std::string fault);
  awaitable<Result<Blob>> receive(http::Request& request, bool damaged);
  awaitable<Result<http::Response>> put(http::Request& request, std::string key, bool damaged);
  awaitable<Result<http::Response>> put_part(http::Request& request, const Target& target, bool damaged);
  awaitable<Result<http::Response>> complete(http::Request& request, const Target& target);
  awaitable<void> hang() const;
  http::Response image(const Operation& operation, const Target& target) const;
  http::Response get(const http::Request& request, const Operation& operation, const Target& target,
                     bool truncated) const;
  http::Response list(const Target& target) const;
  http::Response list_parts(const Target& target) const;
  http::Response list_uploads(const Target& target) const;
  http::Response list_buckets() const;

  const CosOptions options_;
  const Clock& clock_;
  Shelf shelf_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Fault> faults_;
  std::vector<std::string> denied_;
  std::vector<std::pair<std::string, std::string>> log_;
  std::vector<std::string> images_;  // how pictures were asked for
};

}  // namespace fluxgate::sandbox::cos
