#include "tasks/neighbours.h"

#include "db/settings.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

// A word is one of these and, directly behind it, what it is about.
constexpr char kNews = 'n', kWork = 'w', kProgress = 'p', kNoProgress = 'q', kGap = '*';

Progress progress_from(const boost::json::object& data) {
  Progress progress;
  progress.upstream_running = db::setting::flag(data, "running", false);
  if (data.contains("queue_position")) progress.queue_position = static_cast<int>(db::setting::number(data, "queue_position", 0));
  if (const auto* fraction = data.if_contains("progress"); fraction && fraction->is_number())
    progress.fraction = fraction->to_number<double>();
  return progress;
}

std::string word(char kind, std::string_view about) { return kind + std::string(about); }

// "user {…}", as it came: another version of the program may have said it.
void pass_on_progress(std::string_view text, notify::Hub& hub, ProgressBoard& board) {
  const auto brace = text.find(" {");
  if (brace == std::string_view::npos) return;
  boost::system::error_code broken;
  const auto value = boost::json::parse(text.substr(brace + 1), broken);
  const auto* data = broken ? nullptr : value.if_object();
  const auto* id = data ? data->if_contains("id") : nullptr;
  if (!id || !id->is_string()) return;
  board.put(std::string(id->as_string()), progress_from(*data));
  hub.progress(std::string(text.substr(0, brace)), {0, "task.progress", std::string(text.substr(brace + 1))});
}

}  // namespace

void Neighbours::tell_news(const std::string& user_id) { database_.announce(word(kNews, user_id)); }
void Neighbours::tell_work() { database_.announce(word(kWork, "")); }
void Neighbours::tell_no_progress(const std::string& task_id) { database_.announce(word(kNoProgress, task_id)); }

void Neighbours::tell_progress(const std::string& user_id, const boost::json::object& data) {
  database_.announce(word(kProgress, user_id + " " + boost::json::serialize(data)));
}

void Neighbours::listen(notify::Hub& hub, ProgressBoard& progress, Engine& engine) {
  database_.on_announced([&hub, &progress, &engine](const std::string& said) {
    const std::string about = said.substr(std::min<std::size_t>(1, said.size()));
    switch (said.empty() ? '\0' : said.front()) {
      case kNews: return hub.heard(about);
      case kWork: return engine.wake(Engine::From::neighbour);
      case kProgress: return pass_on_progress(about, hub, progress);
      case kNoProgress: return static_cast<void>(progress.erase(about));
      case kGap:
        hub.heard_of_all();
        engine.wake(Engine::From::neighbour);
        engine.attend_to_cancels();
        return;
      default: engine.heard(said);  // what is not for engines either is of another version of the program
    }
  });
}

}  // namespace fluxgate::tasks
