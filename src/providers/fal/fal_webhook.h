// Webhooks of fal (§5): Ed25519 over request id, user id, timestamp and the hash of the body as received.
// Delivered at least once, late, twice or never: whatever does not prove itself is a doorbell, and the engine
// asks.
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// fal's published keys; a clone or the sandbox publishes its own below its base address.
HttpRequest keys_request(const Account& account);
// Raw 32-byte Ed25519 keys of a JWKS document; others in it are skipped.
std::vector<std::string> read_keys(const HttpResponse& response);
// Verified when any key signed these bytes within 300 s of `now` for the request of `job`, if that is known
// yet (a webhook may overtake the answer to its submit). A verified call without a payload has no outcome.
WebhookVerdict judge(const HeaderList& headers, std::string_view body, const Job& job, Millis now,
                     std::span<const std::string> keys);

}  // namespace fluxgate::providers::fal
