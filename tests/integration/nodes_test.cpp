// Several real servers on one PostgreSQL and one data folder, with one upstream: what is done at one node holds at
// the others. These run with the suite's PostgreSQL half.
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "suite.h"
#include "support/postgres_server.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kSubmit = "/api/v1/flux/text-to-image";
constexpr const char* kScheduling = "/api/v1/admin/scheduling";

bool on_postgresql() {
  const char* engine = std::getenv("FLUXGATE_TEST_ENGINE");
  return engine != nullptr && std::string_view(engine) == "postgresql";
}

class Nodes : public testing::Test {
 protected:
  void SetUp() override {
    if (!on_postgresql()) GTEST_SKIP() << "nodes share a PostgreSQL";
    url_ = test::PostgresServer::shared().new_database();
  }

  // A started node on the common database.
  std::unique_ptr<ServerProcess> node(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"--database-url", url_, "--drain", "1", "--status-calls", "1000"};
    words.insert(words.end(), more.begin(), more.end());
    auto made = std::make_unique<ServerProcess>(
        folder_.path(), words, ServerProcess::Environment{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "100"}});
    made->start();
    return made;
  }
  static std::vector<std::string> with(const SandboxProcess& upstream, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--fal-key", "key:nodes", "--fal-base-url", upstream.base_url()});
    return more;
  }
  static Client at(const std::unique_ptr<ServerProcess>& node) { return {node->base_url(), &contract()}; }
  static Person sign_up(const Client& client, const std::string& email) {
    const Answer answer = client.post("/api/v1/auths/signup", "", {{"name", "Somebody"}, {"email", email}, {"password", kPassword}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return {std::string(answer.json().at("id").as_string()), email, std::string(answer.json().at("token").as_string())};
  }
  static std::string submit_at(const Client& client, const Person& person, const std::string& prompt) {
    const Answer answer = client.post(kSubmit, person.token, text_body(prompt));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? std::string(answer.json().at("id").as_string()) : "";
  }

  TempFolder folder_;
  std::string url_;
};

TEST_F(Nodes, OneAnswersAndTheOtherWorks) {
  SandboxProcess upstream({"--latency", "0.2"});
  const auto api = node(with(upstream, {"--role", "api"})), worker = node(with(upstream, {"--role", "worker"}));
  const Client client = at(api), hidden(worker->base_url(), nullptr);
  for (const char* path : {"/health", "/health/db", "/api/version"}) EXPECT_EQ(hidden.get(path).status, 200) << path;
  for (const char* path : {"/", "/api/config", "/api/v1/auths/", "/api/v1/flux/models"}) {
    EXPECT_EQ(hidden.get(path).status, 404) << path;
    EXPECT_EQ(hidden.get(path).code(), "worker_node") << path;
  }
  const Person ann = sign_up(client, "ann@example.org");
  std::string id;
  const Answer stream = client.send({.path = "/api/v1/events", .token = ann.token, .enough = [&](const std::string& text) {
                                       if (id.empty() && text.find("event: hello") != std::string::npos)
                                         id = submit_at(client, ann, "a task of the other node");
                                       return text.find("\"state\":\"succeeded\"") != std::string::npos;
                                     }});
  for (const char* state : {"queued", "submitting", "running", "storing", "succeeded"})
    EXPECT_NE(stream.body.find(fmt::format("\"state\":\"{}\"", state)), std::string::npos) << state << " in " << stream.body;
  EXPECT_NE(stream.body.find("event: task.progress"), std::string::npos) << "what only the other node knows: " << stream.body;
  const json::object task = ended(client, ann, id);
  EXPECT_EQ(client.get(std::string(task.at("image_url").as_string())).status, 200);

  // Without a worker the task waits; it is lost by nobody.
  EXPECT_EQ(worker->stop(), 0) << worker->log();
  const std::string waiting = submit_at(client, ann, "nobody works");
  EXPECT_EQ(client.get("/api/v1/flux/task/" + waiting, ann.token).json().at("state"), "queued");
  worker->start();
  EXPECT_EQ(ended(client, ann, waiting).at("status"), "SUCCESS");
  EXPECT_EQ(upstream.count("accepted"), 2);
  EXPECT_EQ(api->stop(), 0) << api->log();
}

TEST_F(Nodes, ACancelReachesTheNodeAtWork) {
  SandboxProcess upstream({"--latency", "60"});
  const auto api = node(with(upstream, {"--role", "api"})), worker = node(with(upstream, {"--role", "worker"}));
  const Client client = at(api);
  const Person ann = sign_up(client, "ann@example.org");
  const std::string id = submit_at(client, ann, "a long one");
  ASSERT_TRUE(eventually([&] { return client.get("/api/v1/flux/task/" + id, ann.token).json().at("state") == "running"; }));
  EXPECT_EQ(client.del("/api/v1/flux/task/" + id, ann.token).status, 200);
  EXPECT_EQ(ended(client, ann, id).at("status"), "CANCELLED");
  EXPECT_EQ(upstream.count("cancels"), 1);
}

TEST_F(Nodes, AWebhookReachesTheNodeAtWorkWhicheverIsCalled) {
  SandboxProcess upstream({"--latency", "0.5"});
  const auto api = node(with(upstream, {"--role", "api"}));
  const auto worker = node(with(upstream, {"--role", "worker", "--public-url", api->base_url()}));
  const Client client = at(api);
  const Person ann = sign_up(client, "ann@example.org");
  EXPECT_EQ(ended(client, ann, submit_at(client, ann, "told by webhook")).at("status"), "SUCCESS");
  EXPECT_EQ(upstream.count("webhooks_delivered"), 1);
  EXPECT_EQ(upstream.count("streams"), 0);
}

TEST_F(Nodes, WhatAnAdministratorSetsAtOneHoldsAtTheOther) {
  SandboxProcess upstream({"--latency", "0"});
  const auto one = node(), two = node();
  const Client first = at(one), second = at(two);
  const Person admin = sign_up(first, "admin@example.org"), ann = sign_up(first, "ann@example.org");
  EXPECT_EQ(second.post(kSubmit, ann.token, text_body("no account yet")).status, 503);

  // An upstream account.
  EXPECT_EQ(first.post("/api/v1/admin/upstream-accounts", admin.token, {{"base_url", upstream.base_url()}, {"key", "a:b"}}).status, 201);
  ASSERT_TRUE(eventually([&] { return second.get("/api/v1/flux/models", ann.token).json().at("enabled") == json::value(true); }));
  const json::object made = ended(second, ann, submit_at(second, ann, "by the account of the other node"));
  EXPECT_EQ(made.at("status"), "SUCCESS") << json::serialize(made);

  // A price.
  const json::object prices{{"modelCredits", {{kModel, 7.125}}}};
  json::object config = first.get("/api/v1/flux/admin/config", admin.token).json().as_object();
  config["apiKey"] = "a:b";
  config["baseUrl"] = upstream.base_url();
  config["modelCredits"] = prices.at("modelCredits");
  const Answer saved = first.post("/api/v1/flux/admin/config", admin.token, config);
  ASSERT_EQ(saved.status, 200) << saved.body;
  ASSERT_TRUE(eventually([&] {
    return second.get("/api/v1/flux/config/user", ann.token).json().at("model_credits").at(kModel) == json::value(7.125);
  }));
  const std::string dearer = submit_at(second, ann, "at the new price");
  EXPECT_EQ(ended(second, ann, dearer).at("cost").at("charged"), 7.125);

  // A descriptor in the common folder.
  std::filesystem::create_directories(folder_.path() / "catalogue");
  std::ofstream(folder_.path() / "catalogue/own.json")
      << R"({"extends": "fal-ai/flux-1/schnell", "id": "house/fast", "title": {"en": "Fast", "zh-CN": "快"}})";
  const auto has_it = [&](const Client& client) {
    return client.get("/api/v1/flux/models", ann.token).body.find("house/fast") != std::string::npos;
  };
  EXPECT_TRUE(eventually([&] { return has_it(first) && has_it(second); })) << one->log();

  // Limits, at once: each claim and submit reads them.
  json::object rules = first.get(kScheduling, admin.token).json().as_object();
  rules["users"] = json::object{{ann.id, {{"pending", 1}}}};
  EXPECT_EQ(first.put(kScheduling, admin.token, rules).status, 200);
  const Answer refused = second.post("/api/v1/batches", ann.token, {{"requests", {text_body("x"), text_body("y")}}});
  EXPECT_EQ(refused.status, 429) << refused.body;

  // Settings.
  EXPECT_EQ(first.post("/api/v1/auths/admin/config", admin.token, {{"ENABLE_SIGNUP", false}}).status, 200);
  EXPECT_TRUE(eventually([&] {
    return second.get("/api/config").json().at("features").at("enable_signup") == json::value(false);
  }));

  // A role, and with it the tokens of before.
  EXPECT_EQ(first.post("/api/v1/users/" + ann.id + "/update", admin.token,
                       {{"role", "pending"}, {"name", "Ann"}, {"email", ann.email}, {"profile_image_url", "/user.png"}}).status, 200);
  EXPECT_TRUE(eventually([&] { return second.get("/api/v1/flux/credits", ann.token).status == 401; }));
  EXPECT_EQ(one->stop(), 0) << one->log();
  EXPECT_EQ(two->stop(), 0) << two->log();
}

TEST_F(Nodes, ShareOneDataFolderOrRefuse) {
  const auto one = node();
  TempFolder elsewhere;
  const auto serve = [&](const std::filesystem::path& folder) {
    return run_program({"serve", "--port", "0", "--data-dir", folder.string(), "--database-url", url_});
  };
  const Finished refused = serve(elsewhere.path());
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("has no master.key"), std::string::npos) << refused.output;
  EXPECT_NE(refused.output.find("DATA_DIR"), std::string::npos) << "the remedy: " << refused.output;

  EXPECT_TRUE(std::filesystem::is_empty(elsewhere.path())) << "no key that would open nothing";

  // The same folder, mounted elsewhere.
  std::filesystem::create_directory(elsewhere.path() / "files");
  std::filesystem::copy_file(folder_.path() / "files" / "folder-id", elsewhere.path() / "files" / "folder-id",
                             std::filesystem::copy_options::overwrite_existing);
  for (const char* secret : {"master.key", ".webui_secret_key"})
    if (std::filesystem::exists(folder_.path() / secret))
      std::filesystem::copy_file(folder_.path() / secret, elsewhere.path() / secret, std::filesystem::copy_options::overwrite_existing);
  ServerProcess moved(elsewhere.path(), {"--database-url", url_}, {});
  moved.start();
  EXPECT_EQ(moved.stop(), 0) << moved.log();
  EXPECT_EQ(one->stop(), 0) << one->log();
}

