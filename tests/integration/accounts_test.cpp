// Several upstream accounts: a server between two upstreams of their own.
#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kAccounts = "/api/v1/admin/upstream-accounts";
constexpr const char* kAlerts = "/api/v1/admin/alerts";

class Accounts : public testing::Test {
 protected:
  void SetUp() override {
    server_.start();
    client_ = std::make_unique<Client>(server_.base_url(), &contract());
    const json::value ann = client_->post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"},
                                                                       {"password", kPassword}}).json();
    ann_ = {std::string(ann.at("id").as_string()), "ann@example.org", std::string(ann.at("token").as_string())};
  }

  std::string add(const std::string& name, const SandboxProcess& upstream, json::object more = {}) {
    json::object body{{"name", name}, {"base_url", upstream.base_url()}, {"key", "key:" + name}};
    for (auto& [member, value] : more) body[member] = value;
    const Answer added = client_->post(kAccounts, ann_.token, body);
    EXPECT_EQ(added.status, 201) << added.body;
    return std::string(added.json().at("id").as_string());
  }
  Answer poke(std::string path) {
    return client_->send({.method = "POST", .path = std::move(path), .token = ann_.token});
  }
  json::object account(const std::string& id) {
    return client_->get(fmt::format("{}/{}", kAccounts, id), ann_.token).json().as_object();
  }
  std::string state(const std::string& id) { return std::string(account(id).at("health").at("state").as_string()); }
  std::string submit_one(const std::string& prompt) {
    const Answer answer = client_->post("/api/v1/flux/text-to-image", ann_.token, text_body(prompt));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return std::string(answer.json().at("id").as_string());
  }
  json::object end_of(const std::string& id) { return ended(*client_, ann_, id); }
  json::array open_alerts() { return client_->get(kAlerts, ann_.token).json().at("data").as_array(); }
  // As many batches as tasks fit: all tasks of it have ended.
  json::object run_batch(int count, const std::string& prompt) {
    json::array requests;
    for (int i = 0; i < count; ++i) requests.push_back(text_body(fmt::format("{} {}", prompt, i)));
    const std::string id(
        client_->post("/api/v1/batches", ann_.token, {{"requests", requests}}).json().at("id").as_string());
    json::object batch;
    EXPECT_TRUE(eventually([&] {
      batch = client_->get("/api/v1/batches/" + id, ann_.token).json().as_object();
      return !batch.at("ended_at").is_null();
    }));
    return batch;
  }

  TempFolder folder_;
  ServerProcess server_{folder_.path(), {"--drain", "1"}, {{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "10000"}}};
  std::unique_ptr<Client> client_;
  Person ann_;
};

TEST_F(Accounts, AreWrittenReadWithoutTheirKeysAndRemoved) {
  SandboxProcess upstream;
  const std::string id = add("first", upstream, {{"weight", 3}, {"max_concurrent", 7}, {"timeout", 60}});
  const json::object shown = account(id);
  EXPECT_EQ(shown.at("name"), "first");
  EXPECT_EQ(shown.at("weight"), 3);
  EXPECT_EQ(shown.at("key"), "****");
  EXPECT_EQ(shown.at("health").at("state"), "closed");
  EXPECT_EQ(client_->get(kAccounts, ann_.token).json().at("data").as_array().size(), 1u);

  json::object change{{"rev", shown.at("rev")}, {"weight", 5}};
  const std::string path = fmt::format("{}/{}", kAccounts, id);
  EXPECT_EQ(client_->put(path, ann_.token, change).json().at("weight"), 5);
  EXPECT_EQ(client_->put(path, ann_.token, change).code(), "changed_meanwhile");
  change["rev"] = account(id).at("rev");
  change["base_url"] = "https://elsewhere.example";
  EXPECT_EQ(first_loc(client_->put(path, ann_.token, change)), "body/key") << "the key stays where it was entered for";

  const Answer tested = poke(path + "/test");
  EXPECT_EQ(tested.json().at("success"), true) << tested.body;
  EXPECT_EQ(client_->del(path, ann_.token).status, 204);
  for (const auto& gone : {client_->del(path, ann_.token), client_->get(path, ann_.token),
                           poke(path + "/test"),
                           client_->put(path, ann_.token, {{"rev", 1}})})
    EXPECT_EQ(gone.status, 404);
}

