// What the fake COS bucket does with a request: who asks, what for, what may go wrong, the answer.
#pragma once

#include <atomic>
#include <mutex>

#include "http/server.h"
#include "sandbox/cos.h"
#include "sandbox/cos_faults.h"
#include "sandbox/cos_operations.h"
#include "sandbox/cos_shelf.h"

namespace fluxgate::sandbox::cos {

class CosService {
 public:
  CosService(CosOptions options, const Clock& clock);  // throws std::invalid_argument for an unknown fault

  awaitable<Result<http::Response>> answer(http::Request& request);
  awaitable<Result<http::Response>> tell();  // what was asked so far
  // Those that hang give up.
  void stop() { stopping_ = true; }

  CosFaults& faults() { return faults_; }
  void deny(std::vector<std::string> actions);
  std::vector<std::pair<std::string, std::string>> log() const;  // request, host
  const Shelf& shelf() const { return shelf_; }
  const CosOptions& options() const { return options_; }

 private:
  struct Asked {
    Target target;  // without the bucket
    std::string host;
    Verdict verdict = {};    // on the signature
    std::string wrong = {};  // the code, for another bucket than ours
    std::optional<Operation> operation = {};

    std::string_view name() const { return operation ? operation->name : std::string_view("unknown"); }
  };
  Asked read(const http::Request& request) const;
  void note(const Asked& asked);
  std::optional<http::Response> refusal(const Asked& asked) const;
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
  CosFaults faults_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> denied_;
  std::vector<std::pair<std::string, std::string>> log_;
  std::vector<std::string> images_;  // how pictures were asked for
};

}  // namespace fluxgate::sandbox::cos
