#include "providers/fal/fal_webhook.h"

#include <charconv>
#include <cstdlib>

#include "base/crypto.h"
#include "providers/fal/fal_address.h"
#include "providers/fal/fal_answers.h"
#include "providers/fal/fal_errors.h"
#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

constexpr Millis kTolerance = 300'000;
constexpr std::size_t kKeysMax = 16;

std::string_view header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

// "Invalid status code: 422" → 422; 0 when it says nothing like it.
int status_in(std::string_view error) {
  auto at = error.rfind(": ");
  int status = 0;
  if (at != std::string_view::npos)
    std::from_chars(error.data() + at + 2, error.data() + error.size(), status);
  return status >= 400 && status < 600 ? status : 0;
}

bool signature_holds(const HeaderList& headers, std::string_view body, Millis now,
                     std::span<const std::string> keys) {
  std::string_view id = header(headers, "x-fal-webhook-request-id"),
                   user = header(headers, "x-fal-webhook-user-id");
  std::string_view time = header(headers, "x-fal-webhook-timestamp"),
                   signature = header(headers, "x-fal-webhook-signature");
  if (id.empty() || user.empty() || time.empty() || signature.size() != 128) return false;
  Millis seconds = 0;
  auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), seconds);
  constexpr Millis kSecondsMax = 1'000'000'000'000;  // far future; the product below must not overflow
  if (error != std::errc{} || end != time.data() + time.size() || seconds < 0 || seconds > kSecondsMax)
    return false;
  if (std::abs(now - seconds * 1000) > kTolerance) return false;
  auto raw = crypto::unhex(signature);
  if (!raw) return false;
  std::string message =
      std::string(id) + "\n" + std::string(user) + "\n" + std::string(time) + "\n" + crypto::sha256_hex(body);
  for (const std::string& key : keys)
    if (crypto::verify_ed25519(key, message, *raw)) return true;
  return false;
}

}  // namespace

HttpRequest keys_request(const Account& account) {
  HttpRequest request;
  request.url = is_fal_host(account.base_url) ? "https://rest.fal.ai/.well-known/jwks.json"
                                              : address(account, "/.well-known/jwks.json");
  return request;
}

std::vector<std::string> read_keys(const HttpResponse& response) {
  std::vector<std::string> keys;
  auto body = response.status == 200 ? parse_object(response.body) : std::nullopt;
  auto* list = body ? array_of(*body, "keys") : nullptr;
  if (!list) return keys;
  for (const auto& item : *list) {
    auto* key = item.if_object();
    if (!key || text_of(*key, "crv") != "Ed25519" || keys.size() >= kKeysMax) continue;
    auto raw = crypto::unbase64(text_of(*key, "x"));
    if (raw && raw->size() == 32) keys.push_back(std::move(*raw));
  }
  return keys;
}

WebhookVerdict judge(const HeaderList& headers, std::string_view body, const Job& job, Millis now,
                     std::span<const std::string> keys) {
  WebhookVerdict verdict;
  if (!signature_holds(headers, body, now, keys)) return verdict;
  auto payload = parse_object(body);
  if (!payload) return verdict;
  std::string id = text_of(*payload, "request_id");
  // Signed for somebody's request is not signed for this one.
  std::string known = text_of(job.reference, "request_id");
  if (id.empty() || id != header(headers, "x-fal-webhook-request-id") || (!known.empty() && id != known))
    return verdict;
  verdict.verified = true;
  auto* content = object_of(*payload, "payload");
  if (!content) return verdict;  // not serialisable, or too large: the engine asks for the result itself
  std::string status = text_of(*payload, "status");
  if (status == "OK") verdict.outcome = read_output(*content);
  if (status == "ERROR") verdict.outcome = failed_payload(*content, status_in(text_of(*payload, "error")));
  return verdict;
}

}  // namespace fluxgate::providers::fal
