// Databases of the Python fork and of Open WebUI, taken over and served by the real program.
#include <libpq-fe.h>
#include <sqlite3.h>

#include <fmt/format.h>

#include "base/crypto.h"
#include "suite.h"
#include "support/postgres_server.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

bool on_postgresql() {
  const char* engine = std::getenv("FLUXGATE_TEST_ENGINE");
  return engine != nullptr && std::string_view(engine) == "postgresql";
}

// A place with an old database in it.
class OldPlace {
 public:
  explicit OldPlace(std::string_view tag) {
    if (on_postgresql()) url_ = test::PostgresServer::shared().new_database();
    run(test::seed_statements(FLUXGATE_SOURCE_DIR, test::seed_variant(tag), words()));
  }

  test::SeedDialect words() const { return url_.empty() ? test::SeedDialect::sqlite : test::SeedDialect::postgresql; }
  // As another program would; also while ours is running.
  void run(const std::vector<std::string>& statements) {
    if (url_.empty()) run_sqlite(statements);
    else run_postgresql(statements);
  }
  Finished command(std::vector<std::string> arguments) const {
    for (std::string word : {std::string("--data-dir"), folder_.path().string()}) arguments.push_back(word);
    for (const std::string& word : database()) arguments.push_back(word);
    return run_program(std::move(arguments));
  }
  void repair() {
    const Finished repaired = command({"db", "repair"});
    ASSERT_EQ(repaired.exit_code, 0) << repaired.output;
    const Finished verified = command({"db", "verify"});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
  }
  // Serves it until the place goes away.
  const Client& serve(std::vector<std::string> arguments) {
    for (const std::string& word : database()) arguments.push_back(word);
    server_.reset();
    server_ = std::make_unique<ServerProcess>(folder_.path(), std::move(arguments),
                                              ServerProcess::Environment{{"CREDIT_DEFAULT_CREDIT", "9"}});
    server_->start();
    client_ = std::make_unique<Client>(server_->base_url(), &contract());
    return *client_;
  }

