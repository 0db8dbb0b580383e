#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

json::value since(const Person& person, std::int64_t id, const std::string& more = "") {
  return api().get(fmt::format("/api/v1/events?since={}{}", id, more), person.token).json();
}

TEST(Events, TellTheStoryOfATaskInOrder) {
  const Person ann = somebody();
  ended(ann, submit(ann, text_body("x")));
  const json::value page = since(ann, 0);
  std::vector<std::string> states;
  std::int64_t expected = 1;
  for (const auto& event : page.at("events").as_array()) {
    EXPECT_EQ(event.at("id"), expected++) << "numbers have no gaps";
    if (event.at("type") == "task.updated") states.emplace_back(event.at("data").at("state").as_string());
  }
  EXPECT_EQ(states, (std::vector<std::string>{"queued", "submitting", "running", "storing", "succeeded"}));
  EXPECT_EQ(page.at("next_since"), page.at("last_id"));
  EXPECT_EQ(since(ann, page.at("last_id").as_int64()).at("events").as_array().size(), 0u);
}

TEST(Events, GoOnWhereAPageEnded) {
  const Person ann = somebody();
  ended(ann, submit(ann, text_body("x")));
  const json::value first = since(ann, 0, "&limit=2");
  EXPECT_EQ(first.at("events").as_array().size(), 2u);
  EXPECT_EQ(first.at("next_since"), 2);
  EXPECT_EQ(since(ann, 2).at("events").at(0).at("id"), 3);
}

TEST(Events, SayWhenNumbersAreMissing) {
  const Person ann = somebody();
  const json::value page = since(ann, 1'000);
  EXPECT_EQ(page.at("reset"), true);
  EXPECT_EQ(page.at("next_since"), page.at("last_id"));
}

TEST(Events, StreamWhatHappensWhileItHappens) {
  const Person ann = somebody();
  bool sent = false;
  const Answer stream =
      api().send({.path = "/api/v1/events", .token = ann.token, .enough = [&](const std::string& text) {
                    if (!sent && text.find("event: hello") != std::string::npos) {
                      sent = true;
                      submit(ann, text_body("x"));
                    }
                    return text.find("\"state\":\"succeeded\"") != std::string::npos;
                  }});
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.header("content-type"), "text/event-stream");
  EXPECT_TRUE(stream.body.starts_with("retry: 2000\nid: 0\nevent: hello\ndata: {")) << stream.body;
  EXPECT_NE(stream.body.find("id: 1\nevent: task.updated\n"), std::string::npos) << stream.body;
}

TEST(Events, AReconnectMissesNothing) {
  const Person ann = somebody();
  ended(ann, submit(ann, text_body("x")));
  const Answer stream = api().send({.path = "/api/v1/events",
                                    .token = ann.token,
                                    .headers = {{"Last-Event-ID", "2"}},
                                    .enough = [](const std::string& text) {
                                      return text.find("\"state\":\"succeeded\"") != std::string::npos;
                                    }});
  EXPECT_EQ(stream.body.find("id: 1\n"), std::string::npos);
  EXPECT_NE(stream.body.find("id: 3\nevent: task.updated"), std::string::npos) << stream.body;
  const Answer stale = api().send(
      {.path = "/api/v1/events?last_event_id=5000",
       .token = ann.token,
       .enough = [](const std::string& text) { return text.find("event: reset") != std::string::npos; }});
  EXPECT_EQ(stale.status, 200);
}

TEST(Events, AreTheCallersOwn) {
  const Person ann = somebody(), bob = somebody();
  submit(ann, text_body("x"));
  EXPECT_EQ(since(bob, 0).at("events").as_array().size(), 0u);
}

TEST(Events, RefuseNumbersThatAreNone) {
  const Person ann = somebody();
  EXPECT_EQ(first_loc(api().get("/api/v1/events?since=-1", ann.token)), "query/since");
  EXPECT_EQ(first_loc(api().get("/api/v1/events?since=1&limit=101", ann.token)), "query/limit");
  EXPECT_EQ(first_loc(api().send(
                {.path = "/api/v1/events", .token = ann.token, .headers = {{"Last-Event-ID", "x"}}})),
            "header/Last-Event-ID");
}

}  // namespace
}  // namespace fluxgate::integration