TEST_F(Accounts, SayWhatIsWrongWithTheForm) {
  const json::object good{{"name", "x"}, {"key", "k"}, {"base_url", "https://a.example"}};
  const std::pair<const char*, json::value> wrongs[] = {
      {"name", ""},          {"name", json::string(std::string(101, 'x'))}, {"key", "with space"},
      {"key", ""},           {"base_url", "ftp://a.example"},               {"weight", 0},
      {"weight", 101},       {"max_concurrent", 0},                         {"max_concurrent", 10'001},
      {"timeout", 0},        {"timeout", 3'601},                            {"enabled", "yes"},
      {"provider", "other"}, {"settings", 1},                               {"wieght", 1}};
  for (const auto& [member, value] : wrongs) {
    json::object body = good;
    body[member] = value;
    const Answer answer = client_->post(kAccounts, ann_.token, body);
    EXPECT_EQ(answer.status, 422) << member;
    EXPECT_EQ(first_loc(answer), fmt::format("body/{}", member)) << answer.body;
  }
  json::object most = good;
  most["weight"] = 100;
  most["max_concurrent"] = 10'000;
  most["timeout"] = 3'600;
  most["name"] = json::string(std::string(100, 'x'));
  EXPECT_EQ(client_->post(kAccounts, ann_.token, most).status, 201);
}

TEST_F(Accounts, ShareTheWorkByWeight) {
  SandboxProcess one({"--latency", "0.2"}), three({"--latency", "0.2"});
  add("one", one, {{"weight", 1}, {"max_concurrent", 100}});
  add("three", three, {{"weight", 3}, {"max_concurrent", 100}});
  const json::object batch = run_batch(40, "share");
  EXPECT_EQ(batch.at("counts").at("succeeded"), 40) << json::serialize(batch);
  EXPECT_EQ(one.count("accepted"), 10);
  EXPECT_EQ(three.count("accepted"), 30);
}

TEST_F(Accounts, FailOverBeforeTheSubmitWasAcceptedAndRestTheOneThatFails) {
  SandboxProcess broken({"--fault", "submit-503"}), well;
  const std::string bad = add("bad", broken, {{"max_concurrent", 100}});
  add("good", well, {{"max_concurrent", 100}});
  const json::object batch = run_batch(20, "over");
  EXPECT_EQ(batch.at("counts").at("succeeded"), 20) << json::serialize(batch);
  EXPECT_EQ(well.count("accepted"), 20);
  EXPECT_NE(state(bad), "closed");
  EXPECT_GE(account(bad).at("health").at("submits_failed").as_int64(), 5);
  const auto posts = broken.count("posts");
  run_batch(20, "again");
  EXPECT_LE(broken.count("posts"), posts + 3) << "only a try now and then";

  // Mended, the try closes the breaker and the account works again.
  broken.start_again({});
  EXPECT_TRUE(eventually([&] {
    end_of(submit_one("try"));
    return state(bad) == "closed";
  }, std::chrono::seconds(60)));
  EXPECT_GT(broken.count("accepted"), 0);
}

TEST_F(Accounts, NeverFailOverAfterTheSubmitWasAccepted) {
  SandboxProcess first, second;
  add("first", first, {{"weight", 100}});
  const std::string id = submit_one("[fault:result-422]");
  EXPECT_EQ(end_of(id).at("status"), "FAILED");
  add("second", second, {{"weight", 1}});
  end_of(submit_one("[fault:result-crash]"));
  EXPECT_EQ(first.count("accepted"), 2);
  EXPECT_EQ(second.count("posts"), 0) << "what one account accepted is that account's";
}

TEST_F(Accounts, AKeyThatIsRefusedIsOutUntilItIsSavedAgain) {
  SandboxProcess locked({"--key", "the:right-one"}), well;
  const std::string out = add("locked", locked, {{"weight", 100}});
  add("good", well);
  EXPECT_EQ(end_of(submit_one("one")).at("status"), "SUCCESS") << "the other account takes it";
  EXPECT_EQ(state(out), "out");
  EXPECT_EQ(well.count("accepted"), 1);
  const json::array alerts = open_alerts();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts.at(0).at("kind"), "account_out");
  EXPECT_EQ(alerts.at(0).at("subject"), json::value(out));
  const json::value events = client_->get("/api/v1/events?since=0", ann_.token).json();
  EXPECT_NE(json::serialize(events).find("alert.raised"), std::string::npos) << "administrators are told";

  const json::object saved{{"rev", account(out).at("rev")}, {"key", "the:right-one"}};
  EXPECT_EQ(client_->put(fmt::format("{}/{}", kAccounts, out), ann_.token, saved).status, 200);
  EXPECT_EQ(state(out), "closed");
  EXPECT_TRUE(open_alerts().empty());
  EXPECT_EQ(client_->get(fmt::format("{}?all=true", kAlerts), ann_.token).json().at("data").as_array().size(), 1u);
  EXPECT_EQ(end_of(submit_one("two")).at("status"), "SUCCESS");
  EXPECT_EQ(locked.count("accepted"), 1);
}

TEST_F(Accounts, AnEmptyBalanceTakesTheAccountOutWhileTheOthersWork) {
  SandboxProcess empty({"--fault", "submit-403-balance"}), well;
  const std::string out = add("empty", empty, {{"weight", 100}});
  add("good", well);
  const json::object batch = run_batch(6, "balance");
  EXPECT_EQ(batch.at("counts").at("succeeded"), 6) << json::serialize(batch);
  EXPECT_EQ(state(out), "out");
  EXPECT_EQ(well.count("accepted"), 6);
  const json::array alerts = open_alerts();
  ASSERT_EQ(alerts.size(), 1u) << json::serialize(alerts);
  EXPECT_EQ(alerts.at(0).at("kind"), "account_out");
  EXPECT_EQ(alerts.at(0).at("subject"), json::value(out));
  const auto posts = empty.count("posts");
  end_of(submit_one("one more"));
  EXPECT_EQ(empty.count("posts"), posts) << "nothing is sent to it any more";
}

// It cannot be switched off in the database: each task asks it once and says why it failed.
TEST(EnvironmentsAccount, IsAskedOncePerTaskWhenItsKeyIsRefused) {
  TempFolder folder;
  SandboxProcess upstream({"--key", "the:right-one"});
  ServerProcess server(folder.path(), {"--fal-key", "the:wrong-one", "--fal-base-url", upstream.base_url(), "--drain", "1"},
                       {{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "100"}});
  server.start();
  const Client client(server.base_url(), &contract());
  const json::value made = client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"},
                                                                    {"password", kPassword}}).json();
  const Person ann{std::string(made.at("id").as_string()), "ann@example.org", std::string(made.at("token").as_string())};
  for (int task = 1; task <= 2; ++task) {
    const json::value submitted = client.post("/api/v1/flux/text-to-image", ann.token, text_body("x")).json();
    const json::object end = ended(client, ann, std::string(submitted.at("id").as_string()));
    EXPECT_EQ(end.at("status"), "FAILED");
    EXPECT_EQ(end.at("error").at("code"), "upstream_auth");
    EXPECT_EQ(upstream.count("posts"), task);
  }
  const json::array alerts = client.get(kAlerts, ann.token).json().at("data").as_array();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_NE(json::serialize(alerts).find("from the environment"), std::string::npos) << json::serialize(alerts);
  EXPECT_EQ(client.get("/api/v1/flux/credits", ann.token).json().at("credits_balance"), 100);
}

