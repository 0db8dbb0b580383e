#include <gtest/gtest.h>

#include "api/event_routes.h"
#include "api/file_routes.h"
#include "api/flux_routes.h"
#include "fake_request.h"

namespace fluxgate::api {
namespace {

FakeRequest history(std::map<std::string, std::string> queries) {
  FakeRequest request("GET", "/api/v1/flux/history");
  request.queries = std::move(queries);
  return request;
}

TEST(HistoryQuery, StartsWithTheNewestTwenty) {
  const auto query = read_history_query(history({}));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->offset, 0);
  EXPECT_EQ(query->limit, 20);
  EXPECT_FALSE(query->states);
}

TEST(HistoryQuery, ReachesByPagesToRowTenThousandAndNoFurther) {
  EXPECT_EQ(read_history_query(history({{"page", "101"}, {"limit", "100"}}))->offset, 10'000);
  const auto beyond = read_history_query(history({{"page", "102"}, {"limit", "100"}}));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code(), "use_cursor");
  EXPECT_EQ(beyond.error().errc(), Errc::invalid);
}

TEST(HistoryQuery, TakesACursorInsteadOfAPage) {
  const auto query = read_history_query(
      history({{"page", "900"}, {"limit", "100"}, {"cursor", "01a20ae7-f8e7-7352-9159-d79c3a12e5c4"}}));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->offset, 0);
  EXPECT_EQ(query->cursor, "01a20ae7-f8e7-7352-9159-d79c3a12e5c4");
}

TEST(HistoryQuery, NamesTheParameterThatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"page", "0"},    {"page", "-1"}, {"page", "1.5"},       {"page", "9999999"}, {"limit", "0"},
      {"limit", "101"}, {"limit", "x"}, {"status", "success"}, {"cursor", "newest"}};
  for (const auto& [name, value] : wrong) {
    const auto query = read_history_query(history({{name, value}}));
    ASSERT_FALSE(query) << name << "=" << value;
    ASSERT_EQ(query.error().fields().size(), 1u);
    const FieldError& field = query.error().fields().front();
    EXPECT_EQ(std::get<std::string>(field.loc[0]), "query");
    EXPECT_EQ(std::get<std::string>(field.loc[1]), name);
    EXPECT_EQ(field.input, boost::json::value(value));
  }
}

TEST(IdempotencyKey, IsUpTo255PrintableCharacters) {
  FakeRequest request("POST", "/");
  EXPECT_EQ(read_idempotency_key(request), "");
  request.headers["idempotency-key"] = std::string(255, '~');
  EXPECT_EQ(read_idempotency_key(request), std::string(255, '~'));
  for (const std::string& wrong :
       {std::string(256, 'a'), std::string("tab\there"), std::string("schlüssel")}) {
    request.headers["idempotency-key"] = wrong;
    const auto key = read_idempotency_key(request);
    ASSERT_FALSE(key) << wrong;
    EXPECT_EQ(std::get<std::string>(key.error().fields().front().loc[1]), "Idempotency-Key");
  }
}

TEST(ContentDisposition, KeepsPlainNamesAndEncodesOthers) {
  EXPECT_EQ(content_disposition(false, "a-1.png"), "inline; filename=\"a-1.png\"");
  EXPECT_EQ(content_disposition(true, "a\"\r\nb 猫.png"),
            "attachment; filename=\"a___b ___.png\"; filename*=UTF-8''a%22%0D%0Ab%20%E7%8C%AB.png");
}

TEST(SseEvent, KeepsItsDataTogetherWhateverIsInIt) {
  EXPECT_EQ(sse_event("hello", 0, "{}"), "id: 0\nevent: hello\ndata: {}\n\n");
  EXPECT_EQ(sse_event("task.progress", std::nullopt, "a\nb"), "event: task.progress\ndata: a\ndata: b\n\n");
}

}  // namespace
}  // namespace fluxgate::api
