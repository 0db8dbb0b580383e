// How well the end of tasks is learned: the same plan of tasks is sent either by a loop that asks the upstream every
// five seconds, as the original did, or through Fluxgate, whose event stream tells the end.
//   bench_polls loop UPSTREAM FOLDER COUNT PREFIX
//   bench_polls gateway UPSTREAM FOLDER COUNT PREFIX BASE TOKEN
// UPSTREAM is a sandbox, whose --latency says how long tasks take, and FOLDER its records, which tell when each task was
// really finished.
// Prints: tasks, status calls per task, mean delay in ms from the upstream's end to the client, its 95th percentile,
// mean duration in ms, and how many tasks did not end.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/crypto.h"
#include "net/http_client.h"

namespace {

using namespace fluxgate;
namespace json = boost::json;
using std::chrono::milliseconds;

constexpr Millis kSubmitWithin = 20'000;  // the tasks come one by one, as people's do
constexpr milliseconds kLoop{5'000};
constexpr Millis kGiveUpAfter = 600'000;

// At latency 8: about 3, 5, 9, 11, 15 and 18 seconds, each a tenth to a third more or less.
struct Kind {
  const char* model;
  const char* body;
};
constexpr Kind kKinds[] = {
    {"fal-ai/flux-1/schnell", R"({"image_size":"square","num_inference_steps":1})"},
    {"fal-ai/flux-1/schnell", R"({"image_size":"square","num_inference_steps":4})"},
    {"fal-ai/flux-1/dev", R"({"image_size":"square","num_inference_steps":24})"},
    {"fal-ai/flux-1/dev", R"({"image_size":"square_hd","num_inference_steps":28})"},
    {"fal-ai/flux-pro/v1.1", R"({"image_size":"square_hd"})"},
    {"fal-ai/flux-1/dev", R"({"image_size":"square_hd","num_inference_steps":28,"num_images":2})"},
};

struct Planned {
  Millis at;
  std::string model;
  json::object body;
};

std::vector<Planned> plan(int count, const std::string& prefix) {
  std::mt19937_64 random(20'260'726);
  std::vector<Planned> tasks;
  for (int i = 0; i < count; ++i) {
    const Kind& kind = kKinds[static_cast<std::size_t>(i) % std::size(kKinds)];
    json::object body = json::parse(kind.body).as_object();
    body["prompt"] = fmt::format("{} {}", prefix, i);
    tasks.push_back({static_cast<Millis>(random() % kSubmitWithin), kind.model, std::move(body)});
  }
  return tasks;
}

class Bench {
 public:
  Bench(std::string upstream, std::string prefix)
      : upstream_(std::move(upstream)), prefix_(std::move(prefix)), client_(net::make_http_client(context_)) {}

  void run_loop(int count) {
    for (Planned& task : plan(count, prefix_)) start(follow_by_loop(std::move(task)));
    context_.run();
  }

  void run_gateway(int count, const std::string& base, const std::string& token) {
    open_ = count;
    start(listen(base, token));
    for (Planned& task : plan(count, prefix_)) start(submit_to_gateway(std::move(task), base, token));
    context_.run();
  }

  // Calls that ask where a task is, of any kind.
  std::int64_t status_calls() {
    std::int64_t calls = 0;
    start([](Bench& self, std::int64_t& sum) -> awaitable<void> {
      const json::value stats = co_await self.call("GET", self.upstream_ + "/_sandbox/stats", "", {});
      sum = stats.at("status").to_number<std::int64_t>() + stats.at("streams").to_number<std::int64_t>();
    }(*this, calls));
    context_.run();
    context_.restart();
    return calls;
  }

  const std::map<std::string, Millis>& seen() const { return seen_; }  // by prompt

 private:
  void start(awaitable<void> body) {
    boost::asio::co_spawn(context_, std::move(body), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }

  awaitable<void> sleep(milliseconds time) {
    boost::asio::steady_timer timer(context_, time);
    co_await timer.async_wait(use_awaitable);
  }

  awaitable<json::value> call(std::string method, std::string url, std::string authorization, json::value body) {
    HttpRequest request{std::move(method), std::move(url), {{"Content-Type", "application/json"}}, ""};
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    if (!body.is_null()) request.body = json::serialize(body);
    auto reply = co_await client_->call(std::move(request), {});
    if (!reply) throw std::runtime_error(reply.error().detail);
    co_return json::parse(reply->body);
  }

  awaitable<void> follow_by_loop(Planned task) {
    co_await sleep(milliseconds(task.at));
    const std::string key = "Key bench:bench", prompt(task.body.at("prompt").as_string());
    const json::value accepted = co_await call("POST", upstream_ + "/" + task.model, key, task.body);
    const Millis limit = system_clock().now_ms() + kGiveUpAfter;
    while (system_clock().now_ms() < limit) {
      co_await sleep(kLoop);
      const json::value status = co_await call("GET", std::string(accepted.at("status_url").as_string()), key, {});
      if (status.at("status") != "COMPLETED") continue;
      co_await call("GET", std::string(accepted.at("response_url").as_string()), key, {});
      seen_[prompt] = system_clock().now_ms();
      co_return;
    }
  }

  awaitable<void> submit_to_gateway(Planned task, std::string base, std::string token) {
    co_await sleep(milliseconds(task.at));
    std::string prompt(task.body.at("prompt").as_string());
    task.body["model"] = task.model;
    const json::value answer = co_await call("POST", base + "/api/v1/flux/text-to-image", "Bearer " + token, task.body);
    prompts_[std::string(answer.at("id").as_string())] = std::move(prompt);
  }

  // Until every task has ended.
  awaitable<void> listen(std::string base, std::string token) {
    std::string rest;
    net::CallOptions options;
    options.timeout = milliseconds(kGiveUpAfter);
    options.stall_timeout = milliseconds(0);
    options.max_body = 1ull << 30;
    options.sink = [this, &rest](std::string_view piece) {
      rest += piece;
      for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
        heard(std::string_view(rest).substr(0, end));
        rest.erase(0, end + 1);
      }
      return open_ > 0;
    };
    HttpRequest request{"GET", base + "/api/v1/events", {{"Authorization", "Bearer " + token}}, ""};
    co_await client_->call(std::move(request), std::move(options));
  }

  void heard(std::string_view line) {
    if (!line.starts_with("data:")) return;
    boost::system::error_code broken;
    const json::value data = json::parse(line.substr(5), broken);
    const auto* object = broken ? nullptr : data.if_object();
    const auto* state = object ? object->if_contains("state") : nullptr;
    if (!state || (*state != "succeeded" && *state != "failed")) return;
    --open_;
    const auto prompt = prompts_.find(std::string(object->at("id").as_string()));
    if (*state == "succeeded" && prompt != prompts_.end()) seen_[prompt->second] = system_clock().now_ms();
  }

  boost::asio::io_context context_;
  const std::string upstream_, prefix_;
  std::unique_ptr<net::HttpClient> client_;
  std::map<std::string, std::string> prompts_;  // by task
  std::map<std::string, Millis> seen_;
  int open_ = 0;
};

struct Truth {
  Millis accepted = 0, ended = 0;
};

// What the sandbox wrote down: "A <id> <account> <accepted> <start> <end> <json>".
std::map<std::string, Truth> truth(const std::string& folder) {
  std::map<std::string, Truth> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("A ") && !line.starts_with("H ")) continue;
      std::istringstream words(line);
      std::string kind, id, account, details;
      Truth one;
      Millis begun = 0;
      words >> kind >> id >> account >> one.accepted >> begun >> one.ended;
      std::getline(words, details);
      all[std::string(json::parse(details).at("input").at("prompt").as_string())] = one;
    }
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool loop = words.size() == 5 && words[0] == "loop";
  if (!loop && !(words.size() == 7 && words[0] == "gateway"))
    return fmt::print(stderr, "usage: bench_polls loop|gateway UPSTREAM FOLDER COUNT PREFIX [BASE TOKEN]\n"), 2;
  crypto::initialise();
  const int count = std::stoi(words[3]);
  Bench bench(words[1], words[4]);
  const auto before = bench.status_calls();
  if (loop) bench.run_loop(count);
  else bench.run_gateway(count, words[5], words[6]);
  const auto calls = Bench(words[1], "").status_calls() - before;

  const auto ends = truth(words[2]);
  std::vector<double> delays;
  double durations = 0;
  for (const auto& [prompt, at] : bench.seen()) {
    const Truth& real = ends.at(prompt);
    delays.push_back(static_cast<double>(at - real.ended));
    durations += static_cast<double>(real.ended - real.accepted);
  }
  if (delays.empty()) return fmt::print(stderr, "no task ended\n"), 1;
  std::ranges::sort(delays);
  const double n = static_cast<double>(delays.size());
  double sum = 0;
  for (double delay : delays) sum += delay;
  fmt::print("{} {:.2f} {:.0f} {:.0f} {:.0f} {}\n", count, static_cast<double>(calls) / count, sum / n,
             delays[static_cast<std::size_t>(0.95 * (n - 1))], durations / n, count - static_cast<int>(delays.size()));
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 1;
}
