#include <thread>

#include <fmt/format.h>

#include "base/crypto.h"
#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

TEST(FluxTask, FromRequestToStoredAndPaidForPicture) {
  const Person ann = somebody();
  json::object body = text_body("a lighthouse at dawn");
  body["num_images"] = 2;
  const Answer submitted = api().post("/api/v1/flux/text-to-image", ann.token, body);
  ASSERT_EQ(submitted.status, 200) << submitted.body;
  EXPECT_EQ(submitted.json().at("status"), "PENDING");
  EXPECT_EQ(submitted.json().at("cost").at("quote"), 10);

  const json::object task = ended(ann, std::string(submitted.json().at("id").as_string()));
  EXPECT_EQ(task.at("status"), "SUCCESS");
  EXPECT_EQ(task.at("state"), "succeeded");
  EXPECT_EQ(task.at("cost").at("charged"), 10);
  ASSERT_EQ(task.at("images").as_array().size(), 2u);
  EXPECT_EQ(balance(ann), 90);
  for (const auto& image : task.at("images").as_array()) {
    const Answer file = api().get(std::string(image.at("url").as_string()));
    EXPECT_EQ(file.status, 200);
    EXPECT_EQ(file.header("content-type"), std::string(image.at("content_type").as_string()));
    EXPECT_EQ(crypto::sha256_hex(file.body), std::string(image.at("sha256").as_string()));
    EXPECT_EQ(file.body.size(), image.at("size").to_number<std::size_t>());
  }
}

TEST(FluxTask, TheChargeStandsInTheLedger) {
  const Person ann = somebody();
  const std::string id = submit(ann, text_body("a boat"));
  ended(ann, id);
  const json::value logs = api().get("/api/v1/credit/logs", ann.token).json();
  ASSERT_EQ(logs.as_array().size(), 3u);
  EXPECT_EQ(logs.at(0).at("kind"), "capture");
  EXPECT_EQ(logs.at(0).at("amount"), -5);
  EXPECT_EQ(logs.at(0).at("credit"), "95");
  EXPECT_EQ(logs.at(0).at("task_id"), json::value(id));
  EXPECT_EQ(logs.at(0).at("detail").at("api_params").at("model").at("id"), kModel);
  EXPECT_EQ(logs.at(1).at("kind"), "hold");
  EXPECT_EQ(logs.at(2).at("kind"), "open");
  EXPECT_EQ(api().get("/api/v1/credit/logs?page=2", ann.token).json().as_array().size(), 0u);
  EXPECT_EQ(api().get("/api/v1/credit/logs?page=0", ann.token).status, 422);
  EXPECT_EQ(api().get("/api/v1/credit/config").json().at("CREDIT_EXCHANGE_RATIO"), 1);
}

TEST(FluxTask, SyncModeAnswersWithTheResult) {
  const Person ann = somebody();
  json::object body = text_body("at once");
  body["sync_mode"] = true;
  const Answer answer = api().post("/api/v1/flux/text-to-image", ann.token, body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().at("status"), "SUCCESS");
  EXPECT_EQ(answer.json().at("images").as_array().size(), 1u);
  body["sync_mode"] = "yes";
  EXPECT_EQ(first_loc(api().post("/api/v1/flux/text-to-image", ann.token, body)), "body/sync_mode");
}

TEST(FluxTask, APictureCanBeGivenAsOwnFileOrInline) {
  const Person ann = somebody();
  const std::string inline_picture = "data:image/png;base64," + crypto::base64(png(300, 300));
  for (const std::string& picture : {uploaded(ann), inline_picture}) {
    const std::string id = submit(
        ann,
        {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "as a drawing"}, {"image_url", picture}},
        "image-to-image");
    const json::object task = ended(ann, id);
    EXPECT_EQ(task.at("status"), "SUCCESS") << json::serialize(task);
    EXPECT_EQ(task.at("task_type"), "image_to_image");
    EXPECT_EQ(json::serialize(task.at("parameters")).find("base64"), std::string::npos);
  }
  const std::string id = submit(ann,
                                {{"model", "fal-ai/flux-pro/kontext/multi"},
                                 {"prompt", "together"},
                                 {"image_urls", {uploaded(ann), uploaded(ann)}}},
                                "multi-image-edit");
  EXPECT_EQ(ended(ann, id).at("status"), "SUCCESS");
  EXPECT_EQ(balance(ann), 100 - 10 - 10 - 30);
}