// Nodes of the role `api` live by a lease, too: it is them that sign.
TEST_F(Nodes, ShareTheirSecretsOrRefuse) {
  using Words = std::vector<std::string>;
  const std::string sealing(64, 'a'), signing(32, 's');
  const Words given{"--master-key", sealing, "--secret-key", signing}, signs_otherwise{"--master-key", sealing, "--secret-key", std::string(32, 't')},
      seals_otherwise{"--master-key", std::string(64, 'b'), "--secret-key", signing};
  const auto refusal = [&](const Words& secrets) {
    Words words{"serve", "--port", "0", "--data-dir", folder_.path().string(), "--database-url", url_};
    words.insert(words.end(), secrets.begin(), secrets.end());
    const Finished ended = run_program(words);
    EXPECT_EQ(ended.exit_code, 1) << ended.output;
    return ended.output;
  };
  const auto with_role = [&](Words secrets) {
    secrets.insert(secrets.end(), {"--role", "api"});
    return secrets;
  };
  const auto one = node(with_role(given)), two = node(with_role(given));
  const Person ann = sign_up(at(one), "ann@example.org");
  EXPECT_EQ(at(two).get("/api/v1/auths/", ann.token).status, 200);
  EXPECT_NE(refusal(signs_otherwise).find("WEBUI_SECRET_KEY (given) is not that of the nodes that run on this database"), std::string::npos);
  EXPECT_NE(refusal(seals_otherwise).find("FLUXGATE_MASTER_KEY (given) is not that of the nodes"), std::string::npos);
  EXPECT_NE(refusal({"--master-key", sealing}).find("WEBUI_SECRET_KEY (from " + (folder_.path() / ".webui_secret_key").string() + ")"), std::string::npos);
  EXPECT_EQ(at(one).get("/api/v1/auths/", ann.token).status, 200) << "a node that is refused changes nothing";
  EXPECT_EQ(two->stop(), 0) << two->log();
  refusal(signs_otherwise);
  EXPECT_EQ(one->stop(), 0) << one->log();

  // A change that is meant: no node runs.
  const auto changed = node(with_role(signs_otherwise));
  EXPECT_NE(changed->log().find("WEBUI_SECRET_KEY is another than before"), std::string::npos) << changed->log();
  EXPECT_EQ(at(changed).get("/api/v1/auths/", ann.token).status, 401);
  refusal(given);
  EXPECT_EQ(changed->stop(), 0) << changed->log();
  const auto sealed_anew = node(with_role(seals_otherwise));
  EXPECT_NE(sealed_anew->log().find("FLUXGATE_MASTER_KEY is another than before"), std::string::npos) << sealed_anew->log();
  EXPECT_EQ(sealed_anew->stop(), 0) << sealed_anew->log();
}