 private:
  std::vector<std::string> database() const {
    return url_.empty() ? std::vector<std::string>{} : std::vector<std::string>{"--database-url", url_};
  }
  void run_sqlite(const std::vector<std::string>& statements) {
    sqlite3* opened = nullptr;
    ASSERT_EQ(sqlite3_open((folder_.path() / "webui.db").c_str(), &opened), SQLITE_OK);
    sqlite3_busy_timeout(opened, 10'000);
    for (const std::string& statement : statements) {
      char* message = nullptr;
      EXPECT_EQ(sqlite3_exec(opened, statement.c_str(), nullptr, nullptr, &message), SQLITE_OK) << statement << (message ? message : "");
      sqlite3_free(message);
    }
    sqlite3_close(opened);
  }
  void run_postgresql(const std::vector<std::string>& statements) {
    PGconn* connection = PQconnectdb(url_.c_str());
    ASSERT_EQ(PQstatus(connection), CONNECTION_OK) << PQerrorMessage(connection);
    for (const std::string& statement : statements) {
      PGresult* result = PQexec(connection, statement.c_str());
      EXPECT_LE(PQresultStatus(result), PGRES_TUPLES_OK) << statement << PQerrorMessage(connection);
      PQclear(result);
    }
    PQfinish(connection);
  }

  TempFolder folder_;
  std::string url_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Client> client_;
};

std::string token_of(const Client& client, const std::string& email, const std::string& password) {
  const Answer session = client.post("/api/v1/auths/signin", "", {{"email", email}, {"password", password}});
  EXPECT_EQ(session.status, 200) << session.body;
  return session.status == 200 ? std::string(session.json().at("token").as_string()) : "";
}
std::string member_token(const Client& client) { return token_of(client, "member@old.example", "second password"); }
std::string admin_token(const Client& client) { return token_of(client, "admin@old.example", "correct horse battery"); }

std::string without_origin(std::string link) {
  const auto scheme = link.find("://");
  return scheme == std::string::npos ? link : link.substr(link.find('/', scheme + 3));
}

const std::vector<std::string> kSandbox{"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0"};

TEST(Adoption, TheForksPeopleFindTheirTasksPicturesAndCredits) {
  OldPlace place("A");
  place.repair();
  const Client& client = place.serve(kSandbox);
  const std::string member = member_token(client);
  EXPECT_EQ(client.get("/api/v1/flux/credits", member).json().at("credits_balance"), 62.5);
  EXPECT_EQ(client.get("/api/v1/flux/credits", admin_token(client)).json().at("credits_balance"), 100);
  EXPECT_EQ(client.post("/api/v1/auths/signin", "", {{"email", "ldap@old.example"}, {"password", "9b2f0d6e-64a1-4f0e-9d57-0f4a5b8f3c11"}}).status, 400);
  EXPECT_EQ(client.get("/api/v1/auths/", std::string(test::kSeedKey)).json().at("email"), "member@old.example");

  const json::value history = client.get("/api/v1/flux/history", member).json();
  EXPECT_EQ(history.at("total"), 7);
  EXPECT_EQ(history.at("data").as_array().front().at("legacy_id"), "f-6");
  const json::value task = client.get("/api/v1/flux/task/f-1", member).json();
  EXPECT_EQ(task.at("status"), "SUCCESS");
  EXPECT_EQ(task.at("prompt"), "一只猫 \"quoted\"");
  ASSERT_EQ(task.at("images").as_array().size(), 2u) << json::serialize(task);
  EXPECT_EQ(task.at("generation_time"), 3.25);
  const Answer second = client.get(without_origin(std::string(task.at("images").at(1).at("url").as_string())));
  EXPECT_EQ(second.status, 302);
  EXPECT_EQ(second.header("location"), "https://fal.media/files/a/two.png");
  EXPECT_EQ(client.get("/api/v1/flux/task/f-1", admin_token(client)).status, 200);
  EXPECT_NE(std::string(client.get("/api/v1/tasks/k-2", member).json().at("error_message").as_string()).find("50 credits"), std::string::npos);

  const json::value films = client.get("/api/v1/tasks?provider=kling", member).json();
  EXPECT_EQ(films.at("total"), 2);
  EXPECT_EQ(films.at("data").as_array().back().at("images").as_array().size(), 1u);
  for (const auto& [provider, total] : std::initializer_list<std::pair<const char*, int>>{
           {"midjourney", 2}, {"dreamwork", 2}, {"jimeng", 1}, {"kling_lip_sync", 1}})
    EXPECT_EQ(client.get(fmt::format("/api/v1/tasks?provider={}", provider), member).json().at("total"), total) << provider;
  EXPECT_EQ(client.get("/api/v1/tasks?provider=painter", member).status, 422);
  EXPECT_EQ(client.get("/api/v1/tasks?provider=flux").status, 401);
  EXPECT_EQ(client.get("/api/v1/tasks/k-1").status, 401);
  EXPECT_EQ(client.get("/api/v1/tasks/k-3", member).status, 404) << "another's";

  // What they used and keep is counted.
  const json::value used = client.get("/api/v1/usage?step=whole&from=0", member).json().at("total");
  EXPECT_GT(used.at("succeeded").as_int64(), 0) << json::serialize(used);
  EXPECT_GT(client.get("/api/v1/storage/usage", member).json().at("files").as_int64(), 0);

  // Life goes on: a new task is paid from the old balance.
  const Answer fresh = client.post("/api/v1/flux/text-to-image", member, text_body("life goes on"));
  ASSERT_EQ(fresh.status, 200) << fresh.body;
  const json::object done = ended(client, {"", "", member}, std::string(fresh.json().at("id").as_string()));
  EXPECT_EQ(done.at("status"), "SUCCESS") << json::serialize(done);
  EXPECT_EQ(client.get("/api/v1/flux/credits", member).json().at("credits_balance").to_number<double>(),
            62.5 - done.at("cost").at("charged").to_number<double>());
  EXPECT_EQ(client.get("/api/v1/flux/history", member).json().at("total"), 8);
  const Finished verified = place.command({"db", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

TEST(Adoption, ReadingTasksNeedsAnAccountThatWasLetIn) {
  OldPlace place("A");
  place.run({"UPDATE \"user\" SET role = 'pending' WHERE api_key IS NOT NULL"});
  place.repair();
  const Client& client = place.serve(kSandbox);
  const std::string member = member_token(client);
  EXPECT_EQ(client.get("/api/v1/tasks?provider=flux", member).status, 403);
  EXPECT_EQ(client.get("/api/v1/tasks/f-1", member).status, 403);
}

TEST(Adoption, ASecondRepairChangesNothing) {
  OldPlace place("A");
  place.repair();
  const Finished again = place.command({"db", "repair"});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(again.output.find("→"), std::string::npos) << again.output;
  const Finished check = place.command({"db", "check"});
  EXPECT_EQ(check.exit_code, 0) << check.output;
}

TEST(Adoption, EveryVariantIsRepairedAndVerified) {
  for (const test::SeedVariant& variant : test::seed_variants()) {
    if (variant.sqlite_only && on_postgresql()) continue;
    OldPlace place(variant.tag);
    place.repair();
    const Finished check = place.command({"db", "check"});
    EXPECT_EQ(check.exit_code, 0) << variant.tag << check.output;
  }
}

TEST(Adoption, AnUnfinishedTaskGoesOnAtItsProvider) {
  SandboxProcess upstream;
  const Answer accepted = Client(upstream.base_url(), nullptr)
                              .send({.method = "POST", .path = "/fal-ai/flux-1/schnell", .json = json::object{{"prompt", "begun elsewhere"}},
                                     .headers = {{"Authorization", "Key fal-id:fal-secret"}}});
  ASSERT_EQ(accepted.status, 200) << accepted.body;
  OldPlace place("A");
  place.run({fmt::format("UPDATE flux_config SET base_url = '{}'", upstream.base_url()),
             fmt::format("UPDATE flux_tasks SET request_id = '{}', created_at = CURRENT_TIMESTAMP WHERE id = 'f-4'",
                         accepted.json().at("request_id").as_string().c_str())});
  place.repair();
  const auto posts = upstream.count("posts");
  const Client& client = place.serve({});
  const json::object task = ended(client, {"", "", member_token(client)}, "f-4");
  EXPECT_EQ(task.at("status"), "SUCCESS") << json::serialize(task);
  EXPECT_EQ(task.at("cost").at("charged"), 0);
  EXPECT_EQ(client.get(without_origin(std::string(task.at("image_url").as_string()))).status, 200);
  EXPECT_EQ(upstream.count("posts"), posts) << "asked for, never sent again";
}

TEST(Adoption, PicturesThatStoodInTheTablesAreFiles) {
  constexpr std::string_view kDot =  // a PNG of one pixel
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  OldPlace place("A");
  place.run({fmt::format("UPDATE flux_tasks SET image_url = 'data:image/png;base64,{}', cloud_image_url = NULL, flux_response = NULL WHERE id = 'f-8'", kDot),
             fmt::format("UPDATE dreamwork_tasks SET input_image = '{}' WHERE id = 'd-1'", kDot)});
  place.repair();
  const Client& client = place.serve(kSandbox);
  const std::string member = member_token(client);
  const json::value task = client.get("/api/v1/flux/task/f-8", admin_token(client)).json();
  EXPECT_EQ(task.at("status"), "SUCCESS");
  const Answer picture = client.get(without_origin(std::string(task.at("image_url").as_string())));
  EXPECT_EQ(picture.status, 200);
  EXPECT_EQ(picture.body, *crypto::unbase64(kDot));
  EXPECT_EQ(client.get("/api/v1/storage/files/generated?source_type=dreamwork_input", member).json().at("total"), 1);
}

TEST(Adoption, CreditsOfLostTasksMayBeGivenBackLater) {
  OldPlace place("A");
  place.repair();
  const Finished planned = place.command({"db", "repair", "--give-back", "--dry-run"});
  EXPECT_EQ(planned.exit_code, 0);
  EXPECT_NE(planned.output.find("60 credits are given back for 2 tasks"), std::string::npos) << planned.output;
  const Finished given = place.command({"db", "repair", "--give-back"});
  EXPECT_EQ(given.exit_code, 0);
  EXPECT_NE(given.output.find("60 credits were given back for 2 lost tasks"), std::string::npos) << given.output;
  const Finished again = place.command({"db", "repair", "--give-back"});
  EXPECT_NE(again.output.find("Nothing to repair"), std::string::npos) << again.output;
  const Finished verified = place.command({"db", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  const Client& client = place.serve(kSandbox);
  EXPECT_EQ(client.get("/api/v1/flux/credits", member_token(client)).json().at("credits_balance"), 122.5);
}

// ---- beside Open WebUI ----

void expect_works(const Client& client) {
  const std::string admin = admin_token(client);
  EXPECT_EQ(client.get("/api/v1/flux/credits", member_token(client)).json().at("credits_balance"), 0) << "never the default";
  EXPECT_EQ(client.get("/api/v1/auths/", std::string(test::kSeedKey)).json().at("email"), "member@old.example");
  const Answer refused = client.post("/api/v1/auths/signup", "", {{"name", "x"}, {"email", "x@example.org"}, {"password", kPassword}});
  EXPECT_EQ(refused.status, 403) << "as its settings say";
  constexpr const char* kConfig = "/api/v1/auths/admin/config";
  EXPECT_EQ(client.post(kConfig, admin, {{"ENABLE_SIGNUP", true}}).status, 200);
  EXPECT_EQ(client.get(kConfig, admin).json().at("ENABLE_SIGNUP"), true);
  EXPECT_EQ(client.get(kConfig, admin).json().at("DEFAULT_USER_ROLE"), "user") << "as its settings say, too";
  EXPECT_EQ(client.post(kConfig, admin, {{"DEFAULT_USER_ROLE", "pending"}}).status, 200);
  EXPECT_EQ(client.post(kConfig, admin, {{"DEFAULT_USER_ROLE", "user"}}).status, 200);
  EXPECT_EQ(client.post(kConfig, admin, {{"ENABLE_SIGNUP", false}}).status, 200);
}

TEST(Adoption, OpenWebuiMayMigrateOnWhileWeServe) {
  OldPlace place("O");
  place.repair();
  const Client& client = place.serve(kSandbox);
  expect_works(client);
  for (const auto& step : test::open_webui_upgrade(FLUXGATE_SOURCE_DIR, place.words())) place.run(step);
  expect_works(client);
  // It made some of its tables anew, without our indexes: no reason not to start.
  expect_works(place.serve(kSandbox));
  const Finished check = place.command({"db", "check"});
  EXPECT_EQ(check.exit_code, 0) << check.output;
}

TEST(Adoption, OpenWebuiMayHaveMigratedOnBefore) {
  OldPlace place("N");
  place.repair();
  expect_works(place.serve(kSandbox));
}

TEST(Adoption, OpenWebuiMayStandInBetween) {
  OldPlace place("O");
  auto steps = test::open_webui_upgrade(FLUXGATE_SOURCE_DIR, place.words());
  steps.pop_back();  // keys have a table of their own, settings not yet
  for (const auto& step : steps) place.run(step);
  place.repair();
  expect_works(place.serve(kSandbox));
}

}  // namespace
}  // namespace fluxgate::integration