TEST(FluxTask, AnotherPersonsFileIsAsGoodAsNone) {
  const Person ann = somebody(), bob = somebody();
  std::string link = uploaded(ann);
  const Answer refused = api().post("/api/v1/flux/image-to-image", bob.token,
                                    {{"model", "fal-ai/flux-1/dev/image-to-image"},
                                     {"prompt", "x"},
                                     {"image_url", link.substr(0, link.find('?'))}});
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(first_loc(refused), "body/image_url");
  EXPECT_EQ(balance(bob), 100);
}

TEST(FluxTask, WhatTheProviderRefusesCostsNothing) {
  const Person ann = somebody();
  const json::object task = ended(ann, submit(ann, text_body("something [fault:result-policy]")));
  EXPECT_EQ(task.at("status"), "FAILED");
  EXPECT_FALSE(task.at("error").at("code").as_string().empty());
  EXPECT_FALSE(task.at("error_message").as_string().empty());
  EXPECT_EQ(task.at("cost").at("charged"), 0);
  EXPECT_EQ(balance(ann), 100);
}

struct Endpoint {
  const char* name;
  json::object body;
  double price;
};
std::vector<Endpoint> endpoints(const Person& person) {
  const std::string picture = uploaded(person);
  return {{"text-to-image", text_body("x"), 5},
          {"image-to-image",
           {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"image_url", picture}},
           10},
          {"multi-image-edit",
           {{"model", "fal-ai/flux-pro/kontext/multi"}, {"prompt", "x"}, {"image_urls", {picture, picture}}},
           30}};
}

TEST(FluxTask, WithoutCreditsNothingIsSubmitted) {
  const Person ann = somebody();
  set_credit(ann, 4.5);
  for (const Endpoint& endpoint : endpoints(ann)) {
    const Answer refused = api().post(std::string("/api/v1/flux/") + endpoint.name, ann.token, endpoint.body);
    EXPECT_EQ(refused.status, 402) << endpoint.name;
    EXPECT_EQ(refused.json().at("needed").to_number<double>(), endpoint.price);
    EXPECT_EQ(refused.json().at("balance"), 4.5);
  }
  EXPECT_EQ(api().get("/api/v1/flux/history", ann.token).json().at("total"), 0);
}

TEST(FluxTask, AnAgreedPriceIsKept) {
  const Person ann = somebody();
  for (Endpoint& endpoint : endpoints(ann)) {
    endpoint.body["expected_price"] = endpoint.price - 0.001;
    const Answer refused = api().post(std::string("/api/v1/flux/") + endpoint.name, ann.token, endpoint.body);
    EXPECT_EQ(refused.status, 409) << endpoint.name;
    EXPECT_EQ(refused.code(), "price_changed");
    EXPECT_EQ(refused.json().at("price").to_number<double>(), endpoint.price);
  }
  EXPECT_EQ(balance(ann), 100);
  json::object body = text_body("x");
  body["expected_price"] = 5;
  submit(ann, body);
}

TEST(FluxTask, TheSameKeyMakesOneTask) {
  const Person ann = somebody(), bob = somebody();
  const HeaderList key{{"Idempotency-Key", "order 7"}};
  const Answer first = api().post("/api/v1/flux/text-to-image", ann.token, text_body("x"), key);
  const Answer again = api().post("/api/v1/flux/text-to-image", ann.token, text_body("x"), key);
  EXPECT_EQ(first.json().at("id"), again.json().at("id"));
  EXPECT_EQ(first.header("idempotency-replayed"), "");
  EXPECT_EQ(again.header("idempotency-replayed"), "true");
  const Answer other_body = api().post("/api/v1/flux/text-to-image", ann.token, text_body("y"), key);
  EXPECT_EQ(other_body.status, 422);
  EXPECT_EQ(other_body.code(), "idempotency_mismatch");
  const Answer other_person = api().post("/api/v1/flux/text-to-image", bob.token, text_body("x"), key);
  EXPECT_NE(other_person.json().at("id"), first.json().at("id"));
  ended(ann, std::string(first.json().at("id").as_string()));
  EXPECT_EQ(balance(ann), 95);
}

