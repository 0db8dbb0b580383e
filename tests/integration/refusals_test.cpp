// What bad input gets: the statuses that every operation of a kind shares, and the table of wrong members.
#include <set>

#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kHuge = 256 * 1024 * 1024;
constexpr const char* kNobody = "01a20ae7-f8e7-7352-9159-d79c3a12e5c4";

std::string filled(std::string path) {
  for (const auto& [name, value] : {std::pair("{id}", kNobody), std::pair("{name}", "x.png"),
                                    std::pair("{attempt}", kNobody), std::pair("{mac}", "00")})
    if (const auto at = path.find(name); at != std::string::npos)
      path.replace(at, std::string(name).size(), value);
  return path;
}

using Operation = Contract::Operation;

bool is_public(const Operation& operation) {
  const auto* security = operation.item->if_contains("security");
  return security != nullptr && security->as_array().empty();
}

bool takes_json(const Operation& operation) { return contract().body_type(operation) == "application/json"; }

// Resumable uploads: their protocol wants its headers before anything else is looked at.
bool speaks_tus(const Operation& operation) {
  const auto* parameters = operation.item->if_contains("parameters");
  if (parameters == nullptr) return false;
  for (const auto& parameter : parameters->as_array())
    if (contract().resolved(parameter).at("name") == "Tus-Resumable") return true;
  return false;
}

Call call_of(const Operation& operation) {
  Call call{.method = operation.method, .path = filled(operation.path)};
  if (speaks_tus(operation))
    call.headers = {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "0"}, {"Content-Type", "application/offset+octet-stream"},
                    {"X-HTTP-Method-Override", "PATCH"}};
  return call;
}

template <class F>
void for_each_operation(F visit) {
  for (const Operation& operation : contract().operations()) {
    SCOPED_TRACE(operation.method + " " + operation.path);
    visit(operation);
  }
}

TEST(Refusals, WithoutATokenEveryPrivateOperationIs401) {
  for_each_operation([](const Operation& operation) {
    if (!contract().describes(operation, 401)) return;
    Call call = call_of(operation);
    const Answer answer = api().send(call);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.code(), "not_authenticated");
    EXPECT_EQ(answer.header("www-authenticate"), "Bearer");
    call.token = "not-a-token";
    EXPECT_EQ(api().send(call).status, 401);
  });
}

TEST(Refusals, ARoleTooLowIs403) {
  const Person pending = somebody("pending"), user = somebody();
  for_each_operation([&](const Operation& operation) {
    // Keys and sign-up are refused by settings, not by role: people_test.cpp.
    if (!contract().describes(operation, 403) || operation.path.starts_with("/api/v1/auths/api_key") ||
        is_public(operation))
      return;
    Call call = call_of(operation);
    call.token = pending.token;
    Answer answer = api().send(call);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.code(), "role_too_low");
    if (speaks_tus(operation)) return;  // open to users
    if (contract().describes(operation, 200) && !operation.item->at("tags").at(0).as_string().ends_with("dministration"))
      return;
    call.token = user.token;
    EXPECT_EQ(api().send(call).status, 403);
  });
}

TEST(Refusals, ABrokenOrForeignBodyIsNamedAsSuch) {
  for_each_operation([](const Operation& operation) {
    if (!takes_json(operation) || !contract().describes(operation, 400)) return;
    Call call = call_of(operation);
    if (!is_public(operation)) call.token = admin().token;
    call.headers = {{"Content-Type", "application/json"}};
    call.body = "{\"a\": ";
    const Answer broken = api().send(call);
    EXPECT_EQ(broken.status, 400);
    EXPECT_EQ(broken.code(), "json_invalid");
    EXPECT_TRUE(broken.json().as_object().contains("offset"));
    call.body = "[]";
    EXPECT_EQ(api().send(call).status, 422);
    call.body = std::string(40, '[') + std::string(40, ']');
    EXPECT_EQ(api().send(call).status, 400) << "too deep";
    call.headers = {{"Content-Type", "text/plain"}};
    call.body = "{}";
    EXPECT_EQ(api().send(call).status, 415);
  });
}

TEST(Refusals, ABodyTooLargeIsNotRead) {
  for_each_operation([](const Operation& operation) {
    if (!contract().describes(operation, 413) || operation.path.starts_with("/hooks/")) return;
    if (speaks_tus(operation)) return;  // its limit is the length that is told first: uploads_test.cpp
    for (const char* expect : {"100-continue", ""}) {
      Call call = call_of(operation);
      if (!is_public(operation)) call.token = admin().token;
      call.headers = {
          {"Content-Type", takes_json(operation) ? "application/json" : "multipart/form-data; boundary=b"}};
      call.headers.emplace_back("Expect", expect);
      call.announce = kHuge;
      const Answer answer = api().send(call);
      EXPECT_EQ(answer.status, 413) << answer.failure;
      EXPECT_LT(answer.uploaded, kHuge / 2);
      if (*expect != '\0') {
        EXPECT_EQ(answer.uploaded, 0u);
      }
    }
  });
}

