#include "api/event_routes.h"

#include <charconv>

#include <boost/asio/this_coro.hpp>

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

constexpr int kPageSize = 200;
constexpr std::chrono::seconds kKeepAlive{15};
// Other nodes write to the same table without telling this one (DESIGN §5.2).
constexpr std::chrono::seconds kSharedPoll{1};
constexpr std::int64_t kSeqMax = 1ll << 53;

awaitable<notify::Page> read_page(const Api& api, std::string user_id, std::int64_t since, int limit) {
  auto page = co_await api.parts.database.read([user_id = std::move(user_id), since, limit](db::Tx& tx) {
    return notify::read_since(tx, user_id, since, limit);
  });
  co_return page;
}

json::value parsed(const std::string& data) {
  boost::system::error_code broken;
  json::value value = json::parse(data, broken);
  return broken ? json::value(nullptr) : value;
}

// ---- JSON ----

Answer as_json(const Api& api, const http::Request& request, std::string user_id, int limit) {
  FLUX_CO_TRY(since, query_integer(request, "since", 0, 0, kSeqMax));
  const auto page = co_await read_page(api, std::move(user_id), since, limit);
  json::array events;
  std::int64_t reached = page.reset ? page.last_seq : since;
  for (const notify::Event& event : page.events) {
    events.push_back({{"id", event.seq}, {"type", event.type}, {"data", parsed(event.data)}});
    reached = event.seq;
  }
  co_return private_json({{"events", std::move(events)},
                          {"reset", page.reset},
                          {"next_since", reached},
                          {"last_id", page.last_seq}});
}

// ---- the stream ----


// Data of ours names its batch in this form and no other: ids are made by us and need no escape.
bool concerns(const Listener& listener, const notify::Event& event) {
  return listener.batch_id.empty() ||
         event.data.find(fmt::format("\"batch_id\":\"{}\"", listener.batch_id)) != std::string::npos;
}

// What was stored since; `since` moves on. More may be left when the page was full.
struct Chapter {
  std::string text;
  bool full = false;
  bool last = false;  // the batch has ended
};
awaitable<Chapter> next_chapter(const Listener& listener, std::int64_t& since) {
  const auto page = co_await read_page(*listener.api, listener.user_id, since, kPageSize);
  Chapter chapter;
  if (page.reset) {
    chapter.text = sse_event("reset", page.last_seq, json::serialize(json::object{{"last_id", page.last_seq}}));
    since = page.last_seq;
    co_return chapter;
  }
  for (const notify::Event& event : page.events) {
    since = event.seq;
    if (!concerns(listener, event)) continue;
    chapter.text += sse_event(event.type, event.seq, event.data);
    chapter.last = chapter.last || (!listener.batch_id.empty() && event.type == "batch.ended");
  }
  chapter.full = page.events.size() == kPageSize;
  co_return chapter;
}

// A token that has ended ends its streams too.
awaitable<bool> still_welcome(const Listener& listener) {
  const auto principal = co_await listener.api->parts.identity.authenticate(listener.token, listener.path);
  co_return principal.has_value() && principal->user_id == listener.user_id;
}

awaitable<void> stream(Listener listener, http::BodyWriter& out) {
  const Api& api = *listener.api;
  const bool shared = api.parts.database.dialect() == db::Dialect::postgresql;
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto subscription = api.parts.hub.subscribe(listener.user_id, executor);
  std::int64_t last = co_await api.parts.database.read(
      [id = listener.user_id](db::Tx& tx) { return notify::last_seq(tx, id); });
  std::int64_t since = listener.since.value_or(last);
  json::object hello = listener.hello;
  hello["last_id"] = last;
  hello["server_time"] = iso8601(api.parts.clock.now_ms());
  std::string text = "retry: 2000\n" + sse_event("hello", since, json::serialize(hello));
  Millis spoke_at = 0, checked_at = api.parts.clock.now_ms();
  for (;;) {
    const Chapter chapter = co_await next_chapter(listener, since);
    text += chapter.text;
    for (const notify::Event& event : subscription->take_progress())
      if (concerns(listener, event)) text += sse_event(event.type, std::nullopt, event.data);
    const Millis now = api.parts.clock.now_ms();
    const auto keep_alive = std::chrono::milliseconds(kKeepAlive).count();
    if (text.empty() && now - spoke_at >= keep_alive) text = ": still here\n\n";
    if (!text.empty()) {
      const bool sent = co_await out.write(text);
      if (!sent) co_return;
      text.clear();
      spoke_at = now;
    }
    if (chapter.last) co_return;
    if (chapter.full) continue;
    if (listener.ended) co_return;
    if (now - checked_at >= keep_alive) {
      checked_at = now;
      const bool welcome = co_await still_welcome(listener);
      if (!welcome) co_return;
    }
    const bool goes_on = co_await out.wait(subscription->wakeup(), shared ? kSharedPoll : kKeepAlive);
    if (!goes_on) break;
  }
  if (out.draining()) co_await out.write(sse_event("draining", std::nullopt, "{}"));
}

Answer events(const ApiPtr& api, http::Request& request) {
  auto admitted = co_await api->guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(limit, query_integer(request, "limit", 100, 1, 100));
  if (request.query("since")) {
    auto answer = co_await as_json(*api, request, principal.user_id, static_cast<int>(limit));
    co_return answer;
  }
  FLUX_CO_TRY(since, read_last_id(request));
  co_return event_stream({.api = api,
                          .user_id = principal.user_id,
                          .token = presented_token(request).text,
                          .path = std::string(request.path()),
                          .since = since});
}

}  // namespace

Result<std::optional<std::int64_t>> read_last_id(const http::Request& request) {
  std::string text(request.header("last-event-id"));
  if (text.empty()) text = request.query("last_event_id").value_or("");
  if (text.empty()) return std::nullopt;
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc{} && end == text.data() + text.size() && id >= 0 && id <= kSeqMax) return id;
  return refuse_field("header", "Last-Event-ID", "int_parsing",
                      {"Expected the id of an event.", "应为事件的编号。"}, json::string(text.substr(0, 64)));
}

http::Response event_stream(Listener listener) {
  auto body = [listener = std::move(listener)](http::BodyWriter& out) { return stream(listener, out); };
  return http::Response::stream("text/event-stream", std::move(body))
      .with("Cache-Control", "no-store")
      .with("X-Accel-Buffering", "no");
}

std::string sse_event(std::string_view type, std::optional<std::int64_t> id, std::string_view data) {
  std::string text;
  if (id) text = fmt::format("id: {}\n", *id);
  text += fmt::format("event: {}\n", type);
  // A line break inside would end the data.
  std::size_t from = 0;
  for (;;) {
    const auto to = data.find('\n', from);
    text += fmt::format("data: {}\n", data.substr(from, to == std::string_view::npos ? to : to - from));
    if (to == std::string_view::npos) break;
    from = to + 1;
  }
  return text + "\n";
}

void add_event_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/events", [api](http::Request& request) { return events(api, request); });
}

}  // namespace fluxgate::api