// They meet in one commit group, or in as many transactions side by side.
TEST(FluxTask, TheSameKeySentByManyAtOnceMakesOneTask) {
  constexpr int kAtOnce = 24;
  const Person ann = somebody();
  std::vector<Answer> answers(kAtOnce);
  std::vector<std::thread> clients;
  for (Answer& answer : answers)
    clients.emplace_back([&] {
      answer = Client(api().base_url(), nullptr).post("/api/v1/flux/text-to-image", ann.token, text_body("x"), {{"Idempotency-Key", "all of us"}});
    });
  for (auto& client : clients) client.join();
  const std::string id(answers.front().json().at("id").as_string());
  int first = 0;
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json().at("id"), json::value(id));
    first += answer.header("idempotency-replayed").empty();
  }
  EXPECT_EQ(first, 1);
  ended(ann, id);
  EXPECT_EQ(api().get("/api/v1/flux/history", ann.token).json().at("total"), 1);
  EXPECT_EQ(balance(ann), 95);
}

TEST(FluxTask, ARefusalKeepsNoKey) {
  const Person ann = somebody();
  set_credit(ann, 0);
  const HeaderList key{{"Idempotency-Key", "later"}};
  EXPECT_EQ(api().post("/api/v1/flux/text-to-image", ann.token, text_body("x"), key).status, 402);
  set_credit(ann, 5);
  EXPECT_EQ(api().post("/api/v1/flux/text-to-image", ann.token, text_body("x"), key).status, 200);
}

TEST(FluxTask, CancelsBeforeItsTurnAtOnce) {
  const Person ann = somebody();
  const std::string id = submit(ann, text_body("later [fault:submit-429]"));
  const bool waits = eventually(
      [&] { return api().get("/api/v1/flux/task/" + id, ann.token).json().at("rev").as_int64() > 1; });
  ASSERT_TRUE(waits);
  const Answer cancelled = api().del("/api/v1/flux/task/" + id, ann.token);
  EXPECT_EQ(cancelled.status, 200);
  EXPECT_EQ(cancelled.json().at("success"), true);
  EXPECT_EQ(ended(ann, id).at("status"), "CANCELLED");
  EXPECT_EQ(balance(ann), 100);
}

TEST(FluxTask, IsFoundByItsStatusWhileItRuns) {
  const Person ann = somebody();
  const std::string id = submit(ann, text_body("long [fault:status-stuck-running]"));
  json::value task;
  const bool runs = eventually([&] {
    task = api().get("/api/v1/flux/task/" + id, ann.token).json();
    return task.at("status") == "IN_PROGRESS";
  });
  ASSERT_TRUE(runs) << json::serialize(task);
  EXPECT_EQ(task.at("actions"), (json::array{"cancel"}));
  EXPECT_EQ(
      api().get("/api/v1/flux/history?status=IN_PROGRESS", ann.token).json().at("data").as_array().size(),
      1u);
  EXPECT_EQ(api().get("/api/v1/flux/history?status=PENDING", ann.token).json().at("data").as_array().size(),
            0u);
  const Answer cancelled = api().del("/api/v1/flux/task/" + id, ann.token);
  EXPECT_EQ(cancelled.json().at("task").at("actions"), json::array{}) << "asked once";
}

