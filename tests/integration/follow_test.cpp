// How the end of a task is learned: by a call that stays open, and by asking where there is none.
#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

class Following : public testing::Test {
 protected:
  // A server whose only account is at that sandbox.
  void start_at(const SandboxProcess& upstream, json::object settings = {}) {
    server_.start();
    client_ = std::make_unique<Client>(server_.base_url(), &contract());
    const json::value ann = client_->post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"},
                                                                       {"password", kPassword}}).json();
    ann_ = {std::string(ann.at("id").as_string()), "ann@example.org", std::string(ann.at("token").as_string())};
    const Answer added = client_->post("/api/v1/admin/upstream-accounts", ann_.token,
                                       {{"base_url", upstream.base_url()}, {"key", "a:b"}, {"settings", std::move(settings)}});
    ASSERT_EQ(added.status, 201) << added.body;
  }
  std::string submit_one(const std::string& prompt) {
    const Answer answer = client_->post("/api/v1/flux/text-to-image", ann_.token, text_body(prompt));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return std::string(answer.json().at("id").as_string());
  }
  std::string end_of(const std::string& id) {
    return std::string(ended(*client_, ann_, id).at("status").as_string());
  }

  TempFolder folder_;
  ServerProcess server_{folder_.path(), {"--drain", "1"}, {{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "10000"}}};
  std::unique_ptr<Client> client_;
  Person ann_;
};

TEST_F(Following, TakesOneCallThatStaysOpenUntilTheEnd) {
  SandboxProcess upstream;
  start_at(upstream);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(end_of(submit_one(fmt::format("watched {}", i))), "SUCCESS");
  EXPECT_EQ(upstream.count("streams"), 4);
  EXPECT_EQ(upstream.count("status"), 0);
}

TEST_F(Following, AsksAgainAndAgainWhereTheAccountSaysThatThereIsNoStream) {
  SandboxProcess upstream;
  start_at(upstream, {{"stream", false}});
  EXPECT_EQ(end_of(submit_one("asked")), "SUCCESS");
  EXPECT_EQ(upstream.count("streams"), 0);
  EXPECT_GT(upstream.count("status"), 0);
}

TEST_F(Following, GivesUpCallsThatBringNothing) {
  SandboxProcess upstream({"--fault", "stream-404"});
  start_at(upstream);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(end_of(submit_one(fmt::format("not watched {}", i))), "SUCCESS");
  EXPECT_EQ(upstream.count("streams"), 3) << "three in a row are enough";
}

TEST_F(Following, SurvivesStreamsThatBreak) {
  for (const char* fault : {"stream-cut", "stream-early-end", "stream-reset", "stream-html-200", "stream-wrong-type",
                            "stream-empty-body", "stream-split-utf8", "stream-crlf"}) {
    SandboxProcess upstream({"--fault", fault});
    TempFolder folder;
    ServerProcess server(folder.path(), {"--drain", "1", "--fal-key", "a:b", "--fal-base-url", upstream.base_url()},
                         {{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "10000"}});
    server.start();
    Client client(server.base_url(), &contract());
    const json::value ann = client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"},
                                                                     {"password", kPassword}}).json();
    const Person person{std::string(ann.at("id").as_string()), "ann@example.org", std::string(ann.at("token").as_string())};
    const Answer answer = client.post("/api/v1/flux/text-to-image", person.token, text_body(fault));
    ASSERT_EQ(answer.status, 200) << answer.body;
    const std::string id(answer.json().at("id").as_string());
    EXPECT_EQ(ended(client, person, id).at("status"), "SUCCESS") << fault;
    EXPECT_GE(upstream.count("streams"), 1) << fault;
  }
}

TEST_F(Following, LetsGoAtOnceOfATaskThatIsCancelled) {
  SandboxProcess upstream({"--latency", "100"});
  start_at(upstream);
  const std::string id = submit_one("never mind");
  EXPECT_TRUE(eventually([&] { return upstream.count("streams") == 1; }));
  EXPECT_EQ(client_->del("/api/v1/flux/task/" + id, ann_.token).status, 200);
  EXPECT_EQ(end_of(id), "CANCELLED");
  EXPECT_EQ(upstream.count("cancels"), 1);
}

}  // namespace
}  // namespace fluxgate::integration
