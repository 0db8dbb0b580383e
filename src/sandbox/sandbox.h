// A fake upstream: the fal queue protocol for FLUX over real HTTP, without a network, a key or a bill.
// It is what a new user runs against and what tests and benchmarks run against (DESIGN §1.5); its
// contract is spec/upstream-fal.md §1-§6 and §9. It shares no code with the adapter that talks to it.
//
// Accepted requests are written to `folder` before they are answered; every later answer derives from
// that record and the time. So after a kill this sandbox, or any other on the same folder, answers the
// same ids with the same pictures. Pictures are real files, the same for the same prompt and seed, and
// marked as what they are.
//
// What can be asked to go wrong: faults.h.
//
// Threads: `start` runs the server's own threads and one each for webhooks and pictures; all public
// functions may be called from any thread outside of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"

namespace fluxgate::sandbox {

struct Options {
  std::string folder;  // made when absent
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = any free one
  int threads = 1;         // of the HTTP server
  // What links in answers start with, e.g. "https://fal.example"; empty = the caller's Host header.
  std::string public_base_url;
  std::string tls_certificate, tls_key;  // PEM files; both or neither

  // Keys (§1.8): "Key id:secret" or "Bearer x". `keys` lists the accepted ones; empty = any well-formed
  // one. Keys that start with "bad" are unknown (401), those with "broke" have no balance (403 on
  // submit). With check_keys = false everybody may come, even without a key.
  bool check_keys = true;
  std::vector<std::string> keys;

  double latency_scale = 1;         // 1 = a default image in 1 to 2.5 s; 0 = finished at once
  bool slow_calls = false;          // each call takes the tens of milliseconds that the real one does
  int slots = 0;                    // runs at once per account, the rest waits; 0 = no limit
  bool tiny_images = false;         // 16 by 16 pixels, for benchmarks
  double image_scale = 1;           // of each side
  bool big_seeds = false;           // drawn seeds exceed 2^53, to try the readers of JSON
  std::vector<std::string> faults;  // written as in faults.h; unknown ones make the constructor throw

  Millis time_to_live_ms = 24 * 3'600'000;  // of requests, results and uploads
  std::size_t records_max = 1'000'000;
  Millis webhook_retry_ms = 5'000;  // before the second attempt; doubles after each
};

// How often each thing happened since the start. `posts` counts every submit that arrived, refused,
// reset and lost ones too; `accepted` those that were recorded.
struct RequestCounts {
  std::uint64_t posts = 0, accepted = 0, status = 0, results = 0, cancels = 0, streams = 0, media = 0,
                uploads = 0, webhooks_sent = 0, webhooks_delivered = 0, faults = 0;
};

class Sandbox {
 public:
  // Reads the folder. Throws std::invalid_argument for an unknown fault, std::system_error when the
  // folder cannot be used.
  explicit Sandbox(Options options, const Clock& clock = system_clock());
  ~Sandbox();  // stops

  void start();                  // throws std::runtime_error when it cannot listen
  void stop();                   // safe to call twice
  std::string base_url() const;  // "http://127.0.0.1:40123"; after start
  RequestCounts requests() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fluxgate::sandbox
