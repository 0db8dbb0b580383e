// Webhooks of fal: Ed25519 over request id, user id, timestamp and the body's hash (§5).
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

HttpRequest keys_request(const Account& account);
std::vector<std::string> read_keys(const HttpResponse& response);
WebhookVerdict judge(const HeaderList& headers, std::string_view body, const Job& job, Millis now,
                     std::span<const std::string> keys);

}  // namespace fluxgate::providers::fal
