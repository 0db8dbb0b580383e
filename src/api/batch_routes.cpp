#include "api/batch_routes.h"

#include "api/event_routes.h"
#include "api/flux_routes.h"
#include "api/flux_task_json.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "tasks/matrix.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using tasks::BatchView;
using tasks::TaskState;

constexpr std::string_view kProvider = "flux";
constexpr std::string_view kEndpoints[] = {"text_to_image", "image_to_image", "multi_image_edit"};
constexpr std::size_t kBodyLimit = 15 * 1024 * 1024;
constexpr std::size_t kNameMax = 200;  // bytes

json::value time_or_null(const std::optional<Millis>& time) {
  if (!time) return nullptr;
  return json::value(iso8601(*time));
}

std::string_view status_of(const tasks::Batch& batch) {
  if (batch.ended_at) return batch.cancel_requested_at ? "cancelled" : "ended";
  return batch.cancel_requested_at ? "cancelling" : "active";
}

json::array refused_json(const json::array& refused, Language language) {
  json::array list;
  for (const auto& stored : refused) {
    json::object item = stored.as_object();
    for (auto& error : item.at("errors").as_array()) {
      json::object& field = error.as_object();
      field["msg"] = json::value(field.at("msg").as_object().at(language == Language::zh ? "zh" : "en"));
    }
    list.push_back(std::move(item));
  }
  return list;
}

json::object batch_json(const BatchView& view, Language language) {
  const tasks::Batch& batch = view.batch;
  json::object counts;
  int ended = 0, kept = 0;
  for (TaskState state : tasks::kAllTaskStates) {
    const auto found = view.counts.find(state);
    const int count = found == view.counts.end() ? 0 : found->second;
    counts[tasks::name(state)] = count;
    kept += count;
    if (tasks::is_final(state)) ended += count;
  }
  const int removed = batch.total - kept;  // by the rules of retention, which take only what has ended
  return {{"id", batch.id},
          {"name", batch.name},
          {"provider", batch.provider},
          {"task_type", batch.endpoint},
          {"status", status_of(batch)},
          {"total", batch.total},
          {"counts", std::move(counts)},
          {"removed", removed},
          {"progress", batch.total == 0 ? 1.0 : static_cast<double>(ended + removed) / batch.total},
          {"cost", {{"quote", view.quote.as_number()}, {"charged", view.charged.as_number()}, {"currency", "credits"}}},
          {"refused", refused_json(batch.refused, language)},
          {"created_at", iso8601(batch.created_at)},
          {"cancel_requested_at", time_or_null(batch.cancel_requested_at)},
          {"ended_at", time_or_null(batch.ended_at)}};
}

// ---- submit ----

std::string read_endpoint(Members& form) {
  std::string endpoint = form.maybe_text("task_type").value_or(std::string(kEndpoints[0]));
  for (char& c : endpoint)
    if (c == '-') c = '_';  // as in the paths of single submits
  if (std::ranges::find(kEndpoints, endpoint) == std::end(kEndpoints))
    form.refuse("task_type", "enum",
                {"Expected text_to_image, image_to_image or multi_image_edit.",
                 "应为 text_to_image、image_to_image 或 multi_image_edit。"});
  return endpoint;
}

// Every item of `requests` is an object.
std::vector<json::object> read_list(Members& form, const json::array& list) {
  std::vector<json::object> requests;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].is_object())
      requests.push_back(list[i].as_object());
    else
      form.refuse(fmt::format("requests[{}]", i), "dict_type", {"Expected an object.", "应为对象。"});
  }
  if (list.empty())
    form.refuse("requests", "too_short", {"Expected at least one request.", "至少需要一个请求。"}, {{"min_length", 1}});
  return requests;
}

// The requests of the body in either form.
Result<void> read_requests(Members& form, tasks::BatchRequest& batch) {
  const auto* list = form.maybe_array("requests", tasks::kBatchMax);
  const auto* pattern = form.maybe_object("request");
  const auto* sweep = form.maybe_object("sweep");
  const bool given_list = form.maybe_value("requests") != nullptr;
  if (given_list == (pattern != nullptr))
    form.refuse("requests", "missing",
                {"Expected either requests, a list, or request, one request with choices.",
                 "请提供 requests(列表)或 request(含选项的单个请求)之一。"});
  if (given_list && sweep != nullptr)
    form.refuse("sweep", "conflict", {"sweep belongs to request, not to requests.", "sweep 只能与 request 一起使用。"});
  if (list != nullptr) batch.requests = read_list(form, *list);
  FLUX_CHECK(form.check());
  if (pattern == nullptr) return {};
  batch.items_at = "request";
  FLUX_TRY(expanded, tasks::expand(*pattern, sweep == nullptr ? json::object{} : *sweep, tasks::kBatchMax));
  batch.requests = std::move(expanded);
  return {};
}