// Whoever sent SIGTERM would kill it otherwise: Docker and systemd wait for 15 s.
TEST_F(Nodes, AreGoneInTimeAlsoWhenTheDatabaseIsNot) {
  for (const bool frozen : {false, true}) {
    test::PostgresServer postgres;
    url_ = postgres.new_database();
    const TempFolder folder;
    ServerProcess node(folder.path(), {"--database-url", url_, "--drain", "1"}, {{"DEFAULT_USER_ROLE", "user"}});
    node.start();
    const Client client(node.base_url(), &contract());
    frozen ? postgres.freeze() : postgres.stop();
    std::thread asks([&client] {
      try {
        client.post("/api/v1/auths/signin", "", {{"email", "ann@example.com"}, {"password", kPassword}});
      } catch (const std::exception&) {  // it was not answered
      }
    });
    EXPECT_TRUE(eventually([&node] { return node.log().contains("the database is away") || node.log().contains("cannot tell each other"); }))
        << node.log();
    EXPECT_EQ(node.stop(), 0) << node.log();
    EXPECT_TRUE(node.log().contains("stopped without waiting longer")) << node.log();
    asks.join();
    if (frozen) postgres.thaw();
  }
}

TEST(NodesOnSqlite, ThereIsOneAndItDoesEverything) {
  TempFolder folder;
  for (const char* role : {"api", "worker"}) {
    const Finished refused = run_program({"serve", "--port", "0", "--role", role, "--data-dir", folder.path().string(),
                                          "--database-url", "sqlite:///" + (folder.path() / "webui.db").string()});
    EXPECT_EQ(refused.exit_code, 1) << role;
    EXPECT_NE(refused.output.find(fmt::format("--role {} needs", role)), std::string::npos) << refused.output;
  }
  EXPECT_NE(run_program({"serve", "--role", "boss", "--data-dir", folder.path().string()}).exit_code, 0);
}

