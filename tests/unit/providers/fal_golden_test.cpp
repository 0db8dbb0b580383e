// Every translation of the fal adapter, as files: what the upstream said → what the engine is told.
// FLUXGATE_UPDATE=1 rewrites the expectations; the diff is reviewed.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "providers/fal/fal_adapter.h"
#include "test_paths.h"

namespace fluxgate::providers {
namespace {

namespace json = boost::json;

const std::filesystem::path kGolden = FLUXGATE_SOURCE_DIR "/tests/unit/providers/golden/fal";

json::value optional_number(const auto& value) { return value ? json::value(*value) : json::value(nullptr); }

json::object shown(const Send& send) {
  json::object headers;
  for (const auto& [name, value] : send.request.headers) headers[name] = value;
  return {{"send", send.request.method + " " + send.request.url},
          {"headers", std::move(headers)},
          {"body", send.request.body},
          {"step", send.step},
          {"paid", send.paid}};
}
json::object shown(const Accepted& accepted) {
  return {{"accepted", accepted.reference}, {"queue_position", optional_number(accepted.queue_position)}};
}
json::object shown(const Working& working) {
  return {{"working", working.running ? "running" : "queued"},
          {"queue_position", optional_number(working.queue_position)}};
}
json::object shown(const Done& done) {
  json::array outputs;
  for (const auto& output : done.outputs)
    outputs.push_back({{"url", output.url},
                       {"bytes", output.bytes.size()},
                       {"content_type", output.content_type},
                       {"width", optional_number(output.width)},
                       {"height", optional_number(output.height)},
                       {"flagged", output.flagged}});
  return {{"done", std::move(outputs)},
          {"seed", optional_number(done.seed)},
          {"inference_seconds", optional_number(done.inference_seconds)},
          {"prompt", done.revised_prompt}};
}
json::object shown(const Failed& failed) {
  static constexpr const char* kDecisions[] = {"retry", "reject",    "fail",    "account",
                                               "lost",  "cancelled", "too_late"};
  static constexpr const char* kTook[] = {"no", "yes", "maybe"};
  return {{"failed", kDecisions[static_cast<int>(failed.decision)]},
          {"took", kTook[static_cast<int>(failed.took)]},
          {"code", failed.code},
          {"message", failed.message.en},
          {"param", failed.param},
          {"retry_after_s", optional_number(failed.retry_after_s)}};
}
json::object shown(const Outcome& outcome) {
  return std::visit([](const auto& each) { return shown(each); }, outcome);
}

Intent intent_of(std::string_view word) {
  if (word == "submit") return Intent::submit;
  if (word == "poll") return Intent::poll;
  if (word == "watch") return Intent::watch;
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
  c.account = {
      "a", "flux", text(source, "base_url", "https://queue.fal.run"), text(source, "key", "id:secret"), {}};
  if (auto* auth = source.if_contains("auth")) c.account.settings["auth"] = *auth;
  c.job.path = text(source, "path", "fal-ai/flux-1/dev");
  c.job.webhook_url = text(source, "webhook_url");
  c.job.body = {{"prompt", "a boat"}};
  if (auto* body = source.if_contains("body")) c.job.body = body->as_object();
  if (auto* reference = source.if_contains("reference"))
    c.job.reference = reference->as_object();
  else if (c.intent != Intent::submit)
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
      for (const auto& [name, value] : headers->as_object())
        made.headers.emplace_back(name, value.as_string());
    c.response = std::move(made);
  }
  return c;
}

Outcome answer(const Adapter& adapter, const Case& c) {
  return adapter.next(c.intent, c.job, c.account, {1'700'000'000'000, "00000000-0000-4000-8000-000000000000"},
                      c.step, c.response ? &*c.response : nullptr);
}

json::array read_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  return json::parse(std::string((std::istreambuf_iterator<char>(in)), {})).as_array();
}

