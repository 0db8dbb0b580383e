#include "sandbox/queue.h"
#include "sandbox/replies.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr auto kLook = 50ms;  // how soon a change is told
constexpr auto kPingEvery = 10s;
constexpr double kPingSeconds = 300;  // of the fault pings-only

// One status stream, §2.5: the current status first, then one event for each change or new log lines.
class StatusStream {
 public:
  StatusStream(Service& service, FollowUp call, std::string action, double seconds)
      : service_(service), call_(std::move(call)), action_(std::move(action)), seconds_(seconds) {}

  awaitable<void> run(http::BodyWriter& writer) {
    auto executor = co_await boost::asio::this_coro::executor;
    Wakeup wake(executor);
    if (action_ == "pings-only") {
      co_await ping(writer, wake);
      co_return;
    }
    auto pinged = std::chrono::steady_clock::now();
    for (bool open = true; open;) {
      auto event = next_event();
      if (event) open = co_await write_event(writer, *event);
      if (done_ || !open) co_return;
      if (std::chrono::steady_clock::now() - pinged > kPingEvery) {
        open = co_await writer.write(": ping\n\n");
        pinged = std::chrono::steady_clock::now();
      }
      if (open) open = co_await writer.wait(wake, kLook);
    }
  }

 private:
  awaitable<void> ping(http::BodyWriter& writer, Wakeup& wake) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_);
    for (bool open = true; open && std::chrono::steady_clock::now() < end;) {
      open = co_await writer.write(": ping\n\n");
      if (open) open = co_await writer.wait(wake, 200ms);
    }
  }

  std::optional<json::object> next_event() {
    auto record = service_.book.find(call_.record.id);
    if (!record) {
      done_ = true;
      return std::nullopt;
    }
    const Millis now = service_.clock.now_ms();
    Phase phase = phase_at(*record, now);
    StatusView view{call_.base, call_.with_logs, service_.book.position(*record)};
    Outcome outcome;
    if (phase == Phase::completed) outcome = service_.outcome(*record);
    json::object body = status_body(*record, outcome, phase, now, view);
    // Only lines that are new since the last event.
    std::size_t lines = 0;
    if (auto* logs = body.if_contains("logs"); logs && logs->is_array()) {
      auto& list = logs->get_array();
      lines = list.size();
      list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(std::min(lines, told_lines_)));
    }
    bool news = !told_ || phase != told_phase_ || view.position != told_position_ || lines > told_lines_;
    done_ = phase == Phase::completed;
    if (!news) return std::nullopt;
    told_ = true;
    told_phase_ = phase;
    told_position_ = view.position;
    told_lines_ = std::max(lines, told_lines_);
    return body;
  }

  awaitable<bool> write_event(http::BodyWriter& writer, json::object body) {
    if (action_ == "split-utf8") body["note"] = "进度";
    std::string end = action_ == "crlf" ? "\r\n\r\n" : "\n\n";
    std::string text = "data: " + json::serialize(body) + end;
    if (action_ == "cut") {
      co_await writer.write(std::string_view(text).substr(0, text.size() / 2));
      throw std::runtime_error("the sandbox cuts this stream on purpose");
    }
    if (action_ == "early-end") done_ = true;
    if (action_ != "split-utf8") {
      bool open = co_await writer.write(text);
      co_return open;
    }
    std::size_t middle = text.find("进") + 1;
    bool open = co_await writer.write(std::string_view(text).substr(0, middle));
    if (open) open = co_await writer.write(std::string_view(text).substr(middle));
    co_return open;
  }

  Service& service_;
  const FollowUp call_;
  const std::string action_;
  const double seconds_;
  bool told_ = false, done_ = false;
  Phase told_phase_ = Phase::queued;
  int told_position_ = 0;
  std::size_t told_lines_ = 0;
};

}  // namespace

awaitable<http::Response> answer_stream(Service& service, FollowUp call) {
  service.counters.add(Count::streams);
  const std::string id = call.record.id;
  auto fault = service.faults.hit(Stage::stream, call.faults, id);
  if (fault) {
    auto instead = co_await play_before(service, *fault, id);
    if (instead) co_return std::move(*instead);
  }
  const std::string action = fault ? fault->action : "";
  const double seconds = fault && fault->seconds >= 0 ? fault->seconds : kPingSeconds;
  auto stream = std::make_shared<StatusStream>(service, std::move(call), action, seconds);
  // The connection keeps this function, and with it the stream, until the coroutine has ended.
  http::StreamBody body = [stream](http::BodyWriter& writer) { return stream->run(writer); };
  std::string type = action == "wrong-type" ? "application/json" : "text/event-stream; charset=utf-8";
  auto response = http::Response::stream(std::move(type), std::move(body));
  response.headers.emplace_back("Cache-Control", "no-store");
  response = with_request_id(std::move(response), id);
  if (fault) response = co_await play_after(service, *fault, std::move(response));
  co_return response;
}

}  // namespace fluxgate::sandbox
