#include "api/flux_task_json.h"

#include <charconv>

#include "api/flux_words.h"
#include "tasks/scheduling.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using tasks::Task;
using tasks::TaskState;
using tasks::TaskView;

constexpr std::uint64_t kExactInDouble = 1ull << 53;
constexpr int kThumbnailSide = 640;

json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::value(text);
}

json::value time_or_null(const std::optional<Millis>& time) {
  if (!time) return nullptr;
  return json::value(iso8601(*time));
}

// Zero stands for "could not be read", as of files that are known by their links only.
json::value size_or_null(std::uint64_t bytes) {
  if (bytes == 0) return nullptr;
  return bytes;
}
json::value side_or_null(int pixels) {
  if (pixels <= 0) return nullptr;
  return pixels;
}

json::object image_json(const tasks::TaskFile& file, const TaskShow& show) {
  const std::string link = file.deleted ? "" : show.link_prefix + show.files.link(file.file_id, file.name, show.now);
  return {{"url", text_or_null(link)},
          {"thumbnail_url", file.deleted ? json::value(nullptr) : json::value(fmt::format("{}&w={}", link, kThumbnailSide))},
          {"deleted", file.deleted},
          {"file_id", file.file_id},
          {"file_name", file.name},
          {"content_type", file.mime},
          {"size", size_or_null(file.size)},
          {"width", side_or_null(file.width)},
          {"height", side_or_null(file.height)},
          {"seed", seed_json(file.seed)},
          {"flagged", file.flagged},
          {"sha256", text_or_null(file.sha256)},
          {"thumbhash", text_or_null(file.thumbhash)},
          {"dominant_color", text_or_null(file.dominant_color)}};
}

// What the upstream says it worked, else the time between our submit and the last stored file.
json::value generation_time(const Task& task) {
  if (const auto* result = task.result.if_object())
    if (const auto* seconds = result->if_contains("inference_seconds"); seconds && seconds->is_number())
      return *seconds;
  if (task.state != TaskState::succeeded || !task.started_at || !task.completed_at) return nullptr;
  return static_cast<double>(*task.completed_at - *task.started_at) / 1000.0;
}

json::value error_json(const Task& task, Language language) {
  if (task.error_code.empty()) return nullptr;
  return json::object{{"code", task.error_code},
                      {"param", text_or_null(task.error_param)},
                      {"message", task.error_message.in(language)}};
}

json::array actions(const Task& task) {
  json::array list;
  if (!tasks::is_final(task.state) && !task.cancel_requested_at) list.emplace_back("cancel");
  return list;
}

json::value fraction_done(const TaskView& view) {
  if (view.task.state == TaskState::succeeded) return 1.0;
  if (tasks::is_final(view.task.state) || !view.progress.fraction) return nullptr;
  return *view.progress.fraction;
}

json::value wait_or_null(const TaskView& view) {
  if (view.task.state != TaskState::queued || !view.progress.wait_ms) return nullptr;
  return (*view.progress.wait_ms + 999) / 1000;
}

void add_own_members(json::object& body, const TaskView& view, const TaskShow& show) {
  const Task& task = view.task;
  body["provider"] = task.provider;
  body["state"] = tasks::name(task.state);
  body["rev"] = task.rev;
  body["num_images"] = task.images;
  body["seed"] = seed_json(task.seed);
  body["parameters"] = task.params;
  body["cost"] = {
      {"quote", task.quote.as_number()}, {"charged", task.charged.as_number()}, {"currency", "credits"}};
  body["error"] = error_json(task, show.language);
  body["priority"] = tasks::name(task.priority);
  body["batch_id"] = text_or_null(task.batch_id);
  body["cached"] = !task.cached_from.empty();
  body["estimated_wait_s"] = wait_or_null(view);
  body["progress"] = fraction_done(view);
  body["started_at"] = time_or_null(task.started_at);
  body["estimated_completion_at"] = time_or_null(view.progress.expected_at);
  body["cancel_requested_at"] = time_or_null(task.cancel_requested_at);
  body["actions"] = actions(task);
  body["legacy_id"] = text_or_null(task.legacy_id);
}

}  // namespace

json::value seed_json(std::string_view seed) {
  if (seed.empty()) return nullptr;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), number);
  if (error == std::errc{} && end == seed.data() + seed.size() && number <= kExactInDouble)
    return static_cast<std::int64_t>(number);
  return json::string(seed);
}

TaskShow show_for(const Api& api, const http::Request& request) {
  return {api.parts.files, api.parts.info.public_url, api.parts.clock.now_ms(), request.language()};
}

json::object flux_task_json(const TaskView& view, const TaskShow& show) {
  const Task& task = view.task;
  json::array images;
  json::value first = nullptr;  // of those that are still there
  for (const tasks::TaskFile& file : view.files) {
    json::object image = image_json(file, show);
    if (first.is_null()) first = image.at("url");
    images.push_back(std::move(image));
  }
  json::value position = nullptr;
  if (!tasks::is_final(task.state) && view.progress.queue_position) position = *view.progress.queue_position;

  json::object body{{"id", task.id},
                    {"status", flux_word(task.state, view.progress.upstream_running)},
                    {"model", task.model},
                    {"task_type", task.endpoint},
                    {"prompt", text_or_null(task.prompt)},
                    {"image_url", first},
                    {"cloud_image_url", first},
                    {"queue_position", std::move(position)},
                    {"generation_time", generation_time(task)},
                    {"error_message", text_or_null(task.error_message.in(show.language))},
                    {"created_at", iso8601(task.created_at)},
                    {"updated_at", iso8601(task.updated_at)},
                    {"completed_at", time_or_null(task.completed_at)},
                    {"images", std::move(images)}};
  add_own_members(body, view, show);
  return body;
}

}  // namespace fluxgate::api
