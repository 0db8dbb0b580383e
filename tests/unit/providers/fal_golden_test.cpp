// Every translation of the fal adapter, as files: what the upstream said → what the engine is told.
// FLUXGATE_UPDATE=1 rewrites the expectations; the diff is reviewed.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "providers/fal/fal_adapter.h"

namespace fluxgate::providers {
namespace {

namespace json = boost::json;

const std::filesystem::path kGolden = FLUXGATE_SOURCE_DIR "/tests/unit/providers/golden/fal";

json::value optional_number(const auto& value) { return value ? json::value(*value) : json::value(nullptr); }

json::object shown(const Send& send) {
  json::object headers;
  for (const auto& [name, value] : send.request.headers) headers[name] = value;
  return {{"send", send.request.method + " " + send.request.url}, {"headers", std::move(headers)},
          {"body", send.request.body},                            {"step", send.step},
          {"paid", send.paid}};
}
json::object shown(const Accepted& accepted) {
  return {{"accepted", accepted.reference}, {"queue_position", optional_number(accepted.queue_position)}};
}
json::object shown(const Working& working) {
  return {{"working", working.running ? "running" : "queued"}, {"queue_position", optional_number(working.queue_position)}};
}
json::object shown(const Done& done) {
  json::array outputs;
  for (const auto& output : done.outputs)
    outputs.push_back({{"url", output.url}, {"bytes", output.bytes.size()}, {"content_type", output.content_type},
                       {"width", optional_number(output.width)}, {"height", optional_number(output.height)}, {"flagged", output.flagged}});
  return {{"done", std::move(outputs)}, {"seed", optional_number(done.seed)}, {"inference_seconds", optional_number(done.inference_seconds)},
          {"prompt", done.revised_prompt}};
}
json::object shown(const Failed& failed) {
  static constexpr const char* kDecisions[] = {"retry", "reject", "fail", "account", "lost", "cancelled", "too_late"};
  static constexpr const char* kTook[] = {"no", "yes", "maybe"};
  return {{"failed", kDecisions[static_cast<int>(failed.decision)]}, {"took", kTook[static_cast<int>(failed.took)]},
          {"code", failed.code}, {"message", failed.message.en}, {"param", failed.param},
          {"retry_after_s", optional_number(failed.retry_after_s)}};
}
json::object shown(const Outcome& outcome) {
  return std::visit([](const auto& each) { return shown(each); }, outcome);
}

Intent intent_of(std::string_view word) {
  if (word == "submit") return Intent::submit;
  if (word == "poll") return Intent::poll;
  if (word == "result") return Intent::result;
  if (word == "cancel") return Intent::cancel;
  return Intent::probe;
}

std::string text(const json::object& object, std::string_view name, std::string otherwise = "") {
  auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : otherwise;
}

struct Case {
  Intent intent = Intent::poll;
  Job job;
  Account account;
  std::string step;
  std::optional<HttpResponse> response;
};

Case read_case(const json::object& source) {
  Case c;
  c.intent = intent_of(text(source, "intent"));
  c.step = text(source, "step");
  c.account = {"a", "flux", text(source, "base_url", "https://queue.fal.run"), text(source, "key", "id:secret"), {}};
  if (auto* auth = source.if_contains("auth")) c.account.settings["auth"] = *auth;
  c.job.path = text(source, "path", "fal-ai/flux-1/dev");
  c.job.webhook_url = text(source, "webhook_url");
  c.job.body = {{"prompt", "a boat"}};
  if (c.intent != Intent::submit)
    c.job.reference = {{"request_id", "r1"},
                       {"status_path", "/fal-ai/flux-1/requests/r1/status"},
                       {"response_path", "/fal-ai/flux-1/requests/r1"},
                       {"cancel_path", "/fal-ai/flux-1/requests/r1/cancel"}};
  if (auto* response = source.if_contains("response")) {
    const json::object& said = response->as_object();
    HttpResponse made;
    made.status = static_cast<int>(said.at("status").as_int64());
    const json::value& body = said.at("body");
    made.body = body.is_string() ? std::string(body.as_string()) : json::serialize(body);
    if (auto* headers = said.if_contains("headers"))
      for (const auto& [name, value] : headers->as_object()) made.headers.emplace_back(name, value.as_string());
    c.response = std::move(made);
  }
  return c;
}

Outcome answer(const Adapter& adapter, const Case& c) {
  return adapter.next(c.intent, c.job, c.account, {1'700'000'000'000, "00000000-0000-4000-8000-000000000000"}, c.step,
                      c.response ? &*c.response : nullptr);
}

json::array read_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  return json::parse(std::string((std::istreambuf_iterator<char>(in)), {})).as_array();
}

void write_file(const std::filesystem::path& file, const json::array& cases) {
  std::ofstream out(file);
  out << "[\n";
  for (std::size_t i = 0; i < cases.size(); ++i) out << json::serialize(cases[i]) << (i + 1 < cases.size() ? ",\n" : "\n");
  out << "]\n";
}

TEST(FalGolden, TranslatesEveryRecordedAnswer) {
  auto adapter = make_fal_adapter();
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    json::array cases = read_file(entry.path());
    for (auto& value : cases) {
      json::object& source = value.as_object();
      json::object got = shown(answer(*adapter, read_case(source)));
      // Through text, so that 1 and 1u are one.
      json::value canonical = json::parse(json::serialize(got));
      if (std::getenv("FLUXGATE_UPDATE")) source["expect"] = canonical;
      else EXPECT_EQ(canonical, source.at("expect")) << entry.path().filename() << ": " << text(source, "name");
      EXPECT_EQ(json::serialize(got.contains("failed") ? got : json::object()).find("secret"), std::string::npos) << "a key in a failure";
      ++count;
    }
    if (std::getenv("FLUXGATE_UPDATE")) write_file(entry.path(), cases);
  }
  EXPECT_GE(count, 60);
}

