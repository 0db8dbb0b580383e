#include "api/flux_routes.h"

#include "api/flux_task_json.h"
#include "api/flux_words.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Principal;
using identity::Role;
using tasks::TaskState;
using tasks::TaskView;

constexpr std::string_view kProvider = "flux";
constexpr std::chrono::milliseconds kSyncWait{60'000};
// Pictures may stand in the body as data URIs: 10 MiB of bytes as base64, and the rest.
constexpr std::size_t kBodyWithImages = 15 * 1024 * 1024;
constexpr std::size_t kKeyLength = 255;
constexpr std::int64_t kOffsetMax = 10'000;
constexpr std::int64_t kPageMax = 1'000'000;

http::Response task_answer(const Api& api, const http::Request& request, const TaskView& view) {
  return private_json(flux_task_json(view, show_for(api, request)));
}

// `sync_mode` is ours: it is taken out before the model's own members are judged, and never sent on.
Result<bool> take_sync_mode(json::object& body) {
  auto* value = body.if_contains("sync_mode");
  if (value == nullptr) return false;
  const json::value given = *value;
  body.erase("sync_mode");
  if (given.is_null()) return false;
  if (!given.is_bool())
    return refuse_field("body", "sync_mode", "bool_type", {"Expected true or false.", "应为 true 或 false。"},
                        given);
  return given.as_bool();
}

// ---- submit ----

Answer submit(const Api& api, http::Request& request, std::string_view endpoint, std::size_t body_limit) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json_text(request, body_limit);
  FLUX_CO_TRY(text, std::move(read));
  FLUX_CO_TRY(body, parse_json(text));
  FLUX_CO_TRY(key, read_idempotency_key(request));
  FLUX_CO_TRY(sync, take_sync_mode(body));

  tasks::SubmitRequest order;
  order.user_id = principal.user_id;
  order.provider = kProvider;
  order.endpoint = endpoint;
  order.body = std::move(body);
  order.idempotency_key = key;
  if (!key.empty()) order.body_sha256 = crypto::sha256_hex(text);
  order.own_origin = own_origin(request, api.parts.info.public_url);
  text = {};
  auto submitted = co_await api.parts.tasks.submit(std::move(order));
  FLUX_CO_TRY(placed, std::move(submitted));

  Result<TaskView> found;
  if (sync)
    found = co_await api.parts.tasks.wait(placed.task_id, principal.user_id, kSyncWait);
  else
    found = co_await api.parts.tasks.view(placed, principal.user_id);
  FLUX_CO_TRY(view, std::move(found));
  http::Response response = task_answer(api, request, view);
  if (placed.replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  co_return response;
}

Answer text_to_image(const Api& api, http::Request& request) {
  return submit(api, request, "text_to_image", kJsonBodyLimit);
}
Answer image_to_image(const Api& api, http::Request& request) {
  return submit(api, request, "image_to_image", kBodyWithImages);
}
Answer multi_image_edit(const Api& api, http::Request& request) {
  return submit(api, request, "multi_image_edit", kBodyWithImages);
}

// ---- one task ----

Answer show(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await api.parts.tasks.find(std::string(request.param("id")), scope_of(principal));
  FLUX_CO_TRY(view, std::move(found));
  co_return task_answer(api, request, view);
}

// What a call to cancel came to. Its answer is a success in every case: there is nothing more to ask for.
Text cancel_outcome(TaskState state) {
  if (state == TaskState::cancelled) return {"The task is cancelled.", "任务已取消。"};
  if (tasks::is_final(state)) return {"The task had already ended.", "任务此前已结束。"};
  return {"The provider was asked to stop; the task ends shortly.", "已请求服务商停止,任务即将结束。"};
}

Answer cancel(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto cancelled = co_await api.parts.tasks.cancel(std::string(request.param("id")), scope_of(principal));
  FLUX_CO_TRY(view, std::move(cancelled));
  co_return private_json({{"success", true},
                          {"message", cancel_outcome(view.task.state).in(request.language())},
                          {"task", flux_task_json(view, show_for(api, request))}});
}

// ---- history ----

// What an adopted database may hold tasks of, whether or not we still serve it.
constexpr std::string_view kProviders[] = {"flux", "midjourney", "dreamwork", "kling", "jimeng", "kling_lip_sync"};

Result<std::string> read_provider(const http::Request& request) {
  const std::string name = request.query("provider").value_or("");
  if (std::ranges::find(kProviders, name) != std::end(kProviders)) return name;
  constexpr std::string_view kAll = "flux, midjourney, dreamwork, kling, jimeng, kling_lip_sync";
  return refuse_field("query", "provider", "enum",
                      {fmt::format("Expected one of {}.", kAll), fmt::format("应为 {} 之一。", kAll)},
                      json::string(name.substr(0, 64)), {{"expected", kAll}});
}

// Moments in seconds, as everywhere in query parameters; 0 = open.
constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the year 9999
constexpr std::size_t kWordsLength = 200;

Result<void> read_search(const http::Request& request, tasks::HistoryQuery& query) {
  query.model = request.query("model").value_or("");
  const std::string text(request.query("q").value_or(""));
  for (std::size_t at = 0; (at = text.find_first_not_of(" \t\r\n", at)) != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
    query.words.push_back(text.substr(at, end - at));
    at = end;
  }
  if (text.size() > kWordsLength || query.words.size() > tasks::kSearchWordsMax)
    return refuse_field("query", "q", "too_long",
                        {fmt::format("Expected at most {} words of {} bytes in all.", tasks::kSearchWordsMax, kWordsLength),
                         fmt::format("最多 {} 个词，共 {} 字节。", tasks::kSearchWordsMax, kWordsLength)},
                        json::string(text.substr(0, 64)), {{"max_words", tasks::kSearchWordsMax}, {"max_length", kWordsLength}});
  FLUX_TRY(from, query_integer(request, "from", 0, 0, kSecondsMax));
  FLUX_TRY(to, query_integer(request, "to", 0, 0, kSecondsMax));
  query.from = from * 1000;
  query.to = to * 1000;
  if (query.is_search() && query.offset > 0)
    return fail(Error(Errc::invalid, "use_cursor",
                      {"A search has no page numbers; go on with cursor=next_cursor of the last answer.",
                       "搜索不支持页码，请用上一页的 next_cursor 作为 cursor 继续。"})
                    .with("field", "page"));
  return {};
}

// `provider` "": the one that the query names.
Answer list(const Api& api, http::Request& request, std::string_view provider) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(query, read_history_query(request));
  FLUX_CO_CHECK(read_search(request, query));
  query.provider = provider;
  if (provider.empty()) {
    FLUX_CO_TRY(named, read_provider(request));
    query.provider = named;
  }
  query.user_id = principal.user_id;
  const int limit = query.limit;
  const int page_number = query.offset / limit + 1;
  const auto page = co_await api.parts.tasks.history(std::move(query));
  const TaskShow look = show_for(api, request);
  json::array data;
  for (const TaskView& view : page.tasks) data.push_back(flux_task_json(view, look));
  json::value next = nullptr;
  if (!page.next_cursor.empty()) next = page.next_cursor;
  json::value total = nullptr;
  if (page.total) total = *page.total;
  co_return private_json({{"data", std::move(data)},
                          {"total", std::move(total)},
                          {"page", page_number},
                          {"limit", limit},
                          {"next_cursor", std::move(next)}});
}

