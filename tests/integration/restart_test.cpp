// What needs a server of its own: the death of the process, its orderly end, and a server without a provider.
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include "base/crypto.h"
#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

const ServerProcess::Environment kPeople{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "100"}};

Person sign_up(const Client& client) {
  const json::value body = client
                               .post("/api/v1/auths/signup", "",
                                     {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}})
                               .json();
  return {std::string(body.at("id").as_string()), "ann@example.org",
          std::string(body.at("token").as_string())};
}

TEST(Restart, AKilledServerLosesNoTaskAndNoCredit) {
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0.5"}, kPeople);
  server.start();
  const Person ann = sign_up(Client(server.base_url(), &contract()));
  std::vector<std::string> ids;
  for (int round = 0; round < 3; ++round) {
    const Client client(server.base_url(), &contract());
    for (int i = 0; i < 4; ++i) {
      const Answer answer =
          client.post("/api/v1/flux/text-to-image", ann.token, text_body(fmt::format("{} {}", round, i)),
                      {{"Idempotency-Key", fmt::format("{} {}", round, i)}});
      ASSERT_EQ(answer.status, 200) << answer.body;
      ids.emplace_back(answer.json().at("id").as_string());
    }
    server.kill();
    server.start();
  }
  const Client client(server.base_url(), &contract());
  const Answer again =
      client.post("/api/v1/flux/text-to-image", ann.token, text_body("0 0"), {{"Idempotency-Key", "0 0"}});
  EXPECT_EQ(again.json().at("id"), json::value(ids.front()));
  double charged = 0;
  for (const auto& id : ids) {
    const json::object task = ended(client, ann, id);
    EXPECT_TRUE(task.at("status") == "SUCCESS" || task.at("status") == "FAILED") << json::serialize(task);
    charged += task.at("cost").at("charged").to_number<double>();
  }
  EXPECT_EQ(client.get("/api/v1/flux/credits", ann.token).json().at("credits_balance").to_number<double>(),
            100 - charged);
  const auto verified = run_program({"db", "verify", "--data-dir", folder.path().string()});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST(Restart, AnOrderlyStopTellsStreamsAndEndsInTime) {
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox", "--sandbox-tiny"}, kPeople);
  server.start();
  const Client client(server.base_url(), &contract());
  const Person ann = sign_up(client);
  const Answer stream =
      client.send({.path = "/api/v1/events", .token = ann.token, .enough = [&](const std::string& text) {
                     if (text.find("event: draining") != std::string::npos) return true;
                     if (text.find("event: hello") != std::string::npos) server.terminate();
                     return false;
                   }});
  EXPECT_NE(stream.body.find("event: draining"), std::string::npos) << stream.body;
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST(Restart, CancelsAtTheProviderWhatRunsThere) {
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox", "--sandbox-tiny", "--sandbox-latency", "30"}, kPeople);
  server.start();
  const Client client(server.base_url(), &contract());
  const Person ann = sign_up(client);
  const std::string id(client.post("/api/v1/flux/text-to-image", ann.token, text_body("a long one"))
                           .json()
                           .at("id")
                           .as_string());
  const bool taken = eventually(
      [&] { return client.get("/api/v1/flux/task/" + id, ann.token).json().at("state") == "running"; });
  ASSERT_TRUE(taken);
  EXPECT_EQ(client.get("/api/v1/flux/credits", ann.token).json().at("credits_held"), 5);
  EXPECT_EQ(client.del("/api/v1/flux/task/" + id, ann.token).status, 200);
  EXPECT_EQ(ended(client, ann, id).at("status"), "CANCELLED");
  EXPECT_EQ(client.get("/api/v1/flux/credits", ann.token).json().at("credits_balance"), 100);
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST(Restart, AWaitingSubmitIsAnsweredAtOnceWhenTheServerStops) {
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox", "--sandbox-tiny"}, kPeople);
  server.start();
  const Client client(server.base_url(), &contract());
  const Person ann = sign_up(client);
  json::object body = text_body("long [fault:status-stuck-running]");
  body["sync_mode"] = true;
  Answer answer;
  {
    std::jthread caller([&] {
      answer = client.send({.method = "POST",
                            .path = "/api/v1/flux/text-to-image",
                            .token = ann.token,
                            .json = body,
                            .off_contract = true});
    });
    eventually([&] {
      return client.get("/api/v1/flux/history?status=IN_PROGRESS", ann.token)
                 .json()
                 .at("data")
                 .as_array()
                 .size() == 1;
    });
    EXPECT_EQ(server.stop(), 0) << server.log();
  }
  EXPECT_EQ(answer.status, 200) << answer.failure;
  EXPECT_NE(answer.body.find("\"status\":\"IN_"), std::string::npos) << answer.body;
}

TEST(Restart, WithoutAProviderSubmitsSayWhy) {
  TempFolder folder;
  ServerProcess server(folder.path(), {}, kPeople);
  server.start();
  const Client client(server.base_url(), &contract());
  const Person ann = sign_up(client);
  const std::string picture = "https://example.org/a.png";
  const std::pair<const char*, json::object> submits[] = {
      {"text-to-image", text_body("x")},
      {"image-to-image",
       {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"image_url", picture}}},
      {"multi-image-edit",
       {{"model", "fal-ai/flux-pro/kontext/multi"}, {"prompt", "x"}, {"image_urls", {picture, picture}}}}};
  for (const auto& [endpoint, body] : submits) {
    const Answer refused = client.post(std::string("/api/v1/flux/") + endpoint, ann.token, body);
    EXPECT_EQ(refused.status, 503) << refused.body;
    EXPECT_EQ(refused.code(), "provider_not_configured");
  }
  EXPECT_EQ(client.post("/api/v1/batches", ann.token, {{"requests", {text_body("x")}}}).status, 503);
  EXPECT_EQ(client.get("/api/config").json().at("sandbox"), false);
  EXPECT_EQ(client.get("/api/v1/flux/health").json().at("status"), "error");
  EXPECT_EQ(client.get("/api/v1/flux/models", ann.token).json().at("enabled"), false);
  EXPECT_EQ(client.get("/api/v1/flux/config/user", ann.token).json().at("enabled"), false);
  // The first account is the administrator's.
  ASSERT_EQ(client
                .post("/api/v1/flux/config", ann.token,
                      {{"api_key", "key:of-nobody"}, {"base_url", "http://127.0.0.1:9"}, {"enabled", false}})
                .status,
            200);
  EXPECT_EQ(client.get("/api/v1/flux/health").json().at("status"), "disabled");
  const Answer unreachable = client.post("/api/v1/flux/admin/test-connection", ann.token,
                                         {{"baseUrl", "http://127.0.0.1:9"}, {"apiKey", "key:of-nobody"}});
  EXPECT_EQ(unreachable.json().at("success"), false) << unreachable.body;
  EXPECT_EQ(server.stop(), 0) << server.log();
}

// As the init process of a container it gets no signal that it does not take.
TEST(Restart, AStopWhileItWaitsForItsDatabaseEndsItAtOnce) {
  TempFolder folder;
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  const std::string url = fmt::format("postgresql://ann@127.0.0.1:{}/flux", silent.local_endpoint().port());
  ServerProcess server(folder.path(), {"--database-url", url, "--repair"}, {});
  server.start_only();
  const auto waits_for_an_answer = silent.accept();
  EXPECT_EQ(server.stop(), 0) << server.log();
  EXPECT_NE(server.log().find("stopped before it served"), std::string::npos) << server.log();
}

// The path is a secret that only the server can make; a test that knows its secret can too.
TEST(Restart, WebhooksAreTakenOnTheirSecretPathsOnly) {
  crypto::initialise();
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox"},
                       {{"WEBUI_SECRET_KEY", "a secret for this test that is long enough"}});
  server.start();
  const Client client(server.base_url(), &contract());
  const std::string attempt = "01a20ae7-f8e7-7352-9159-d79c3a12e5c4";
  const std::string key = crypto::derive_key("a secret for this test that is long enough", "webhooks");
  const std::string mac = crypto::hex(crypto::hmac_sha256(key, attempt)).substr(0, 32);
  const std::string path = "/hooks/" + attempt + "/" + mac;
  EXPECT_EQ(client.send({.method = "POST", .path = path, .body = "{}"}).status, 200)
      << "unknown attempts are nobody's business";
  EXPECT_EQ(client
                .send({.method = "POST",
                       .path = path,
                       .headers = {{"Expect", "100-continue"}},
                       .announce = 64 * 1024 * 1024})
                .status,
            413);
  std::string wrong = path;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  EXPECT_EQ(client.send({.method = "POST", .path = wrong, .body = "{}"}).status, 404);
  EXPECT_EQ(server.stop(), 0) << server.log();
}

}  // namespace
}  // namespace fluxgate::integration
