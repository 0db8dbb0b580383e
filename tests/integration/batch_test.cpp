// Batches, priorities, limits and the result cache through the real program.
#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kBatches = "/api/v1/batches";

json::object some_requests(int count) {
  json::array requests;
  for (int i = 0; i < count; ++i) requests.push_back(text_body(fmt::format("number {}", i)));
  return {{"requests", std::move(requests)}};
}

Answer post(const Person& person, json::object body, HeaderList headers = {}) {
  return api().post(kBatches, person.token, std::move(body), std::move(headers));
}

std::string id_of(const Answer& answer) { return std::string(answer.json().at("id").as_string()); }

json::object ended_batch(const Person& person, const std::string& id) {
  json::object batch;
  EXPECT_TRUE(eventually([&] {
    batch = api().get(fmt::format("{}/{}?limit=100", kBatches, id), person.token).json().as_object();
    return !batch.at("ended_at").is_null();
  })) << json::serialize(batch);
  return batch;
}

// The settings of one admin page, changed for as long as this lives.
class Changed {
 public:
  Changed(std::string path, json::object change) : path_(std::move(path)) {
    before_ = api().get(path_, admin().token).json().as_object();
    json::object after = before_;
    for (auto& [name, value] : change) after[name] = value;
    EXPECT_EQ(api().put(path_, admin().token, after).status, 200);
  }
  ~Changed() {
    before_["rev"] = api().get(path_, admin().token).json().at("rev");
    EXPECT_EQ(api().put(path_, admin().token, before_).status, 200);
  }

 private:
  std::string path_;
  json::object before_;
};

TEST(Batches, MakeEveryTaskOfAListAndChargeEachOnce) {
  const Person ann = somebody();
  const Answer made = post(ann, some_requests(4));
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("total"), 4);
  EXPECT_EQ(made.json().at("cost").at("quote"), 20);
  const json::object batch = ended_batch(ann, id_of(made));
  EXPECT_EQ(batch.at("status"), "ended");
  EXPECT_EQ(batch.at("counts").at("succeeded"), 4);
  EXPECT_EQ(batch.at("cost").at("charged"), 20);
  EXPECT_EQ(balance(ann), 80);
  const auto& tasks = batch.at("tasks").as_array();
  ASSERT_EQ(tasks.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(tasks[static_cast<std::size_t>(i)].at("prompt"), json::value(fmt::format("number {}", i)));
    EXPECT_EQ(tasks[static_cast<std::size_t>(i)].at("batch_id"), batch.at("id"));
  }
}

TEST(Batches, ReadAPromptsChoicesAndSweeps) {
  const Person ann = somebody();
  const Answer made = post(ann, {{"request", text_body("a {red|blue} cat")}, {"sweep", json::object{{"seed", json::array{1, 2}}}}, {"name", "cats"}});
  ASSERT_EQ(made.status, 200) << made.body;
  const json::object batch = ended_batch(ann, id_of(made));
  std::vector<std::string> told;
  for (const auto& task : batch.at("tasks").as_array())
    told.push_back(fmt::format("{} {}", task.at("prompt").as_string().c_str(), task.at("parameters").at("seed").as_int64()));
  EXPECT_EQ(told, (std::vector<std::string>{"a red cat 1", "a red cat 2", "a blue cat 1", "a blue cat 2"}));
  EXPECT_EQ(batch.at("name"), "cats");
}

TEST(Batches, GoOnWhenOneOfThemFails) {
  const Person ann = somebody();
  json::object body = some_requests(3);
  body.at("requests").at(1).as_object()["prompt"] = "[fault:result-422]";
  const json::object batch = ended_batch(ann, id_of(post(ann, body)));
  EXPECT_EQ(batch.at("counts").at("succeeded"), 2) << json::serialize(batch);
  EXPECT_EQ(batch.at("counts").at("failed"), 1);
  EXPECT_EQ(batch.at("cost").at("charged"), 10);
  EXPECT_EQ(balance(ann), 90);
}

