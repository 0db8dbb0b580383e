// Webhooks of fal: what proves itself ends a task, everything else is a doorbell (spec/upstream-fal.md §5).
#include <gtest/gtest.h>

#include "base/crypto.h"
#include "providers/fal/fal_adapter.h"

namespace fluxgate::providers {
namespace {

class FalWebhook : public testing::Test {
 protected:
  static constexpr Millis kNow = 1'700'000'000'000;
  void SetUp() override {
    crypto::initialise();
    keys_ = crypto::new_ed25519_key_pair();
    job_.reference = {{"request_id", "r1"}};
  }
  WebhookVerdict judge(const std::string& body, std::string id = "r1", Millis at = kNow,
                       std::string signed_body = {}) {
    std::string time = std::to_string(at / 1000);
    std::string message =
        id + "\nuser\n" + time + "\n" + crypto::sha256_hex(signed_body.empty() ? body : signed_body);
    std::string signature = crypto::sign_ed25519(keys_.secret_key, message);
    HeaderList headers{
        {"x-fal-webhook-request-id", id},
        {"x-fal-webhook-user-id", "user"},
        {"x-fal-webhook-timestamp", time},
        {"x-fal-webhook-signature",
         crypto::hex({reinterpret_cast<const unsigned char*>(signature.data()), signature.size()})}};
    std::vector<std::string> known{std::string(32, 'x'), keys_.public_key};
    return adapter_->on_webhook(headers, body, job_, account_, kNow, known);
  }
  std::unique_ptr<Adapter> adapter_ = make_fal_adapter();
  crypto::Ed25519KeyPair keys_;
  Job job_;
  Account account_{"a", "flux", "https://queue.fal.run", "id:secret", {}};
};

const std::string kOk =
    R"({"request_id":"r1","status":"OK","payload":{"images":[{"url":"https://m.example/a.jpg"}],"seed":7}})";

TEST_F(FalWebhook, FinishesATaskWhenItsSignatureHolds) {
  auto verdict = judge(kOk);
  ASSERT_TRUE(verdict.verified);
  EXPECT_EQ(std::get<Done>(*verdict.outcome).outputs.front().url, "https://m.example/a.jpg");
}

TEST_F(FalWebhook, IsOnlyADoorbellWhenAnythingIsWrong) {
  EXPECT_FALSE(judge(kOk, "r1", kNow, kOk + " ").verified) << "another body";
  EXPECT_FALSE(judge(kOk, "r2").verified) << "another request's";
  EXPECT_TRUE(judge(kOk, "r1", kNow - 300'000).verified);
  EXPECT_FALSE(judge(kOk, "r1", kNow - 301'000).verified) << "too old";
  EXPECT_TRUE(judge(kOk, "r1", kNow + 300'000).verified);
  EXPECT_FALSE(judge(kOk, "r1", kNow + 301'000).verified) << "from the future";
  EXPECT_FALSE(adapter_->on_webhook({}, kOk, job_, account_, kNow, {}).verified) << "no headers";
}

TEST_F(FalWebhook, SaysWhyAModelFailed) {
  auto verdict = judge(
      R"({"request_id":"r1","status":"ERROR","error":"x","payload":{"detail":[{"loc":["body","prompt"],"msg":"no","type":"content_policy_violation"}]}})");
  ASSERT_TRUE(verdict.outcome);
  EXPECT_EQ(std::get<Failed>(*verdict.outcome).code, "content_policy");
}

TEST_F(FalWebhook, TellsAModelsCrashFromBadInputByTheStatusItNames) {
  auto crash = judge(
      R"({"request_id":"r1","status":"ERROR","error":"Invalid status code: 500","payload":{"detail":"Internal Server Error"}})");
  EXPECT_EQ(std::get<Failed>(*crash.outcome).decision, Decision::fail);
  auto input = judge(
      R"({"request_id":"r1","status":"ERROR","error":"Invalid status code: 422","payload":{"detail":"prompt too long"}})");
  EXPECT_EQ(std::get<Failed>(*input.outcome).decision, Decision::reject);
}

TEST_F(FalWebhook, NeedsEachOfItsFourHeadersAndAWholeSignature) {
  auto message = "r1\nuser\n" + std::to_string(kNow / 1000) + "\n" + crypto::sha256_hex(kOk);
  std::string raw = crypto::sign_ed25519(keys_.secret_key, message);
  std::string signature = crypto::hex({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()});
  const HeaderList good{{"x-fal-webhook-request-id", "r1"},
                        {"x-fal-webhook-user-id", "user"},
                        {"x-fal-webhook-timestamp", std::to_string(kNow / 1000)},
                        {"x-fal-webhook-signature", signature}};
  const std::vector<std::string> keys{keys_.public_key};
  auto verified = [&](const HeaderList& headers) {
    return adapter_->on_webhook(headers, kOk, job_, account_, kNow, keys).verified;
  };
  EXPECT_TRUE(verified(good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    HeaderList headers = good;
    headers.erase(headers.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(verified(headers)) << "without " << good[i].first;
    for (const char* value : {"", "x", "-1", "99999999999999999999", "1700000000 "}) {
      headers = good;
      headers[i].second = value;
      EXPECT_FALSE(verified(headers)) << good[i].first << ": " << value;
    }
  }
  HeaderList changed = good;
  changed[3].second[0] = changed[3].second[0] == '0' ? '1' : '0';
  EXPECT_FALSE(verified(changed));
  EXPECT_FALSE(adapter_->on_webhook(good, kOk, job_, account_, kNow, {}).verified) << "no keys are known";
}

// A webhook may arrive before the answer to its submit.
TEST_F(FalWebhook, MayOvertakeTheAnswerToItsSubmit) {
  job_.reference = {};
  EXPECT_TRUE(judge(kOk).verified);
}

TEST_F(FalWebhook, LeavesTheResultToBeAskedForWhenItCarriesNone) {
  auto verdict = judge(R"({"request_id":"r1","status":"OK","payload":null,"payload_error":"too large"})");
  EXPECT_TRUE(verdict.verified);
  EXPECT_FALSE(verdict.outcome);
}

TEST_F(FalWebhook, ReadsPublicKeysWithAndWithoutPadding) {
  std::string x = crypto::base64url(keys_.public_key);
  for (const std::string& form : {x, x + "="}) {
    HttpResponse response{
        200,
        {},
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":")" + form + R"("},{"crv":"P-256","x":"AAAA"}]})"};
    EXPECT_EQ(adapter_->read_webhook_keys(response), std::vector<std::string>{keys_.public_key});
  }
  Account fal{"a", "flux", "https://queue.fal.run", "k", {}},
      other{"a", "flux", "https://api.example/x", "k", {}};
  EXPECT_EQ(adapter_->webhook_keys_request(fal)->url, "https://rest.fal.ai/.well-known/jwks.json");
  EXPECT_EQ(adapter_->webhook_keys_request(other)->url, "https://api.example/x/.well-known/jwks.json");
}

}  // namespace
}  // namespace fluxgate::providers