// Whatever an upstream sends, the adapter answers and does not throw.
TEST(FalGolden, SurvivesMutatedAnswers) {
  auto adapter = make_fal_adapter();
  std::mt19937_64 random(20261123);
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    for (const auto& value : read_file(entry.path())) {
      Case c = read_case(value.as_object());
      if (!c.response) continue;
      const std::string body = c.response->body;
      for (int i = 0; i < 60; ++i) {
        std::string mutated = body;
        for (int k = 0; k < 1 + static_cast<int>(random() % 4) && !mutated.empty(); ++k) {
          std::size_t at = random() % mutated.size();
          if (random() % 3 == 0) mutated.erase(at, 1 + random() % 8);
          else if (random() % 2 == 0) mutated[at] = static_cast<char>(random() % 256);
          else mutated.insert(at, std::string(1, "[]{}\":,0-e\\"[random() % 11]));
        }
        c.response->body = mutated;
        EXPECT_NO_THROW(answer(*adapter, c)) << mutated;
      }
    }
  Case deep;
  deep.response = HttpResponse{200, {}, std::string(100'000, '[')};
  EXPECT_NO_THROW(answer(*adapter, deep));
}

// ---- webhooks ----

class FalWebhook : public testing::Test {
 protected:
  static constexpr Millis kNow = 1'700'000'000'000;
  void SetUp() override {
    crypto::initialise();
    keys_ = crypto::new_ed25519_key_pair();
    job_.reference = {{"request_id", "r1"}};
  }
  WebhookVerdict judge(const std::string& body, std::string id = "r1", Millis at = kNow, std::string signed_body = {}) {
    std::string time = std::to_string(at / 1000);
    std::string message = id + "\nuser\n" + time + "\n" + crypto::sha256_hex(signed_body.empty() ? body : signed_body);
    std::string signature = crypto::sign_ed25519(keys_.secret_key, message);
    HeaderList headers{{"x-fal-webhook-request-id", id}, {"x-fal-webhook-user-id", "user"}, {"x-fal-webhook-timestamp", time},
                       {"x-fal-webhook-signature", crypto::hex({reinterpret_cast<const unsigned char*>(signature.data()), signature.size()})}};
    std::vector<std::string> known{std::string(32, 'x'), keys_.public_key};
    return adapter_->on_webhook(headers, body, job_, kNow, known);
  }
  std::unique_ptr<Adapter> adapter_ = make_fal_adapter();
  crypto::Ed25519KeyPair keys_;
  Job job_;
};

const std::string kOk = R"({"request_id":"r1","status":"OK","payload":{"images":[{"url":"https://m.example/a.jpg"}],"seed":7}})";

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
  EXPECT_FALSE(adapter_->on_webhook({}, kOk, job_, kNow, {}).verified) << "no headers";
}

TEST_F(FalWebhook, SaysWhyAModelFailed) {
  auto verdict = judge(R"({"request_id":"r1","status":"ERROR","error":"x","payload":{"detail":[{"loc":["body","prompt"],"msg":"no","type":"content_policy_violation"}]}})");
  ASSERT_TRUE(verdict.outcome);
  EXPECT_EQ(std::get<Failed>(*verdict.outcome).code, "content_policy");
}

TEST_F(FalWebhook, LeavesTheResultToBeAskedForWhenItCarriesNone) {
  auto verdict = judge(R"({"request_id":"r1","status":"OK","payload":null,"payload_error":"too large"})");
  EXPECT_TRUE(verdict.verified);
  EXPECT_FALSE(verdict.outcome);
}

TEST_F(FalWebhook, ReadsPublicKeysWithAndWithoutPadding) {
  std::string x = crypto::base64url(keys_.public_key);
  for (const std::string& form : {x, x + "="}) {
    HttpResponse response{200, {}, R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":")" + form + R"("},{"crv":"P-256","x":"AAAA"}]})"};
    EXPECT_EQ(adapter_->read_webhook_keys(response), std::vector<std::string>{keys_.public_key});
  }
  Account fal{"a", "flux", "https://queue.fal.run", "k", {}}, other{"a", "flux", "https://api.example/x", "k", {}};
  EXPECT_EQ(adapter_->webhook_keys_request(fal)->url, "https://rest.fal.ai/.well-known/jwks.json");
  EXPECT_EQ(adapter_->webhook_keys_request(other)->url, "https://api.example/x/.well-known/jwks.json");
}

}  // namespace
}  // namespace fluxgate::providers