TEST_F(Accounts, AlertsCanBeDealtWithByHand) {
  SandboxProcess locked({"--key", "the:right-one"});
  add("locked", locked);
  EXPECT_EQ(end_of(submit_one("nobody takes it")).at("status"), "FAILED");
  const std::string id(open_alerts().at(0).at("id").as_string());
  EXPECT_EQ(poke(fmt::format("{}/{}/resolve", kAlerts, id)).status, 200);
  EXPECT_TRUE(open_alerts().empty());
  EXPECT_EQ(poke(fmt::format("{}/nothing/resolve", kAlerts)).status, 404);
  EXPECT_EQ(first_loc(client_->get(fmt::format("{}?limit=0", kAlerts), ann_.token)), "query/limit");
  EXPECT_EQ(first_loc(client_->get(fmt::format("{}?all=perhaps", kAlerts), ann_.token)), "query/all");
}

TEST_F(Accounts, AreNotRemovedUnderTheirTasks) {
  SandboxProcess slow({"--latency", "1"});
  const std::string id = add("slow", slow);
  const std::string task = submit_one("at work");
  EXPECT_TRUE(eventually([&] { return account(id).at("health").at("at_work") == 1; }));
  const Answer refused = client_->del(fmt::format("{}/{}", kAccounts, id), ann_.token);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "account_busy");
  EXPECT_EQ(end_of(task).at("status"), "SUCCESS");
  EXPECT_EQ(client_->del(fmt::format("{}/{}", kAccounts, id), ann_.token).status, 204);
}

}  // namespace
}  // namespace fluxgate::integration