// The files of a database are missed at once, not picture by picture.
TEST(NodesOnSqlite, KnowTheFolderOfTheirFiles) {
  if (on_postgresql()) GTEST_SKIP() << "said of nodes there";
  TempFolder folder;
  const auto first = folder.path() / "first", second = folder.path() / "second", moved = folder.path() / "moved";
  const std::string url = "sqlite:///" + (folder.path() / "webui.db").string();
  const auto started = [&](const std::filesystem::path& data) {
    auto server = std::make_unique<ServerProcess>(data, std::vector<std::string>{"--database-url", url}, ServerProcess::Environment{{"DEFAULT_USER_ROLE", "user"}});
    server->start();
    return server;
  };
  std::filesystem::create_directory(first);
  std::filesystem::create_directory(second);
  const auto run_on_second = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--data-dir", second.string(), "--database-url", url});
    return run_program(words);
  };
  EXPECT_EQ(started(second)->stop(), 0) << "without files any folder does, and does not bind";
  const auto one = started(first);
  const Person ann = [&] {
    const Answer answer = Client(one->base_url(), &contract()).post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return Person{"", "ann@example.org", std::string(answer.json().at("token").as_string())};
  }();
  const Answer kept = Client(one->base_url(), &contract()).send({.method = "POST", .path = "/api/v1/flux/upload-image", .token = ann.token,
                                                                 .parts = {{"file", "a.png", png(20, 20), "image/png"}}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  const std::string link(kept.json().at("url").as_string());
  EXPECT_EQ(one->stop(), 0) << one->log();

  const std::string mark = fmt::format("> \"{}\"", (second / "files" / "folder-id").string());
  for (const Finished& refused : {run_on_second({"serve", "--port", "0"}), run_on_second({"files", "gc", "--yes"})}) {
    EXPECT_EQ(refused.exit_code, 1) << refused.output;
    EXPECT_NE(refused.output.find(second.string() + " is not the data folder whose files this database knows. Name that one with --data-dir"),
              std::string::npos) << refused.output;
    EXPECT_NE(refused.output.find(mark), std::string::npos) << "the way on: " << refused.output;
  }
  std::filesystem::rename(first, moved);
  const auto two = started(moved);
  EXPECT_EQ(Client(two->base_url(), &contract()).get(link).status, 200) << "a folder that moved as a whole";
  EXPECT_EQ(two->stop(), 0) << two->log();

  // It is lost: what the refusal says is done.
  const std::string output = run_on_second({"serve", "--port", "0"}).output;
  const auto from = output.find("echo "), to = output.find(mark, from);
  ASSERT_NE(to, std::string::npos) << output;
  ASSERT_EQ(std::system(output.substr(from, to + mark.size() - from).c_str()), 0);
  std::filesystem::copy_file(moved / ".webui_secret_key", second / ".webui_secret_key", std::filesystem::copy_options::overwrite_existing);
  const auto three = started(second);
  EXPECT_EQ(Client(three->base_url(), &contract()).get(link).status, 404);
  EXPECT_EQ(three->stop(), 0) << three->log();
}

}  // namespace
}  // namespace fluxgate::integration
