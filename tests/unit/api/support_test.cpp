#include "api/support.h"

#include "people_fixture.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

json::value rendered(const Error& error, std::string accept_language = "") {
  FakeRequest request("GET", "/x");
  if (!accept_language.empty()) request.headers["accept-language"] = accept_language;
  return json::parse(std::get<std::string>(render_error(&request, error).body));
}

TEST(Json, IsReadAsAnObject) {
  EXPECT_EQ(parse_json(R"( {"a": [1, {"b": null}]} )")->size(), 1u);
  const auto number = parse_json("7");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().errc(), Errc::invalid);
  EXPECT_EQ(parse_json("").error().fields().front().type, "missing");
}

TEST(Json, ThatIsBrokenIsRefusedWithItsPlace) {
  for (const char* text : {"{", "{\"a\":}", "{'a':1}", "{\"a\":1}x", "{\"a\":1} {}", "\"a",
                           "{\"a\":\"\xff\"}", "[1,]", "nul", "{\"a\":1,}"}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), "json_invalid") << text;
    EXPECT_EQ(parsed.error().errc(), Errc::bad_request);
  }
  EXPECT_EQ(parse_json(R"({"a":1}x)").error().context().at("offset"), 7u);
}

TEST(Json, NestedTooDeepIsRefused) {
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  EXPECT_TRUE(parse_json(nested(kJsonDepthLimit)));
  EXPECT_FALSE(parse_json(nested(kJsonDepthLimit + 1)));
  EXPECT_FALSE(parse_json(nested(100'000)));
}

TEST(Json, WithANulSomewhereIsRefusedWithItsPlace) {
  const auto parsed = parse_json(R"({"a": [0, {"b": "x\u0000y"}]})");
  ASSERT_FALSE(parsed);
  const FieldError& field = parsed.error().fields().front();
  EXPECT_EQ(field.type, "string_nul");
  using Part = std::variant<std::string, std::int64_t>;
  EXPECT_EQ(field.loc, (std::vector<Part>{Part("body"), Part("a"), Part(1), Part("b")}));
  EXPECT_FALSE(parse_json(R"({"a\u0000": 1})"));
  EXPECT_TRUE(parse_json(R"({"a": "\\u0000"})"));
}

TEST(Json, NamedTwiceCountsTheLast) { EXPECT_EQ(parse_json(R"({"a":1,"a":2})")->at("a"), 2); }

struct Bodies : PeopleTest {
  Result<json::object> read(FakeRequest& request, std::size_t limit = kJsonBodyLimit) {
    return run(read_json(request, limit));
  }
};

TEST_F(Bodies, OfAnotherTypeAreRefusedUnread) {
  FakeRequest form("POST", "/x", "{}");
  form.headers["content-type"] = "application/x-www-form-urlencoded";
  EXPECT_EQ(read(form).error().errc(), Errc::unsupported_media);
  EXPECT_EQ(form.reads, 0);
  for (const char* type :
       {"", "application/json", "Application/JSON; charset=utf-8", "application/problem+json"}) {
    FakeRequest request("POST", "/x", "{}");
    request.headers["content-type"] = type;
    EXPECT_TRUE(read(request)) << type;
  }
}

TEST_F(Bodies, ThatAreTooLargeAreRefusedBeforeTheirType) {
  FakeRequest request("POST", "/x", "{}");
  request.headers["content-type"] = "text/plain";
  request.announced = 101;
  EXPECT_EQ(read(request, 100).error().errc(), Errc::payload_too_large);
  FakeRequest fits("POST", "/x", "{}");
  fits.announced = 100;
  EXPECT_TRUE(read(fits, 100));
}

TEST(Members, ReadsWhatFitsAndLeavesWhatIsAbsentOrNull) {
  const json::object object{{"t", "x"},        {"n", 5},      {"w", 5.0},    {"f", true},
                            {"o", {{"a", 1}}}, {"l", {1, 2}}, {"z", nullptr}};
  Members body(object);
  EXPECT_EQ(body.text("t"), "x");
  EXPECT_EQ(body.integer("n", 0, 5), 5);
  EXPECT_EQ(body.maybe_integer("w", 0, 5), 5);
  EXPECT_EQ(body.maybe_number("n", 0, 9), 5.0);
  EXPECT_EQ(body.maybe_flag("f"), true);
  EXPECT_NE(body.maybe_object("o"), nullptr);
  EXPECT_NE(body.maybe_array("l", 2), nullptr);
  EXPECT_EQ(body.maybe_text("z"), std::nullopt);
  EXPECT_EQ(body.maybe_text("absent"), std::nullopt);
  EXPECT_TRUE(body.check());
}

TEST(Members, NamesEverythingThatIsWrongAtOnce) {
  const json::object object{{"text", 5},      {"number", "5"},     {"big", 11},
                            {"long", "abcd"}, {"list", {1, 2, 3}}, {"numbre", 1}};
  Members body(object);
  body.text("text");
  body.maybe_integer("number", 0, 10);
  body.maybe_integer("big", 0, 10);
  body.maybe_text("long", {.max = 3});
  body.maybe_array("list", 2);
  body.text("absent");
  const auto checked = body.check();
  ASSERT_FALSE(checked);
  std::vector<std::string> types;
  for (const auto& field : checked.error().fields()) types.push_back(field.type);
  EXPECT_EQ(types, (std::vector<std::string>{"string_type", "int_type", "int_range", "string_too_long",
                                             "too_long", "missing", "extra_forbidden"}));
  EXPECT_EQ(checked.error().fields().back().context.at("nearest"), "number");
}

TEST(Members, TakesBoundsOnBothSides) {
  const json::object object{{"low", 1},  {"high", 3},     {"under", 0},
                            {"over", 4}, {"huge", 1e300}, {"half", 1.5}};
  Members body(object);
  EXPECT_EQ(body.maybe_integer("low", 1, 3), 1);
  EXPECT_EQ(body.maybe_integer("high", 1, 3), 3);
  for (const char* name : {"under", "over", "huge", "half"})
    EXPECT_FALSE(body.maybe_integer(name, 1, 3)) << name;
  EXPECT_EQ(body.check().error().fields().size(), 4u);
}

TEST(Members, ShowsOnlySoManyUnknownOnes) {
  json::object object;
  for (int i = 0; i < 1'000; ++i) object["unknown" + std::to_string(i)] = i;
  EXPECT_EQ(Members(object).check().error().fields().size(), 20u);
}

TEST(Errors, AreWhatFastApiClientsExpectWithACode) {
  const auto body =
      rendered(Error(Errc::not_found, "task_not_found", {"No such task.", "任务不存在。"}).with("id", "x"));
  EXPECT_EQ(body.at("detail"), "No such task.");
  EXPECT_EQ(body.at("code"), "task_not_found");
  EXPECT_EQ(body.at("id"), "x");
}

TEST(Errors, ListFieldsAndShortenWhatWasReceived) {
  FieldError field;
  field.loc = {std::string("body"), std::string("images"), std::int64_t{3}};
  field.type = "url";
  field.message = {"Not a URL.", "不是链接。"};
  field.context = {{"max", 3}};
  field.input = json::string(std::string(199, 'x') + "图图图" + std::string(10'000, 'x'));
  const auto item = rendered(Error::invalid(field)).at("detail").at(0);
  EXPECT_EQ(json::serialize(item.at("loc")), R"(["body","images",3])");
  EXPECT_EQ(item.at("ctx").at("max"), 3);
  EXPECT_EQ(item.at("input").as_string(), std::string(199, 'x') + "…");
}

TEST(Errors, SpeakTheCallersLanguage) {
  const Error error(Errc::conflict, "c", {"Conflict.", "冲突。"});
  EXPECT_EQ(rendered(error, "zh-CN,zh;q=0.9").at("detail"), "冲突。");
  EXPECT_EQ(rendered(error, "fr, en;q=0.5").at("detail"), "Conflict.");
  EXPECT_EQ(rendered(error).at("detail"), "Conflict.");
}

TEST(Errors, KeepWhatIsInternalInside) {
  const auto response = render_error(
      nullptr, Error(Errc::internal, "internal", {"Our mistake.", "服务器内部错误。"}).log("the secret"));
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(std::get<std::string>(response.body).find("secret"), std::string::npos);
}

TEST(Errors, SayWhenToComeBackAndHowToSignIn) {
  FakeRequest request("GET", "/x");
  const auto has = [](const http::Response& response, std::string_view name, std::string_view value) {
    return std::ranges::find(response.headers, std::pair(std::string(name), std::string(value))) !=
           response.headers.end();
  };
  EXPECT_TRUE(
      has(render_error(&request, Error(Errc::too_many_requests, "c", {"Wait.", "请稍候。"}).retry_after(7)),
          "Retry-After", "7"));
  EXPECT_TRUE(has(render_error(&request, Error(Errc::unauthorized, "c", {"Sign in.", "请登录。"})),
                  "WWW-Authenticate", "Bearer"));
}

TEST(Queries, AreWholeNumbersWithinBounds) {
  FakeRequest request("GET", "/x");
  const auto page = [&](const char* text) {
    request.queries["page"] = text;
    return query_integer(request, "page", 1, 1, 100);
  };
  EXPECT_EQ(query_integer(request, "limit", 20, 1, 100), 20);
  EXPECT_EQ(page("100"), 100);
  EXPECT_EQ(page(""), 1);
  for (const char* bad : {"0", "101", "-1", "1.5", "x", " 1", "99999999999999999999"})
    EXPECT_FALSE(page(bad)) << bad;
}

TEST(Nearest, FindsASlipButNotAnotherWord) {
  const std::vector<std::string> names{"num_images", "prompt", "seed"};
  EXPECT_EQ(nearest("num_image", names), "num_images");
  EXPECT_EQ(nearest("promt", names), "prompt");
  EXPECT_EQ(nearest("strength", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'p'), names), "");
}

struct Doors : PeopleTest {
  Result<identity::Principal> enter(FakeRequest& request, identity::Role minimum = identity::Role::user) {
    return run(people_->guard(request, minimum));
  }
  FakeRequest by_cookie(std::string method) {
    FakeRequest request(std::move(method), "/api/v1/flux/text-to-image");
    request.cookies["token"] = person_.token;
    return request;
  }
  void SetUp() override {
    PeopleTest::SetUp();
    person_ = sign_up("ada@example.org");
  }
  Person person_;
};

TEST_F(Doors, TakeABearerTokenBeforeACookieEvenABadOne) {
  FakeRequest request("GET", "/x");
  request.headers["authorization"] = "bEaReR  " + person_.token;
  EXPECT_EQ(enter(request)->user_id, person_.id);
  EXPECT_FALSE(enter(request)->by_cookie);
  request.cookies["token"] = person_.token;
  request.headers["authorization"] = "Bearer nonsense";
  EXPECT_EQ(enter(request).error().code(), "token_invalid");
  request.headers["authorization"] = "Basic abc";
  EXPECT_TRUE(enter(request)->by_cookie);
}

TEST_F(Doors, AreClosedToTheUnknownAndTheLowly) {
  FakeRequest nobody("GET", "/x");
  EXPECT_EQ(enter(nobody).error().code(), "not_authenticated");
  EXPECT_EQ(enter(nobody).error().errc(), Errc::unauthorized);
  FakeRequest user("GET", "/x");
  user.headers["authorization"] = "Bearer " + sign_up("bob@example.org").token;
  EXPECT_TRUE(enter(user));
  EXPECT_EQ(enter(user, identity::Role::admin).error().code(), "role_too_low");
  EXPECT_EQ(enter(user, identity::Role::admin).error().errc(), Errc::forbidden);
}

TEST_F(Doors, TakeCookiesThatChangeSomethingFromOurOwnPagesOnly) {
  const auto code = [&](std::string_view name, std::string value) -> std::string {
    auto request = by_cookie("POST");
    if (!name.empty()) request.headers[std::string(name)] = std::move(value);
    const auto entered = enter(request);
    return entered ? "in" : entered.error().code();
  };
  EXPECT_EQ(code("origin", "http://flux.example:8080"), "in");
  EXPECT_EQ(code("origin", "HTTPS://Flux.Example:8080"), "in");  // TLS ends at a proxy
  EXPECT_EQ(code("origin", "https://studio.example"), "in");     // the public URL
  EXPECT_EQ(code("referer", "http://flux.example:8080/studio?x=1"), "in");
  EXPECT_EQ(code("", ""), "origin_mismatch");
  for (const char* origin : {"null", "https://evil.example", "http://flux.example",
                             "http://flux.example:8081", "http://flux.example:8080.evil.example",
                             "http://flux.example:8080@evil.example", "flux.example:8080"})
    EXPECT_EQ(code("origin", origin), "origin_mismatch") << origin;
  EXPECT_EQ(code("referer", "https://evil.example/http://flux.example:8080"), "origin_mismatch");
}

TEST_F(Doors, DoNotAskReadersOrBearersForTheirOrigin) {
  auto reading = by_cookie("GET");
  reading.headers["origin"] = "https://evil.example";
  EXPECT_TRUE(enter(reading));
  FakeRequest bearer("POST", "/x");
  bearer.headers["authorization"] = "Bearer " + person_.token;
  bearer.headers["origin"] = "https://app.example";
  EXPECT_TRUE(enter(bearer));
}

TEST_F(Doors, RecogniseWhoMayBeAnyone) {
  auto known = by_cookie("GET");
  EXPECT_EQ(run(people_->guard.recognise(known))->user_id, person_.id);
  FakeRequest unknown("GET", "/x");
  EXPECT_FALSE(run(people_->guard.recognise(unknown)));
  unknown.cookies["token"] = "nonsense";
  EXPECT_FALSE(run(people_->guard.recognise(unknown)));
}

TEST(OwnOrigin, IsThePublicUrlsElseTheHosts) {
  FakeRequest request("GET", "/x");
  EXPECT_EQ(own_origin(request, ""), "http://flux.example:8080");
  request.tls = true;
  EXPECT_EQ(own_origin(request, ""), "https://flux.example:8080");
  EXPECT_EQ(own_origin(request, "https://studio.example/app/"), "https://studio.example");
}

}  // namespace
}  // namespace fluxgate::api