void write_file(const std::filesystem::path& file, const json::array& cases) {
  std::ofstream out(file);
  out << "[\n";
  for (std::size_t i = 0; i < cases.size(); ++i)
    out << json::serialize(cases[i]) << (i + 1 < cases.size() ? ",\n" : "\n");
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
      if (std::getenv("FLUXGATE_UPDATE"))
        source["expect"] = canonical;
      else
        EXPECT_EQ(canonical, source.at("expect")) << entry.path().filename() << ": " << text(source, "name");
      EXPECT_EQ(json::serialize(got.contains("failed") ? got : json::object()).find("secret"),
                std::string::npos)
          << "a key in a failure";
      ++count;
    }
    if (std::getenv("FLUXGATE_UPDATE")) write_file(entry.path(), cases);
  }
  EXPECT_GE(count, 60);
}

TEST(FalWatch, IsOfferedUnlessTheAccountSaysOtherwise) {
  auto adapter = make_fal_adapter();
  Account account;
  EXPECT_TRUE(adapter->can_watch(account));
  account.settings["stream"] = "no";
  EXPECT_TRUE(adapter->can_watch(account)) << "only false says so";
  account.settings["stream"] = false;
  EXPECT_FALSE(adapter->can_watch(account));
}

// ---- hostile answers ----

constexpr std::string_view kSecret = "0123456789abcdef-secret";

// Every member of an answer becomes something of another type, now and then.
json::value mutated(const json::value& value, std::mt19937_64& random, int depth = 0) {
  if (random() % 6 == 0) {
    switch (random() % 10) {
      case 0: return nullptr;
      case 1: return random() % 2 == 0;
      case 2: return static_cast<std::int64_t>(random());
      case 3: return random();
      case 4: return -1e300;
      case 5: return json::value(json::string(std::string(random() % 5000, 'x')));
      case 6: return json::object{{"url", "data:image/png;base64,"}, {"detail", json::array{nullptr}}};
      case 7: return json::array{1, "https://m.example/a", nullptr, json::object{}};
      case 8: return json::value(json::string("Key id:" + std::string(kSecret)));
      default: return json::array{};
    }
  }
  if (auto* object = value.if_object()) {
    json::object copy;
    for (const auto& [name, member] : *object)
      if (random() % 8 != 0) copy[name] = mutated(member, random, depth + 1);
    return copy;
  }
  if (auto* array = value.if_array()) {
    json::array copy;
    for (const auto& item : *array) copy.push_back(mutated(item, random, depth + 1));
    return copy;
  }
  return value;
}

// What must hold of any outcome, whatever was answered.
void expect_sane(const Outcome& outcome, const std::string& body) {
  if (auto* done = std::get_if<Done>(&outcome)) {
    EXPECT_FALSE(done->outputs.empty()) << body;
    for (const Output& output : done->outputs) EXPECT_NE(output.url.empty(), output.bytes.empty()) << body;
  }
  if (auto* failed = std::get_if<Failed>(&outcome)) {
    EXPECT_FALSE(failed->code.empty()) << body;
    EXPECT_FALSE(failed->message.en.empty()) << body;
    EXPECT_FALSE(failed->message.zh.empty()) << body;
    EXPECT_LE(failed->detail.size(), 500u) << body;
    EXPECT_LE(failed->message.en.size(), 500u) << body;
    for (const std::string* text :
         {&failed->message.en, &failed->message.zh, &failed->detail, &failed->param})
      EXPECT_EQ(text->find(kSecret), std::string::npos) << body;
  }
  if (auto* send = std::get_if<Send>(&outcome)) {
    EXPECT_FALSE(send->paid) << "an answer never leads to a second paid request";
    EXPECT_TRUE(send->request.url.starts_with("https://api.example/p/")) << send->request.url;
  }
  if (auto* accepted = std::get_if<Accepted>(&outcome); accepted && !accepted->reference.empty())
    for (const char* name : {"status_path", "response_path", "cancel_path"})
      EXPECT_TRUE(accepted->reference.at(name).as_string().starts_with("/")) << body;
}