TEST(Refusals, AFormThatIsNoneIs415) {
  for_each_operation([](const Operation& operation) {
    if (contract().body_type(operation) != "multipart/form-data") return;
    Call call = call_of(operation);
    call.token = admin().token;
    call.json = json::object{{"file", "x"}};
    EXPECT_EQ(api().send(call).status, 415);
    call.json.reset();
    call.headers = {{"Content-Type", "multipart/form-data; boundary=b"}};
    call.body = "--b\r\nContent-Disp";
    EXPECT_EQ(api().send(call).status, 400);
  });
}

TEST(Refusals, WhatDoesNotExistIs404) {
  // One names nothing, the other names the parts to be joined in a header.
  const std::set<std::string> without_a_name{"/api/v1/auths/api_key", "/api/v1/uploads"};
  for_each_operation([&](const Operation& operation) {
    if (!contract().describes(operation, 404) || takes_json(operation) || without_a_name.contains(operation.path)) return;
    Call call = call_of(operation);
    call.token = admin().token;
    EXPECT_EQ(api().send(call).status, 404);
  });
}

TEST(Refusals, TheFirstThatAppliesIsTold) {
  const Answer no_token = api().send({.method = "POST",
                                      .path = "/api/v1/flux/text-to-image",
                                      .headers = {{"Content-Type", "text/plain"}},
                                      .announce = kHuge});
  EXPECT_EQ(no_token.status, 401);
  const Person poor = somebody();
  set_credit(poor, 0);
  EXPECT_EQ(api().post("/api/v1/flux/text-to-image", poor.token, {{"model", kModel}}).status, 422)
      << "422 before 402";
}

TEST(Refusals, ACookieNeedsAPageOfOurs) {
  const Person ann = somebody();
  const HeaderList cookie{{"Cookie", "token=" + ann.token}};
  const auto with = [&](std::string origin) {
    HeaderList headers = cookie;
    headers.emplace_back("Content-Type", "application/json");
    if (!origin.empty()) headers.emplace_back("Origin", origin);
    return api().send({.method = "POST",
                       .path = "/api/v1/flux/text-to-image",
                       .body = R"({"model":"x"})",
                       .headers = headers});
  };
  EXPECT_EQ(api().send({.path = "/api/v1/flux/credits", .headers = cookie}).status, 200);
  EXPECT_EQ(with("https://evil.example").code(), "origin_mismatch");
  EXPECT_EQ(with("").code(), "origin_mismatch");
  EXPECT_EQ(with(api().base_url()).status, 422) << "let in, and then refused for its body";
}

// ---- wrong members ----

struct Wrong {
  const char* endpoint;
  json::object body;
  const char* loc;
};

