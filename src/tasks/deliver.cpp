// From the upstream's result to stored files and settled money.
#include <algorithm>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "net/guard.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

boost::json::object stored_to_json(const files::Stored& stored) {
  return {{"key", stored.key},       {"sha256", stored.sha256}, {"size", stored.size},
          {"mime", stored.mime},     {"width", stored.width},   {"height", stored.height},
          {"color", stored.dominant_color}, {"thumbhash", stored.thumbhash}, {"place", stored.place},
          {"cloud_path", stored.cloud_path}, {"etag", stored.etag}};
}

std::string text_of(const boost::json::object& object, std::string_view member) {
  auto* value = object.if_contains(member);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

std::int64_t number_of(const boost::json::object& object, std::string_view member) {
  auto* value = object.if_contains(member);
  return value && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

files::Stored stored_from_json(const boost::json::object& object) {
  files::Stored stored;
  stored.key = text_of(object, "key");
  stored.sha256 = text_of(object, "sha256");
  stored.size = static_cast<std::uint64_t>(number_of(object, "size"));
  stored.mime = text_of(object, "mime");
  stored.width = static_cast<int>(number_of(object, "width"));
  stored.height = static_cast<int>(number_of(object, "height"));
  stored.dominant_color = text_of(object, "color");
  stored.thumbhash = text_of(object, "thumbhash");
  if (object.contains("place")) stored.place = text_of(object, "place");
  stored.cloud_path = text_of(object, "cloud_path");
  stored.etag = text_of(object, "etag");
  return stored;
}

constexpr Millis kPlacePause = 5'000;

awaitable<void> pause(std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, time);
  co_await timer.async_wait(use_awaitable);
}

// The store or this node's disk has no place for a result now.
bool is_without_place(const Error& error) {
  constexpr std::string_view kCodes[] = {"store_unavailable", "folder_not_shared", "storage_full", "storage_failed"};
  return std::ranges::count(kCodes, error.code()) != 0;
}

boost::json::object output_to_json(const providers::Output& output) {
  boost::json::object object{{"content_type", output.content_type}, {"flagged", output.flagged}};
  if (!output.url.empty()) object["url"] = output.url;
  return object;
}

const boost::json::array& outputs_of(const Task& task) {
  static const boost::json::array none;
  auto* object = task.result.if_object();
  auto* outputs = object ? object->if_contains("outputs") : nullptr;
  return outputs && outputs->is_array() ? outputs->as_array() : none;
}

// "flux_fal-ai_flux-1_dev_<task>.jpg", as the original named results.
// Ends in what the object is, as its key does.
std::string file_name(const Task& task, int position, std::string_view key) {
  std::string model = task.model;
  for (char& c : model)
    if (c == '/') c = '_';
  const std::string_view extension = key.substr(key.rfind('.') + 1);
  std::string number = position == 0 ? "" : fmt::format("_{}", position + 1);
  return fmt::format("{}_{}_{}{}.{}", task.provider, model, task.id, number, extension);
}

}  // namespace

awaitable<void> Engine::on_done(Task task, Attempt attempt, providers::Done done) {
  boost::json::array outputs;
  for (providers::Output& output : done.outputs) {
    boost::json::object object = output_to_json(output);
    if (!output.bytes.empty()) {
      // Inline results are stored first: the database is no place for them, and there is no link to ask again.
      auto stored = co_await keep(output.bytes);
      while (!stored && is_without_place(stored.error()) && !group_.stopping()) {
        co_await pause(std::chrono::seconds(1));
        stored = co_await keep(output.bytes);
      }
      if (stored) object["stored"] = stored_to_json(*stored);
      else log::error("task {}: an inline result could not be stored: {}", task.id, stored.error().message().en);
    }
    outputs.push_back(std::move(object));
  }
  const Millis took = co_await learn_duration(task, attempt);
  boost::json::object result{{"outputs", std::move(outputs)}, {"duration_ms", took}};
  if (done.inference_seconds) result["inference_seconds"] = *done.inference_seconds;
  if (!done.revised_prompt.empty()) result["revised_prompt"] = done.revised_prompt;
  if (!done.extra.empty()) result["extra"] = std::move(done.extra);

  store::Move change{.to = TaskState::storing};
  change.result = boost::json::value(std::move(result));
  if (done.seed) change.seed = std::to_string(*done.seed);
  bool moved = co_await move(task, std::move(change), attempt.id, "done");
  if (!moved) co_return;
  auto& flight = flights_[task.id];
  flight.failures = 0;
  co_await deliver(std::move(task));
}

