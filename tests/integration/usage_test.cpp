// Usage, searches of the history and the rules of retention, over HTTP.
#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

json::object numbers(const Answer& answer) { return answer.json().at("total").as_object(); }

TEST(Usage, ShowsWhatTheCallerUsedAndPaid) {
  const Person ann = somebody(), bob = somebody();
  json::object two = text_body("two boats");
  two["num_images"] = 2;
  const json::object task = ended(ann, submit(ann, two));
  submit(bob, text_body("a crane"));
  const Answer own = api().get("/api/v1/usage?by=model&step=hour", ann.token);
  ASSERT_EQ(own.status, 200) << own.body;
  EXPECT_EQ(numbers(own).at("succeeded"), 1);
  EXPECT_EQ(numbers(own).at("images"), 2);
  EXPECT_EQ(numbers(own).at("charged").to_number<double>(), task.at("cost").at("charged").to_number<double>());
  ASSERT_EQ(own.json().at("data").as_array().size(), 1u);
  EXPECT_EQ(own.json().at("data").at(0).at("key"), kModel);
  EXPECT_EQ(numbers(api().get("/api/v1/usage?to=1000000&from=0&step=whole", ann.token)).at("succeeded"), 0);

  const Answer all = api().get("/api/v1/admin/usage?step=whole&by=user&user_id=" + ann.id, admin().token);
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(numbers(all), numbers(own));
  EXPECT_GE(numbers(api().get("/api/v1/admin/usage?by=provider", admin().token)).at("images").as_int64(), 2);
}

TEST(Usage, SpansHaveLimits) {
  constexpr std::int64_t kTo = 1'790'000'000 / 3600 * 3600;  // a full hour
  const auto status = [&](const std::string& query, std::int64_t hours) {
    return api().get(fmt::format("/api/v1/admin/usage?to={}&from={}&{}", kTo, kTo - hours * 3600, query), admin().token);
  };
  const std::pair<const char*, std::int64_t> limits[] = {{"step=hour", 31 * 24}, {"step=day", 1'100 * 24}, {"step=whole&by=user", 31 * 24}};
  for (const auto& [query, hours] : limits) {
    EXPECT_EQ(status(query, hours).status, 200) << query;
    EXPECT_EQ(first_loc(status(query, hours + 1)), "query/from") << query;
  }
  EXPECT_EQ(status("step=whole", 400'000).status, 200);
  EXPECT_EQ(first_loc(status("step=whole", 0)), "query/to");
  EXPECT_EQ(first_loc(api().get("/api/v1/usage?step=week", admin().token)), "query/step");
  EXPECT_EQ(first_loc(api().get("/api/v1/usage?by=user", admin().token)), "query/by") << "others' usage is for administrators";
  EXPECT_EQ(first_loc(api().get("/api/v1/usage?utc_offset=841", admin().token)), "query/utc_offset");
  EXPECT_EQ(api().get("/api/v1/usage?utc_offset=-840", admin().token).status, 200);
}

TEST(Usage, IsForThoseWhoMaySee) {
  const Person ann = somebody(), guest = somebody("pending");
  for (const char* path : {"/api/v1/usage", "/api/v1/admin/usage", "/api/v1/admin/retention"}) {
    EXPECT_EQ(api().get(path, "").status, 401) << path;
    EXPECT_EQ(api().get(path, guest.token).status, 403) << path;
  }
  EXPECT_EQ(api().get("/api/v1/usage", ann.token).status, 200);
  EXPECT_EQ(api().get("/api/v1/admin/usage", ann.token).status, 403);
}

TEST(Search, FindsByWordsModelTimeAndState) {
  const Person ann = somebody();
  const std::string boat = submit(ann, text_body("A red boat at Dawn"));
  const std::string crane = submit(ann, text_body("a crane"));
  ended(ann, boat);
  ended(ann, crane);
  const auto found = [&](const std::string& query) {
    const Answer answer = api().get("/api/v1/flux/history?" + query, ann.token);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(answer.json().at("total").is_null());
    std::vector<std::string> ids;
    for (const auto& task : answer.json().at("data").as_array()) ids.emplace_back(task.at("id").as_string());
    return ids;
  };
  EXPECT_EQ(found("q=dawn%20RED"), std::vector{boat});
  EXPECT_EQ(found("q=dawn&status=SUCCESS"), std::vector{boat});
  EXPECT_TRUE(found("q=dawn&status=FAILED").empty());
  EXPECT_EQ(found(fmt::format("model={}", kModel)), (std::vector{crane, boat}));
  EXPECT_TRUE(found("model=another").empty());
  EXPECT_TRUE(found("to=1000000").empty());
  EXPECT_EQ(found("from=1000000&limit=1"), std::vector{crane});
}

TEST(Search, HasLimitsAndNoPages) {
  const auto refused = [](const std::string& query) { return first_loc(api().get("/api/v1/flux/history?" + query, admin().token)); };
  EXPECT_EQ(api().get("/api/v1/flux/history?q=a%20b%20c%20d", admin().token).status, 200);
  EXPECT_EQ(refused("q=a%20b%20c%20d%20e"), "query/q");
  EXPECT_EQ(api().get("/api/v1/flux/history?q=" + std::string(200, 'x'), admin().token).status, 200);
  EXPECT_EQ(refused("q=" + std::string(201, 'x')), "query/q");
  EXPECT_EQ(refused("from=-1"), "query/from");
  EXPECT_EQ(api().get("/api/v1/flux/history?q=a&page=2", admin().token).json().at("code"), "use_cursor");
}

TEST(Retention, SettingsAreChecked) {
  const char* path = "/api/v1/admin/retention";
  json::object body = api().get(path, admin().token).json().as_object();
  EXPECT_EQ(body.at("days"), 0) << "everything is kept until somebody says otherwise";
  const std::pair<const char*, json::value> wrongs[] = {
      {"days", -1}, {"days", 36'501}, {"tasks", 99}, {"tasks", 100'000'001}, {"archive", "yes"}};
  for (const auto& [member, value] : wrongs) {
    json::object wrong = body;
    wrong[member] = value;
    EXPECT_EQ(first_loc(api().put(path, admin().token, wrong)), fmt::format("body/{}", member)) << json::serialize(value);
  }
  body["days"] = 36'500;
  body["tasks"] = 100'000'000;
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
  EXPECT_EQ(api().put(path, admin().token, body).status, 409);
  body = api().get(path, admin().token).json().as_object();
  body["tasks"] = 100;
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
  body = {{"rev", api().get(path, admin().token).json().at("rev")}};
  EXPECT_EQ(api().put(path, admin().token, body).status, 200);
  EXPECT_EQ(api().get(path, admin().token).json().at("tasks"), 0);
  EXPECT_EQ(api().put(path, somebody().token, body).status, 403);
  EXPECT_EQ(api().put(path, "", body).status, 401);
}

}  // namespace
}  // namespace fluxgate::integration
