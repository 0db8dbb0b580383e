// What all routes of the sandbox share. One per Sandbox; outlives the server's connections.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "http/server.h"
#include "sandbox/answers.h"
#include "sandbox/book.h"
#include "sandbox/counters.h"
#include "sandbox/faults.h"
#include "sandbox/gallery.h"
#include "sandbox/sandbox.h"
#include "sandbox/uploads.h"

namespace fluxgate::sandbox {

class WebhookSender;

struct Service {
  Service(Options options_in, const Clock& clock_in);
  ~Service();

  const Options options;
  const Clock& clock;
  Counters counters;
  Book book;
  Uploads uploads;
  Gallery gallery;
  FaultCounter faults;
  std::atomic<bool> stopping{false};  // cuts hung answers short
  std::unique_ptr<WebhookSender> webhooks;

  AnswerOptions answer_options() const { return {options.tiny_images, options.image_scale}; }
  ProbeImage probe();
  // What links in answers to this caller start with.
  std::string base_for(const http::Request& request) const;
  // The outcome with those result faults that last (not counted as hits).
  Outcome outcome(const Record& record);
};

// Who asks: the digest of the credential, or the answer that refuses it (§1.8).
struct Caller {
  std::string account;
  bool without_balance = false;
};
std::expected<Caller, http::Response> identify(const Service& service, const http::Request& request);

// Waits; false when the sandbox stops meanwhile.
awaitable<bool> pause(Service& service, Millis duration);

}  // namespace fluxgate::sandbox
