#include "db/bulletin.h"

#include <chrono>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "db/postgresql_connection.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kGather{20};
constexpr milliseconds kReconnect{1'000};
constexpr std::size_t kPayload = 7'500;  // bytes; the server takes 8000
constexpr std::string_view kEveryone = "*";
constexpr std::size_t kWaitingMost = 10'000;  // words; while the database is away

milliseconds until(Clock::time_point when) {
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(when - Clock::now()) + milliseconds(1));
}

}  // namespace

// The connection: what is heard comes as "node\nword\nword…".
class Bulletin::Line {
 public:
  Line(const PostgresTarget& target, std::string own)
      : connection_(target, {.statement_limit = std::chrono::seconds(5)}), own_(std::move(own)) {
    connection_.command("LISTEN fluxgate");
  }

  int socket() { return PQsocket(connection_.handle()); }
  const std::string& server() const { return connection_.incarnation(); }

  void send(const std::set<std::string>& words) {
    std::string payload = own_;
    for (const std::string& word : words) {
      if (payload.size() + word.size() + 1 > kPayload) {
        payload = fmt::format("{}\n{}", own_, kEveryone);
        break;
      }
      payload += '\n' + word;
    }
    Tx& tx = connection_;
    tx.each("SELECT pg_notify('fluxgate', $1)", {payload}, [](const Row&) {});
  }

  // False when the line is dead.
  template <class F>
  bool receive(F heard) {
    if (PQconsumeInput(connection_.handle()) == 0) return false;
    while (PGnotify* notice = PQnotifies(connection_.handle())) {
      const std::string payload = notice->extra;
      PQfreemem(notice);
      if (payload.starts_with(own_)) continue;
      std::size_t from = payload.find('\n');
      while (from != std::string::npos) {
        const std::size_t end = payload.find('\n', from + 1);
        heard(payload.substr(from + 1, end == std::string::npos ? end : end - from - 1));
        from = end;
      }
    }
    return connection_.alive();
  }

 private:
  PgConnection connection_;
  const std::string own_;
};

Bulletin::Bulletin(PostgresTarget target) : target_(std::move(target)), own_(new_id()) {
  if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw Failure("no pipe can be made");
  thread_ = std::thread([this] { run(); });
}

void Bulletin::wake() {
  const char byte = 1;
  [[maybe_unused]] auto written = ::write(wake_[1], &byte, 1);  // full: it is awake already
}

void Bulletin::announce(const std::string& word) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaitingMost) waiting_ = {std::string(kEveryone)};
  if (waiting_.insert(word).second && waiting_.size() == 1) wake();
}

bool Bulletin::send(Line& line) {
  std::set<std::string> words;
  {
    std::lock_guard lock(mutex_);
    words.swap(waiting_);
  }
  if (words.empty()) return false;
  try {
    line.send(words);
    return true;
  } catch (const Failure&) {
    std::lock_guard lock(mutex_);
    waiting_.merge(words);
    throw;
  }
}

void Bulletin::listen(std::function<void(const std::string&)> heard) {
  std::lock_guard lock(mutex_);
  heard_ = std::move(heard);
}

void Bulletin::follow(std::string server) {
  std::lock_guard lock(mutex_);
  server_ = std::move(server);
  wake();
}

void Bulletin::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    wake();
  }
  thread_.join();
  ::close(wake_[0]);
  ::close(wake_[1]);
}

void Bulletin::run() {
  std::unique_ptr<Line> line;
  bool said = false;  // that there is none
  Clock::time_point may_send = Clock::now(), may_connect = Clock::now();
  const auto tell = [this](const std::string& word) {
    std::function<void(const std::string&)> heard;
    {
      std::lock_guard lock(mutex_);
      heard = heard_;
    }
    if (heard) heard(word);
  };
  for (;;) {
    bool waits = false;
    std::string moved_to;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      waits = !waiting_.empty();
      moved_to = std::exchange(server_, {});
    }
    if (line && !moved_to.empty() && line->server() != moved_to) line.reset();
    milliseconds pause = kReconnect;
    if (!line) pause = until(may_connect);
    else if (waits) pause = until(may_send);
    pollfd watched[2] = {{wake_[0], POLLIN, 0}, {line ? line->socket() : -1, POLLIN, 0}};
    // With words waiting, the wake-up has done its duty; only the time and the line matter.
    ::poll(watched, 2, static_cast<int>(pause.count()));
    char drained[64];
    while (::read(wake_[0], drained, sizeof drained) > 0) {
    }
    try {
      if (!line && Clock::now() >= may_connect) {
        may_connect = Clock::now() + kReconnect;
        line = std::make_unique<Line>(target_, own_);
        said = false;
        tell(std::string(kEveryone));  // what was said meanwhile was missed
      }
      if (!line) continue;
      if (!line->receive(tell)) {
        line.reset();
        continue;
      }
      if (Clock::now() >= may_send && send(*line)) may_send = Clock::now() + kGather;
    } catch (const std::exception& e) {
      if (line || !said) log::warn("nodes cannot tell each other of news for now: {}", e.what());
      said = true;
      line.reset();
    }
  }
}

}  // namespace fluxgate::db