TEST(Batches, RefuseAllOrLeaveOutWhatIsInvalid) {
  const Person ann = somebody();
  json::object body = some_requests(3);
  body.at("requests").at(1).as_object()["num_images"] = 99;
  const Answer refused = post(ann, body);
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(first_loc(refused), "body/requests/1/num_images");
  EXPECT_EQ(balance(ann), 100);

  body["on_invalid"] = "skip";
  const Answer made = post(ann, body);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("total"), 2);
  EXPECT_EQ(made.json().at("refused").at(0).at("index"), 1);
  ended_batch(ann, id_of(made));
  json::object nothing{{"requests", json::array{text_body("")}}, {"on_invalid", "skip"}};
  nothing.at("requests").at(0).as_object()["num_images"] = 0;
  EXPECT_EQ(post(ann, nothing).status, 422) << "nothing would be left";
}

TEST(Batches, HoldAllOrNothing) {
  const Person ann = somebody();
  const Answer refused = post(ann, some_requests(21));
  EXPECT_EQ(refused.status, 402);
  EXPECT_EQ(refused.json().at("needed"), 105);
  EXPECT_EQ(balance(ann), 100);
  json::object dear = some_requests(2);
  dear["expected_price"] = 9.999;
  const Answer changed = post(ann, dear);
  EXPECT_EQ(changed.status, 409);
  EXPECT_EQ(changed.json().at("price"), 10);
  dear["expected_price"] = 10;
  ended_batch(ann, id_of(post(ann, dear)));
  EXPECT_EQ(balance(ann), 90);
}

TEST(Batches, ARepeatedKeyIsOneBatch) {
  const Person ann = somebody();
  const HeaderList key{{"Idempotency-Key", "the-batch"}};
  const Answer first = post(ann, some_requests(2), key), second = post(ann, some_requests(2), key);
  EXPECT_EQ(id_of(first), id_of(second));
  EXPECT_EQ(second.header("idempotency-replayed"), "true");
  EXPECT_EQ(post(ann, some_requests(3), key).status, 422);
  ended_batch(ann, id_of(first));
  EXPECT_EQ(balance(ann), 90);
}

