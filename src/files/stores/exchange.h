// One request to a store until it succeeds or is refused for good: signed anew each time, repeated with
// back-off and full jitter, with the clock and the region corrected once when the store says that they are
// wrong, and on COS's backup host as the last attempt when nothing of the store was heard before.
//
// `run` is called on the client's executor; the rest from any thread. Once a call was cancelled, or
// StoreParts::ending says so, the client is going or gone: every run ends with store_stopped, and nothing touches the
// client any more.
#pragma once

#include <atomic>
#include <mutex>

#include "files/stores/dialect.h"
#include "files/stores/failures.h"

namespace fluxgate::files {

// A stretch of a source as a request's body.
struct Stretch {
  std::shared_ptr<const Source> source;
  std::uint64_t offset = 0, length = 0;
};

// An object on its way here. A connection that breaks is taken up again where it broke, if the object is
// still the same.
struct Download {
  std::optional<Range> range;
  Sink sink;
  std::uint64_t received = 0;
  std::uint64_t crc64 = 0;  // of what was received
  std::optional<ObjectFacts> facts = {};
  bool other_range = false;  // the answer was another stretch than was asked for
};

struct Call {
  Operation operation;
  std::optional<Stretch> body = {};
  Download* download = nullptr;  // outlives the call
  std::string_view root = {};    // the XML root that means success: a store may answer 200 and then an error
  std::optional<std::uint64_t> crc64 = {};  // what the store must say that it has, if it says so
};

class Exchange {
 public:
  Exchange(const Dialect& dialect, const StoreParts& parts);  // both outlive it

  awaitable<Result<HttpResponse>> run(Call call);
  // The time by the store's clock and where the bucket is, as far as is known by now.
  Circumstances circumstances() const;
  // The store's clock minus ours, as last measured.
  std::optional<Millis> measured_offset() const;
  std::string found_region() const { return circumstances().region; }

 private:
  awaitable<net::Reply> send(const Call& call, const Circumstances& at);
  std::optional<Refusal> judge(const Call& call, const net::Reply& reply);
  bool correct_clock(const net::Reply& reply, const Refusal& refusal);
  bool correct_region(const Refusal& refusal);
  awaitable<void> pause(Repeat repeat, int attempt);

  const Dialect& dialect_;
  const StoreParts& parts_;
  bool stopped_ = false;                // on the client's executor
  mutable std::mutex mutex_;  // guards what follows
  std::optional<Millis> measured_ms_;
  Millis offset_ms_ = 0;  // in use: corrected only when the store refuses the time
  std::string region_;
};

ObjectFacts facts_of(const HttpResponse& answer);

}  // namespace fluxgate::files