Result<tasks::BatchRequest> read_batch(json::object body) {
  tasks::BatchRequest batch;
  FLUX_TRY(wishes, tasks::take_wishes(body));
  batch.wishes = wishes;
  Members form(body);
  batch.provider = form.maybe_text("provider").value_or(std::string(kProvider));
  if (batch.provider != kProvider) form.refuse("provider", "enum", {"Expected flux.", "应为 flux。"});
  batch.endpoint = read_endpoint(form);
  batch.name = form.maybe_text("name", {.max = kNameMax}).value_or("");
  const std::string on_invalid = form.maybe_text("on_invalid").value_or("refuse");
  if (on_invalid != "refuse" && on_invalid != "skip")
    form.refuse("on_invalid", "enum", {"Expected refuse or skip.", "应为 refuse 或 skip。"});
  batch.skip_refused = on_invalid == "skip";
  FLUX_CHECK(read_requests(form, batch));
  return batch;
}

Answer submit(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json_text(request, kBodyLimit);
  FLUX_CO_TRY(text, std::move(read));
  FLUX_CO_TRY(body, parse_json(text));
  FLUX_CO_TRY(key, read_idempotency_key(request));
  FLUX_CO_TRY(batch, read_batch(std::move(body)));
  batch.user_id = principal.user_id;
  batch.idempotency_key = key;
  if (!key.empty()) batch.body_sha256 = crypto::sha256_hex(text);
  batch.own_origin = own_origin(request, api.parts.info.public_url);
  text = {};
  auto submitted = co_await api.parts.batches.submit(std::move(batch));
  FLUX_CO_TRY(placed, std::move(submitted));
  auto found = co_await api.parts.batches.find(placed.task_id, principal.user_id);
  FLUX_CO_TRY(view, std::move(found));
  auto response = private_json(batch_json(view, request.language()));
  if (placed.replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  co_return response;
}

// ---- follow ----

Answer show(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(query, read_history_query(request));
  auto found = co_await api.parts.batches.find(std::string(request.param("id")), scope_of(principal));
  FLUX_CO_TRY(view, std::move(found));
  query.batch_id = view.batch.id;
  const auto page = co_await api.parts.tasks.history(std::move(query));
  const TaskShow look = show_for(api, request);
  json::array list;
  for (const tasks::TaskView& task : page.tasks) list.push_back(flux_task_json(task, look));
  json::object body = batch_json(view, request.language());
  body["tasks"] = std::move(list);
  body["next_cursor"] = page.next_cursor.empty() ? json::value(nullptr) : json::value(page.next_cursor);
  co_return private_json(body);
}

Answer list(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(query, read_history_query(request));
  const auto page = co_await api.parts.batches.list(principal.user_id, query.cursor, query.limit);
  json::array data;
  for (const BatchView& view : page.batches) data.push_back(batch_json(view, request.language()));
  co_return private_json(
      {{"data", std::move(data)},
       {"next_cursor", page.next_cursor.empty() ? json::value(nullptr) : json::value(page.next_cursor)}});
}

Answer cancel(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto cancelled = co_await api.parts.batches.cancel(std::string(request.param("id")), scope_of(principal));
  FLUX_CO_TRY(view, std::move(cancelled));
  co_return private_json(batch_json(view, request.language()));
}

Answer events(const ApiPtr& api, http::Request& request) {
  auto admitted = co_await api->guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(since, read_last_id(request));
  // Taken before the batch is looked at: an end that comes between is still to be read.
  const std::int64_t now_at = co_await api->parts.database.read(
      [id = principal.user_id](db::Tx& tx) { return notify::last_seq(tx, id); });
  auto found = co_await api->parts.batches.find(std::string(request.param("id")), principal.user_id);
  FLUX_CO_TRY(view, std::move(found));
  const json::object shown = batch_json(view, request.language());
  co_return event_stream({.api = api,
                          .user_id = principal.user_id,
                          .token = presented_token(request).text,
                          .path = std::string(request.path()),
                          .batch_id = view.batch.id,
                          .ended = view.batch.ended_at.has_value(),
                          .hello = {{"batch", shown}},
                          .since = since.value_or(now_at)});
}

}  // namespace

void add_batch_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/batches", bind(api, submit));
  router.get("/api/v1/batches", bind(api, list));
  router.get("/api/v1/batches/{id}", bind(api, show));
  router.del("/api/v1/batches/{id}", bind(api, cancel));
  router.get("/api/v1/batches/{id}/events", [api](http::Request& request) { return events(api, request); });
}

}  // namespace fluxgate::api