TEST(Batches, TakeAThousandTasksAndNoMore) {
  const Person ann = somebody();
  set_credit(ann, 5'000);
  const Answer too_many = post(ann, some_requests(1'001));
  EXPECT_EQ(first_loc(too_many), "body/requests");
  EXPECT_EQ(first_loc(post(ann, {{"request", text_body("{a|b}")}, {"sweep", json::object{{"seed", json::array(501, 1)}}}})), "body/sweep");
  EXPECT_EQ(first_loc(post(ann, {{"requests", json::array{}}})), "body/requests");
  EXPECT_EQ(first_loc(post(ann, json::object{})), "body/requests");
  const Answer most = post(ann, some_requests(1'000));
  ASSERT_EQ(most.status, 200) << most.body;
  EXPECT_EQ(balance(ann), 0);
  EXPECT_EQ(api().del(fmt::format("{}/{}", kBatches, id_of(most)), ann.token).status, 200);
  const json::object batch = ended_batch(ann, id_of(most));
  EXPECT_EQ(batch.at("status"), "cancelled");
  const double charged = batch.at("cost").at("charged").to_number<double>();
  EXPECT_EQ(balance(ann), 5'000 - charged) << "what was cancelled is given back, what was made is paid";
}

TEST(Batches, SayWhatIsWrongWithTheForm) {
  const Person ann = somebody();
  json::object body = some_requests(1);
  const std::string too_long(201, 'x');
  const std::tuple<const char*, json::value, const char*> wrongs[] = {
      {"task_type", "text", "body/task_type"},
      {"provider", "nobody", "body/provider"},
      {"name", json::string(too_long), "body/name"},
      {"on_invalid", "ignore", "body/on_invalid"},
      {"priority", "urgent", "body/priority"},
      {"use_cache", 1, "body/use_cache"},
      {"sweep", json::object{{"seed", json::array{1}}}, "body/sweep"},
      {"request", json::object{}, "body/requests"},
      {"nmae", "x", "body/nmae"}};
  for (const auto& [member, value, loc] : wrongs) {
    json::object wrong = body;
    wrong[member] = value;
    const Answer answer = post(ann, wrong);
    EXPECT_EQ(answer.status, 422) << member;
    EXPECT_EQ(first_loc(answer), loc) << answer.body;
  }
  body["name"] = json::string(too_long.substr(1));
  EXPECT_EQ(post(ann, body).status, 200);
}

TEST(Batches, AreTheCallersOwnAndListedNewestFirst) {
  const Person ann = somebody(), bob = somebody();
  const std::string first = id_of(post(ann, some_requests(1))), second = id_of(post(ann, some_requests(1)));
  const Answer page = api().get(fmt::format("{}?limit=1", kBatches), ann.token);
  EXPECT_EQ(page.json().at("data").at(0).at("id"), json::value(second));
  const std::string cursor(page.json().at("next_cursor").as_string());
  const Answer next = api().get(fmt::format("{}?limit=1&cursor={}", kBatches, cursor), ann.token);
  EXPECT_EQ(next.json().at("data").at(0).at("id"), json::value(first));
  EXPECT_EQ(api().get(fmt::format("{}?cursor=x", kBatches), ann.token).status, 422);
  EXPECT_EQ(api().get(kBatches, bob.token).json().at("data").as_array().size(), 0u);
  for (const char* part : {"", "/events"})
    EXPECT_EQ(api().get(fmt::format("{}/{}{}", kBatches, first, part), bob.token).status, 404);
  EXPECT_EQ(api().del(fmt::format("{}/{}", kBatches, first), bob.token).status, 404);
  EXPECT_EQ(api().get(fmt::format("{}/{}?limit=0", kBatches, first), ann.token).status, 422);
}

TEST(Batches, TellTheirStoryAndEndTheStream) {
  const Person ann = somebody();
  submit(ann, text_body("another task"));
  const std::string id = id_of(post(ann, some_requests(2)));
  const Answer stream = api().send({.path = fmt::format("{}/{}/events", kBatches, id), .token = ann.token,
                                    .headers = {{"Last-Event-ID", "0"}}});
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.header("content-type"), "text/event-stream");
  EXPECT_NE(stream.body.find("event: batch.created"), std::string::npos) << stream.body;
  EXPECT_NE(stream.body.find("event: batch.ended"), std::string::npos) << stream.body;
  EXPECT_NE(stream.body.find("\"succeeded\":2"), std::string::npos) << stream.body;
  EXPECT_EQ(stream.body.find("\"state\":\"queued\""), std::string::npos) << "one event announces them all, and no other's";
  const Answer late = api().send({.path = fmt::format("{}/{}/events", kBatches, id), .token = ann.token});
  EXPECT_NE(late.body.find("\"status\":\"ended\""), std::string::npos) << "it is told and over: " << late.body;
  EXPECT_EQ(first_loc(api().send({.path = fmt::format("{}/{}/events", kBatches, id), .token = ann.token,
                                  .headers = {{"Last-Event-ID", "x"}}})), "header/Last-Event-ID");
}

// ---- priorities and limits ----

TEST(Scheduling, LetsRolesUseThePrioritiesTheyAreGiven) {
  const Person ann = somebody();
  json::object body = text_body("x");
  body["priority"] = "high";
  const Answer refused = api().post("/api/v1/flux/text-to-image", ann.token, body);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "priority_not_allowed");
  EXPECT_EQ(post(ann, {{"requests", json::array{text_body("x")}}, {"priority", "high"}}).status, 403);
  body["priority"] = "low";
  const std::string id = submit(ann, body);
  EXPECT_EQ(ended(ann, id).at("priority"), "low");
  Changed rules("/api/v1/admin/scheduling", {{"users", json::object{{ann.id, json::object{{"priorities", json::array{"high"}}}}}}});
  EXPECT_EQ(ended(ann, submit(ann, text_body("x"))).at("priority"), "high") << "what may be used is used when nothing is asked";
}

TEST(Scheduling, RefusesMoreUnfinishedTasksThanAllowed) {
  const Person ann = somebody();
  const std::string picture = uploaded(ann);
  Changed rules("/api/v1/admin/scheduling", {{"users", json::object{{ann.id, json::object{{"pending", 2}}}}}});
  EXPECT_EQ(post(ann, some_requests(3)).status, 429);
  ended_batch(ann, id_of(post(ann, some_requests(2))));
  const Answer held = post(ann, {{"requests", json::array{text_body("[fault:submit-slow;seconds=3]"), text_body("[fault:submit-slow;seconds=3]")}}});
  ASSERT_EQ(held.status, 200) << held.body;
  const std::pair<const char*, json::object> submits[] = {
      {"text-to-image", text_body("x")},
      {"image-to-image", {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"image_url", picture}}},
      {"multi-image-edit",
       {{"model", "fal-ai/flux-pro/kontext/multi"}, {"prompt", "x"}, {"image_urls", {picture, picture}}}}};
  for (const auto& [endpoint, body] : submits) {
    const Answer refused = api().post(std::string("/api/v1/flux/") + endpoint, ann.token, body);
    EXPECT_EQ(refused.status, 429) << refused.body;
    EXPECT_EQ(refused.code(), "too_many_tasks");
    EXPECT_EQ(refused.json().at("limit"), 2);
    EXPECT_FALSE(refused.header("retry-after").empty());
  }
  ended_batch(ann, id_of(held));
  submit(ann, text_body("there is room again"));
}

TEST(Scheduling, TellsThePlaceInTheLine) {
  const Person ann = somebody();
  Changed rules("/api/v1/admin/scheduling", {{"users", json::object{{ann.id, json::object{{"at_once", 1}}}}}});
  const json::object slow = text_body("[fault:submit-slow;seconds=3]");
  const Answer made = post(ann, {{"requests", json::array{slow, text_body("behind it")}}});
  const std::string id = id_of(made);
  const Answer stream = api().send({.path = fmt::format("{}/{}/events", kBatches, id), .token = ann.token,
                                    .headers = {{"Last-Event-ID", "0"}}});
  EXPECT_NE(stream.body.find("\"queue_position\":0,\"estimated_wait_s\":"), std::string::npos) << stream.body;
  const json::object batch = ended_batch(ann, id);
  EXPECT_EQ(batch.at("counts").at("succeeded"), 2) << "a limit delays, it loses nothing";
}

TEST(Scheduling, SettingsAreCheckedAndNeverOverwriteEachOther) {
  const char* path = "/api/v1/admin/scheduling";
  const json::object read = api().get(path, admin().token).json().as_object();
  const auto share = [](const char* of, const std::string& whose, json::object what) {
    return json::object{{of, json::object{{whose, std::move(what)}}}};
  };
  const std::pair<json::object, const char*> wrongs[] = {
      {share("roles", "user", {{"weight", 0}}), "body/roles/user/weight"},
      {share("roles", "user", {{"weight", 101}}), "body/roles/user/weight"},
      {share("roles", "user", {{"priorities", json::array{"urgent"}}}), "body/roles/user/priorities"},
      {share("roles", "guest", {}), "body/roles"},
      {json::object{{"roles", json::object{{"user", 1}}}}, "body/roles/user"},
      {share("users", "u", {{"at_once", -1}}), "body/users/u/at_once"},
      {share("models", "no-such-model", {{"at_once", 1}}), "body/models"},
      {share("models", kModel, {{"at_once", 0}}), "body/models/fal-ai/flux-1/schnell/at_once"},
      {json::object{{"aging_s", 0}}, "body/aging_s"},
      {json::object{{"aged_share", 1}}, "body/aged_share"},
      {json::object{{"rev", -1}}, "body/rev"}};
  for (const auto& [change, loc] : wrongs) {
    json::object body = read;
    for (const auto& [name, value] : change) body[name] = value;
    const Answer answer = api().put(path, admin().token, body);
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(first_loc(answer), loc) << answer.body;
  }
  json::object body = read;
  body["aging_s"] = 90;
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
  const Answer stale = api().put(path, admin().token, body);
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.code(), "changed_meanwhile");
}

// ---- the result cache ----

json::object seeded(std::string prompt, int seed) {
  json::object body = text_body(std::move(prompt));
  body["seed"] = seed;
  body["use_cache"] = true;
  return body;
}

TEST(ResultCache, GivesTheSameResultAtOnceAndFree) {
  const Person ann = somebody(), bob = somebody();
  const json::object made = ended(ann, submit(ann, seeded("a cache", 7)));
  EXPECT_EQ(made.at("cached"), false);
  const Answer again = api().post("/api/v1/flux/text-to-image", ann.token, seeded("a cache", 7));
  const json::object hit = again.json().as_object();
  EXPECT_EQ(hit.at("status"), "SUCCESS") << again.body;
  EXPECT_EQ(hit.at("cached"), true);
  EXPECT_NE(hit.at("id"), made.at("id"));
  EXPECT_EQ(hit.at("cost").at("charged"), 0);
  EXPECT_EQ(hit.at("images").at(0).at("sha256"), made.at("images").at(0).at("sha256"));
  EXPECT_NE(hit.at("images").at(0).at("file_id"), made.at("images").at(0).at("file_id"));
  EXPECT_EQ(api().get(std::string(hit.at("image_url").as_string())).status, 200);
  EXPECT_EQ(balance(ann), 95);
  EXPECT_EQ(api().get("/api/v1/flux/history", ann.token).json().at("total"), 2);

  json::object other = seeded("a cache", 8);
  EXPECT_EQ(ended(ann, submit(ann, other)).at("cached"), false) << "another seed";
  other = seeded("a cache", 7);
  other.erase("use_cache");
  EXPECT_EQ(ended(ann, submit(ann, other)).at("cached"), false) << "not asked for";
  other = text_body("a cache");
  other["use_cache"] = true;
  EXPECT_EQ(ended(ann, submit(ann, other)).at("cached"), false) << "no seed";
  EXPECT_EQ(ended(bob, submit(bob, seeded("a cache", 7))).at("cached"), false) << "another's";
}

TEST(ResultCache, AsksItsShareAndSharesBetweenUsersWhereAnAdminSaysSo) {
  const Person ann = somebody(), bob = somebody();
  ended(ann, submit(ann, seeded("shared", 1)));
  Changed rules("/api/v1/admin/result-cache", {{"across_users", true}, {"price_percent", 50}, {"mode", "always"}});
  json::object plain = seeded("shared", 1);
  plain.erase("use_cache");
  const json::object hit = ended(bob, submit(bob, plain));
  EXPECT_EQ(hit.at("cached"), true);
  EXPECT_EQ(hit.at("cost").at("charged"), 2.5);
  EXPECT_EQ(balance(bob), 97.5);
  plain["use_cache"] = false;
  EXPECT_EQ(ended(bob, submit(bob, plain)).at("cached"), false);
  set_credit(bob, 2);
  plain["use_cache"] = true;
  EXPECT_EQ(api().post("/api/v1/flux/text-to-image", bob.token, plain).status, 402) << "short of its share";
}

TEST(ResultCache, KnowsInputsByTheirContent) {
  const Person ann = somebody();
  json::object body{{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"seed", 3}, {"use_cache", true}};
  body["image_url"] = uploaded(ann);
  ended(ann, submit(ann, body, "image-to-image"));
  body["image_url"] = uploaded(ann);  // the same bytes under another name
  EXPECT_EQ(ended(ann, submit(ann, body, "image-to-image")).at("cached"), true);
}

TEST(ResultCache, CanBeTheWholeOfABatch) {
  const Person ann = somebody();
  ended(ann, submit(ann, seeded("once", 1)));
  json::object item = seeded("once", 1);
  item.erase("use_cache");
  const Answer made = post(ann, {{"requests", json::array{item, item}}, {"use_cache", true}});
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("status"), "ended");
  EXPECT_EQ(made.json().at("cost").at("charged"), 0);
}

TEST(ResultCache, SettingsAreChecked) {
  const char* path = "/api/v1/admin/result-cache";
  json::object body = api().get(path, admin().token).json().as_object();
  const std::pair<const char*, json::value> wrongs[] = {
      {"mode", "never"}, {"price_percent", 101}, {"price_percent", -1}, {"max_age_days", -1}, {"across_users", "yes"}};
  for (const auto& [member, value] : wrongs) {
    json::object wrong = body;
    wrong[member] = value;
    EXPECT_EQ(first_loc(api().put(path, admin().token, wrong)), fmt::format("body/{}", member));
  }
  body["price_percent"] = 100;
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
  EXPECT_EQ(api().put(path, admin().token, body).status, 409);
  body["price_percent"] = 0;
  body["rev"] = api().get(path, admin().token).json().at("rev");
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
}

}  // namespace
}  // namespace fluxgate::integration