TEST(FluxTask, CancellingWhatHasEndedChangesNothing) {
  const Person ann = somebody();
  const std::string id = submit(ann, text_body("x"));
  const json::object before = ended(ann, id);
  const Answer answer = api().del("/api/v1/flux/task/" + id, ann.token);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json().at("task").at("rev"), before.at("rev"));
  EXPECT_EQ(answer.json().at("task").at("status"), "SUCCESS");
  EXPECT_EQ(balance(ann), 95);
}

TEST(FluxTask, AnotherPersonsTaskLooksLikeNone) {
  const Person ann = somebody(), bob = somebody();
  const std::string id = submit(ann, text_body("x"));
  const Answer foreign = api().get("/api/v1/flux/task/" + id, bob.token);
  const Answer none = api().get("/api/v1/flux/task/01a20ae7-f8e7-7352-9159-d79c3a12e5c4", bob.token);
  EXPECT_EQ(foreign.status, 404);
  EXPECT_EQ(foreign.body, none.body);
  EXPECT_EQ(api().del("/api/v1/flux/task/" + id, bob.token).status, 404);
  EXPECT_EQ(api().get("/api/v1/flux/task/" + id, admin().token).status, 200);
  EXPECT_EQ(api().get("/api/v1/flux/history", bob.token).json().at("total"), 0);
}

TEST(FluxHistory, PagesByNumberAndByCursorToTheSameTasks) {
  const Person ann = somebody();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.insert(ids.begin(), submit(ann, text_body(fmt::format("picture {}", i))));
  for (const auto& id : ids) ended(ann, id);
  const auto ids_of = [](const json::value& page) {
    std::vector<std::string> found;
    for (const auto& task : page.at("data").as_array()) found.emplace_back(task.at("id").as_string());
    return found;
  };
  std::vector<std::string> by_page, by_cursor;
  for (int page = 1; page <= 3; ++page) {
    const json::value answer =
        api().get(fmt::format("/api/v1/flux/history?page={}&limit=2", page), ann.token).json();
    EXPECT_EQ(answer.at("total"), 5);
    EXPECT_EQ(answer.at("page"), page);
    for (auto& id : ids_of(answer)) by_page.push_back(id);
  }
  std::string cursor;
  do {
    const json::value answer = api().get("/api/v1/flux/history?limit=2&cursor=" + cursor, ann.token).json();
    for (auto& id : ids_of(answer)) by_cursor.push_back(id);
    cursor = answer.at("next_cursor").is_null() ? "" : std::string(answer.at("next_cursor").as_string());
  } while (!cursor.empty());
  EXPECT_EQ(by_page, ids);
  EXPECT_EQ(by_cursor, ids);
  EXPECT_EQ(ids_of(api().get("/api/v1/flux/history?status=SUCCESS", ann.token).json()), ids);
  EXPECT_TRUE(ids_of(api().get("/api/v1/flux/history?status=FAILED", ann.token).json()).empty());
}

TEST(FluxModels, AreTheSameBytesUntilTheCatalogueChanges) {
  const Person ann = somebody();
  const Answer models = api().get("/api/v1/flux/models", ann.token);
  EXPECT_EQ(models.json().at("enabled"), true);
  EXPECT_GE(models.json().at("models").as_array().size(), 11u);
  const Answer again = api().send({.path = "/api/v1/flux/models",
                                   .token = ann.token,
                                   .headers = {{"If-None-Match", models.header("etag")}}});
  EXPECT_EQ(again.status, 304);
  const Answer chinese =
      api().send({.path = "/api/v1/flux/models", .token = ann.token, .headers = {{"Accept-Language", "zh"}}});
  EXPECT_NE(chinese.body, models.body);
  const json::value config = api().get("/api/v1/flux/config/user", ann.token).json();
  EXPECT_EQ(config.at("models"), models.json().at("models"));
  EXPECT_EQ(config.at("model_credits").at(kModel), 5);
}

TEST(FluxHealth, SaysThatTheSandboxIsReady) {
  const json::value health = api().get("/api/v1/flux/health").json();
  EXPECT_EQ(health.at("status"), "healthy");
  EXPECT_EQ(health.at("api_connected"), true);
}

}  // namespace
}  // namespace fluxgate::integration