TEST(FalHostile, StaysSaneWhateverTypesAnAnswerHas) {
  auto adapter = make_fal_adapter();
  std::uint64_t seed = 20261124;
  std::mt19937_64 random(seed);
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    for (const auto& value : read_file(entry.path())) {
      Case c = read_case(value.as_object());
      c.account.key = "id:" + std::string(kSecret);
      c.account.base_url = "https://api.example/p";
      const json::value* response = value.as_object().if_contains("response");
      if (!response || !response->at("body").is_object()) continue;
      for (int i = 0; i < 100; ++i) {
        c.response->body = json::serialize(mutated(response->at("body"), random));
        expect_sane(answer(*adapter, c), c.response->body);
      }
    }
}

TEST(FalHostile, AnswersQuicklyToWhatIsHuge) {
  auto adapter = make_fal_adapter();
  const std::string text(1 << 20, 'a'), nested(100'000, '[');
  const std::string bodies[] = {
      nested,
      "{\"detail\":" + nested,
      "{\"request_id\":\"" + text + "\"}",
      "{\"status\":\"" + text + "\"}",
      "{\"detail\":[{\"loc\":[\"body\",\"" + text + "\"],\"msg\":\"" + text + "\"}]}",
      "{\"images\":[{\"url\":\"https://m.example/" + text + "\"}]}",
      "{\"images\":[{\"url\":\"data:image/png;base64," + text + "\"}]}",
      "{\"prompt\":\"" + text + "\",\"images\":[{\"url\":\"https://m.example/a\"}]}",
      text,
      std::string("\0\xff\xfe", 3)};
  const std::pair<Intent, const char*> calls[] = {
      {Intent::submit, "submit"},          {Intent::poll, "status"}, {Intent::poll, "result"},
      {Intent::poll, "result-of-failure"}, {Intent::poll, "?"},      {Intent::result, "result"},
      {Intent::cancel, "cancel"},          {Intent::probe, "probe"}};
  for (const auto& [intent, step] : calls)
    for (int status : {0, 200, 302, 422, 500, 999})
      for (const std::string& body : bodies) {
        Case c;
        c.intent = intent;
        c.account.base_url = "https://api.example/p";
        c.job.path = "fal-ai/flux-1/dev";
        c.response = HttpResponse{status, {{"retry-after", text}, {"x-fal-error-type", text}}, body};
        c.step = step;
        expect_sane(answer(*adapter, c), body.substr(0, 80));
      }
}

TEST(FalHostile, HidesAKeyThatAnUpstreamEchoesAlsoWhereItIsCutOff) {
  auto adapter = make_fal_adapter();
  for (std::size_t before : {0u, 200u, 440u, 450u, 460u, 470u, 480u, 490u}) {
    Case c;
    c.intent = Intent::submit;
    c.step = "submit";
    c.account.key = "id:" + std::string(kSecret);
    c.response = HttpResponse{400, {}, std::string(before, '.') + c.account.key + " is bad"};
    auto failed = std::get<Failed>(answer(*adapter, c));
    EXPECT_EQ(failed.detail.find(kSecret.substr(0, 8)), std::string::npos) << failed.detail;
  }
}

// Whatever an upstream sends, the adapter answers and does not throw.
TEST(FalHostile, SurvivesBytesThatChangedOnTheWay) {
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
          if (random() % 3 == 0)
            mutated.erase(at, 1 + random() % 8);
          else if (random() % 2 == 0)
            mutated[at] = static_cast<char>(random() % 256);
          else
            mutated.insert(at, std::string(1, "[]{}\":,0-e\\"[random() % 11]));
        }
        c.response->body = mutated;
        EXPECT_NO_THROW(answer(*adapter, c)) << mutated;
      }
    }
}

}  // namespace
}  // namespace fluxgate::providers
