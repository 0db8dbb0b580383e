// Delivers webhooks: one POST when a request is finished, signed with Ed25519 (§5). Failed attempts are
// repeated ten times with growing delay; what is still open after a restart is sent again. The key pair
// lies in the folder, so that all sandboxes on it sign alike.
//
// Runs on a thread of its own. `deliver` and `schedule` may be called from any thread.
#pragma once

#include <memory>
#include <string>

#include <boost/json.hpp>

#include "base/coro.h"
#include "base/crypto.h"
#include "base/http_message.h"
#include "sandbox/record.h"

namespace fluxgate::sandbox {

struct Service;

struct WebhookSignature {
  std::string request_id, user_id;
  Millis timestamp_s = 0;
};
// The four headers of §5.2 for that body.
HeaderList sign_webhook(const crypto::Ed25519KeyPair& keys, const WebhookSignature& who,
                        std::string_view body);

class WebhookSender {
 public:
  explicit WebhookSender(Service& service);
  ~WebhookSender();

  void start(std::string base_url);
  // Ends deliveries under way, so that nobody waits for one any more; those that come later fail.
  void cancel();
  void stop();  // safe to call twice

  // Sends it when the request is finished.
  void schedule(const Record& record);
  // One attempt now; completes when it was made.
  awaitable<void> deliver_now(Record record);

  // {"keys":[…]} for /.well-known/jwks.json.
  boost::json::object key_set() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fluxgate::sandbox