std::vector<Wrong> wrong_members() {
  const auto text = [](json::object more) {
    json::object body = text_body("x");
    for (auto& [name, value] : more) body[name] = value;
    return body;
  };
  const auto edit = [](json::object more) {
    json::object body{{"model", "fal-ai/flux-1/dev/image-to-image"},
                      {"prompt", "x"},
                      {"image_url", "https://example.org/a.png"}};
    for (auto& [name, value] : more) body[name] = value;
    return body;
  };
  return {
      {"text-to-image", {{"prompt", "x"}}, "body/model"},
      {"text-to-image", {{"model", nullptr}, {"prompt", "x"}}, "body/model"},
      {"text-to-image", {{"model", 5}, {"prompt", "x"}}, "body/model"},
      {"text-to-image", {{"model", "fal-ai/flux-1/shnell"}, {"prompt", "x"}}, "body/model"},
      {"text-to-image", {{"model", kModel}}, "body/prompt"},
      {"text-to-image", {{"model", kModel}, {"prompt", ""}}, "body/prompt"},
      {"text-to-image", {{"model", kModel}, {"prompt", 7}}, "body/prompt"},
      {"text-to-image", text({{"prompt", std::string(5001, 'x')}}), "body/prompt"},
      {"text-to-image", text({{"prompt", std::string("a\0b", 3)}}), "body/prompt"},
      {"text-to-image", text({{"num_images", 0}}), "body/num_images"},
      {"text-to-image", text({{"num_images", 5}}), "body/num_images"},
      {"text-to-image", text({{"num_images", 1.5}}), "body/num_images"},
      {"text-to-image", text({{"num_images", "two"}}), "body/num_images"},
      {"text-to-image", text({{"num_inference_steps", 13}}), "body/num_inference_steps"},
      {"text-to-image", text({{"image_size", "huge"}}), "body/image_size"},
      {"text-to-image", text({{"image_size", {{"width", 14143}, {"height", 512}}}}), "body/image_size/width"},
      {"text-to-image", text({{"image_size", {{"width", 512}}}}), "body/image_size/height"},
      {"text-to-image", text({{"seed", -1}}), "body/seed"},
      {"text-to-image", text({{"seed", 4294967296}}), "body/seed"},
      {"text-to-image", text({{"guidance_scale", 20.5}}), "body/guidance_scale"},
      {"text-to-image", text({{"output_format", "gif"}}), "body/output_format"},
      {"text-to-image", text({{"num_image", 2}}), "body/num_image"},
      {"text-to-image", text({{"expected_price", -1}}), "body/expected_price"},
      {"text-to-image", text({{"rev", "1"}}), "body/rev"},
      {"image-to-image", {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}}, "body/image_url"},
      {"image-to-image", edit({{"strength", 0}}), "body/strength"},
      {"image-to-image", edit({{"image_url", "not a url"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "http://127.0.0.1/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "http://[::ffff:10.0.0.1]/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "http://0x7f.1/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "https://user:secret@example.org/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "ftp://example.org/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "https://example.org:22/a.png"}}), "body/image_url"},
      {"image-to-image", edit({{"image_url", "data:image/png;base64,!!!"}}), "body/image_url"},
      {"multi-image-edit",
       {{"model", "fal-ai/flux-pro/kontext/multi"}, {"prompt", "x"}, {"image_urls", json::array{}}},
       "body/image_urls"},
      {"multi-image-edit",
       {{"model", "fal-ai/flux-1/dev"}, {"prompt", "x"}, {"image_urls", {"https://example.org/a.png"}}},
       "body/model"},
  };
}

TEST(Refusals, EveryWrongMemberIsNamedAndMovesNoCredit) {
  const Person ann = somebody();
  for (const Wrong& wrong : wrong_members()) {
    SCOPED_TRACE(json::serialize(wrong.body).substr(0, 200));
    const Answer refused = api().post(std::string("/api/v1/flux/") + wrong.endpoint, ann.token, wrong.body);
    ASSERT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(first_loc(refused), wrong.loc) << refused.body;
    const json::value first = refused.json().at("detail").at(0);
    EXPECT_FALSE(first.at("msg").as_string().empty());
    const bool plain = first.at("type") == "missing" || first.at("type") == "string_nul";
    EXPECT_TRUE(plain || first.as_object().contains("input") || first.as_object().contains("ctx"))
        << "what was received: " << refused.body;
  }
  EXPECT_EQ(balance(ann), 100);
  EXPECT_EQ(api().get("/api/v1/flux/history", ann.token).json().at("total"), 0);
}

TEST(Refusals, AllWrongMembersAreNamedAtOnce) {
  const Person ann = somebody();
  const Answer refused = api().post("/api/v1/flux/text-to-image", ann.token,
                                    {{"model", kModel}, {"prompt", ""}, {"num_images", 99}, {"sed", 1}});
  EXPECT_EQ(refused.json().at("detail").as_array().size(), 3u) << refused.body;
}

TEST(Refusals, AnUnknownModelNamesTheNearest) {
  const Answer refused = api().post("/api/v1/flux/text-to-image", admin().token,
                                    {{"model", "fal-ai/flux-1/shnell"}, {"prompt", "x"}});
  EXPECT_NE(refused.body.find("fal-ai/flux-1/schnell"), std::string::npos) << refused.body;
}

TEST(Refusals, AMemberOfTheOriginalIsDroppedWhenItIsTheOriginalsDefault) {
  const Person ann = somebody();
  json::object body = text_body("x");
  body["safety_tolerance"] = "2";
  body["aspect_ratio"] = nullptr;
  // The model lacks these, so the contract does not describe them; the original's clients send them always.
  const Answer dropped = api().send({.method = "POST",
                                     .path = "/api/v1/flux/text-to-image",
                                     .token = ann.token,
                                     .json = body,
                                     .off_contract = true});
  EXPECT_EQ(dropped.status, 200) << dropped.body;
  body["safety_tolerance"] = "5";
  EXPECT_EQ(first_loc(api().post("/api/v1/flux/text-to-image", ann.token, body)), "body/safety_tolerance");
}

TEST(Refusals, HistoryAndKeysHaveLimits) {
  const Person ann = somebody();
  for (const char* query :
       {"page=0", "limit=0", "limit=101", "limit=abc", "status=success", "cursor=newest"}) {
    const Answer refused = api().get(std::string("/api/v1/flux/history?") + query, ann.token);
    EXPECT_EQ(refused.status, 422) << query;
  }
  EXPECT_EQ(api().get("/api/v1/flux/history?page=102&limit=100", ann.token).code(), "use_cursor");
  const Answer key = api().post("/api/v1/flux/text-to-image", ann.token, text_body("x"),
                                {{"Idempotency-Key", std::string(256, 'k')}});
  EXPECT_EQ(first_loc(key), "header/Idempotency-Key");
}

}  // namespace
}  // namespace fluxgate::integration