// How long the upstream took, as well as it is known.
awaitable<Millis> Engine::learn_duration(Task task, Attempt attempt) {
  const Millis seen = now() - attempt.sent_at;
  const auto expected = co_await durations_.expected(task);
  auto found = flights_.find(task.id);
  if (found == flights_.end()) co_return seen;
  const Flight& flight = found->second;
  if (flight.resumed && flight.unfinished_ms == 0) co_return seen;  // it may have ended long ago
  const bool early = flight.unfinished_ms == 0 && flight.ended_by != Follow::webhook;
  const Millis took = learned_ms(expected, flight.unfinished_ms, seen, flight.ended_by, durations_.early_before(task, early));
  durations_.learn(task, took);
  co_return took;
}

awaitable<Result<files::Stored>> Engine::keep(std::string bytes) {
  auto incoming = parts_.files.begin(files::Purpose::result);
  FLUX_CO_CHECK(incoming->write(bytes));
  auto stored = co_await incoming->finish();
  co_return stored;
}

awaitable<void> Engine::deliver(Task task) {
  auto attempt = co_await parts_.database.read([id = task.id](db::Tx& tx) { return store::last_attempt(tx, id); });
  const auto* with = attempt ? account(task.provider, attempt->account_id) : nullptr;
  std::string base_url = with ? with->account.base_url : "";

  const boost::json::array outputs = outputs_of(task);
  std::vector<std::optional<files::Stored>> stored;
  std::size_t missing = 0;
  bool no_place = false;
  for (const auto& value : outputs) {
    const boost::json::object& output = value.as_object();
    if (auto* done = output.if_contains("stored")) {
      stored.push_back(stored_from_json(done->as_object()));
      continue;
    }
    auto fetched = co_await download(text_of(output, "url"), base_url);
    if (fetched) {
      stored.push_back(std::move(*fetched));
      continue;
    }
    log::warn("task {}: a result could not be stored: {} {}", task.id, fetched.error().message().en, fetched.error().internal());
    no_place = no_place || is_without_place(fetched.error());
    stored.push_back(std::nullopt);
    ++missing;
  }
  if (missing == 0 && !stored.empty()) co_return co_await finish(std::move(task), std::move(stored));

  constexpr int kRounds = 5;
  auto& flight = flights_[task.id];
  // No reason to give the result up, however long it lasts.
  if (no_place) co_return schedule(task.id, now() + kPlacePause);
  bool give_up = ++flight.failures >= kRounds || now() - task.updated_at > options_.policy.storing_deadline_ms;
  if (!give_up) {
    // The links may have expired: ask for the result again before the next round.
    if (attempt) co_return co_await refresh_result(std::move(task), std::move(*attempt));
    co_return schedule(task.id, now() + 1'000);
  }
  if (missing < stored.size()) co_return co_await finish(std::move(task), std::move(stored));
  co_await end_failed(std::move(task), "storage_failed",
                      {"The picture was made but could not be fetched and saved. Your credits were returned.",
                       "图片已生成，但无法取回保存；积分已退回。"});
}

awaitable<void> Engine::refresh_result(Task task, Attempt attempt) {
  auto& flight = flights_[task.id];
  Millis wait = backoff_ms(options_.policy, flight.failures - 1, std::nullopt, crypto::random_u64());
  auto spoken = co_await ask(providers::Intent::result, task, attempt);
  auto* outcome = std::get_if<providers::Outcome>(&spoken);
  auto* done = outcome ? std::get_if<providers::Done>(outcome) : nullptr;
  if (done && done->outputs.size() == outputs_of(task).size()) {
    boost::json::object result = task.result.as_object();
    boost::json::array& outputs = result["outputs"].as_array();
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (!outputs[i].as_object().contains("stored") && !done->outputs[i].url.empty())
        outputs[i].as_object()["url"] = done->outputs[i].url;
    std::string text = boost::json::serialize(result);
    co_await parts_.database.write([task, text](db::Tx& tx) {
      tx.exec("UPDATE fg_task SET result = $1 WHERE id = $2 AND status = 'storing' AND owner = $3 AND fence = $4",
              {text, task.id, task.owner, task.fence});
    });
  }
  schedule(task.id, now() + wait);
}

awaitable<Result<files::Stored>> Engine::download(std::string url, std::string base_url) {
  if (url.empty()) co_return fail(Errc::upstream, "no_link", {"The result has no link.", "结果没有链接。"});
  std::shared_ptr<files::Incoming> incoming = parts_.files.begin(files::Purpose::result);
  std::shared_ptr<std::optional<Error>> refused = std::make_shared<std::optional<Error>>();
  net::CallOptions call;
  call.timeout = std::chrono::minutes(10);
  call.max_redirects = 3;
  call.max_body = 1ull << 40;  // the store has its own limit, with its own words
  // Links in answers are hostile input too; the account's own origin is the admin's choice.
  call.guarded = true;
  if (!base_url.empty()) call.exempt_origins = {net::origin_of(base_url)};
  call.sink = [incoming, refused](std::string_view piece) {
    auto written = incoming->write(piece);
    if (!written) *refused = std::move(written).error();
    return !refused->has_value();
  };
  HttpRequest request;
  request.url = std::move(url);
  auto reply = co_await parts_.client.call(std::move(request), std::move(call));
  if (*refused) co_return fail(**refused);
  if (!reply)
    co_return std::unexpected(Error(Errc::upstream, "download_failed", {"The result could not be fetched.", "无法取回结果。"})
                                  .log(reply.error().detail));
  if (reply->status != 200)
    co_return std::unexpected(Error(Errc::upstream, "download_failed", {"The result could not be fetched.", "无法取回结果。"})
                                  .log(fmt::format("status {}", reply->status)));
  auto stored = co_await incoming->finish();
  co_return stored;
}

awaitable<void> Engine::finish(Task task, std::vector<std::optional<files::Stored>> stored) {
  std::vector<TaskFile> delivered;
  std::vector<files::FileRow> rows;
  std::vector<files::Stored> objects;
  const boost::json::array outputs = outputs_of(task);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (!stored[i]) continue;
    const files::Stored& object = *stored[i];
    TaskFile file;
    file.position = static_cast<int>(delivered.size());
    file.file_id = new_id(now());
    file.name = file_name(task, file.position, object.key);
    file.mime = object.mime;
    file.seed = task.seed;
    auto* flagged = outputs[i].as_object().if_contains("flagged");
    file.flagged = flagged && flagged->is_bool() && flagged->as_bool();
    file.sha256 = object.sha256;
    file.size = object.size;
    file.width = object.width;
    file.height = object.height;
    file.dominant_color = object.dominant_color;
    file.thumbhash = object.thumbhash;
    rows.push_back({file.file_id, task.user_id, file.name, object.key, object.mime, task.provider, task.id,
                    object.sha256, object.size, now()});
    objects.push_back(object);
    delivered.push_back(std::move(file));
  }
  auto catalogue = parts_.catalogue.get();
  const auto* model = catalogue->find(task.model);
  Credits price = task.quote;
  int asked = std::max(task.images, static_cast<int>(stored.size()));
  if (static_cast<int>(delivered.size()) < asked && model)
    price = std::min(task.quote, model->quote_for(task.params, static_cast<int>(delivered.size())).total);

  store::Move change{.to = TaskState::succeeded, .now = now(), .captured = price,
                     .delivered = static_cast<int>(delivered.size())};
  change.stamp = credits::make_stamp(change.now);
  auto moved = co_await parts_.database.write(
      [&files = parts_.files, before = task, change, delivered, rows, objects](db::Tx& tx) -> std::optional<Task> {
        Task after = before;
        if (!store::move(tx, after, change)) return std::nullopt;
        for (std::size_t i = 0; i < delivered.size(); ++i) {
          files.insert(tx, rows[i], objects[i]);
          store::insert_file(tx, before.id, delivered[i]);
        }
        return after;
      });
  forget(task.id);
  if (moved) parts_.hub.changed(task.user_id);
}

}  // namespace fluxgate::tasks