Answer history(const Api& api, http::Request& request) { return list(api, request, kProvider); }
Answer every_history(const Api& api, http::Request& request) { return list(api, request, ""); }

Result<void> read_cursor(const http::Request& request, tasks::HistoryQuery& query) {
  const auto cursor = request.query("cursor");
  if (!cursor || cursor->empty()) return {};
  if (!is_uuid(*cursor))
    return refuse_field("query", "cursor", "cursor",
                        {"Expected the next_cursor of the page before.", "应为上一页返回的 next_cursor。"},
                        json::string(cursor->substr(0, 64)));
  query.cursor = *cursor;
  query.offset = 0;
  return {};
}

Result<void> read_status(const http::Request& request, tasks::HistoryQuery& query) {
  const auto status = request.query("status");
  if (!status || status->empty()) return {};
  query.states = states_of_flux_word(*status);
  if (query.states) return {};
  return refuse_field(
      "query", "status", "enum",
      {fmt::format("Expected one of {}.", kFluxWords), fmt::format("应为 {} 之一。", kFluxWords)},
      json::string(status->substr(0, 64)), {{"expected", kFluxWords}});
}

}  // namespace

Result<tasks::HistoryQuery> read_history_query(const http::Request& request) {
  FLUX_TRY(page, query_integer(request, "page", 1, 1, kPageMax));
  FLUX_TRY(limit, query_integer(request, "limit", 20, 1, 100));
  tasks::HistoryQuery query;
  query.provider = kProvider;
  query.limit = static_cast<int>(limit);
  const std::int64_t offset = (page - 1) * limit;
  query.offset = static_cast<int>(std::min(offset, kOffsetMax + 1));
  FLUX_CHECK(read_cursor(request, query));
  FLUX_CHECK(read_status(request, query));
  if (query.offset > kOffsetMax)
    return fail(
        Error(Errc::invalid, "use_cursor",
              {fmt::format("Pages reach to row {}; go on with cursor=next_cursor of the last page.",
                           kOffsetMax),
               fmt::format("按页码最多可到第 {} 行,请用上一页的 next_cursor 作为 cursor 继续。", kOffsetMax)})
            .with("field", "page")
            .with("received", page)
            .with("limit", limit));
  return query;
}

Result<std::string> read_idempotency_key(const http::Request& request) {
  const std::string_view key = request.header("idempotency-key");
  const bool printable = std::ranges::all_of(key, [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (printable && key.size() <= kKeyLength) return std::string(key);
  return refuse_field("header", "Idempotency-Key", "string_pattern",
                      {fmt::format("Expected 1 to {} printable ASCII characters.", kKeyLength),
                       fmt::format("应为 1 到 {} 个可打印的 ASCII 字符。", kKeyLength)},
                      nullptr, {{"max_length", kKeyLength}, {"actual_length", key.size()}});
}

void add_flux_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/flux/text-to-image", bind(api, text_to_image));
  router.post("/api/v1/flux/image-to-image", bind(api, image_to_image));
  router.post("/api/v1/flux/multi-image-edit", bind(api, multi_image_edit));
  router.get("/api/v1/flux/task/{id}", bind(api, show));
  router.del("/api/v1/flux/task/{id}", bind(api, cancel));
  router.get("/api/v1/flux/history", bind(api, history));
  router.get("/api/v1/tasks", bind(api, every_history));
  router.get("/api/v1/tasks/{id}", bind(api, show));
}

}  // namespace fluxgate::api
