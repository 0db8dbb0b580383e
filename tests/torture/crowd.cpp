#include "crowd.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/crypto.h"

namespace fluxgate::torture {
namespace {

namespace json = boost::json;
using integration::Answer;
using integration::Client;

constexpr const char* kModel = "fal-ai/flux-1/schnell";
constexpr const char* kFaults[] = {"submit-429;times=1", "submit-500;times=1", "submit-503;times=1", "submit-lost", "submit-reset;times=1",
                                   "submit-malformed",   "submit-no-id",       "submit-html-502;times=1", "status-500;times=2",
                                   "status-reset;times=1", "status-lost",      "result-500;times=1", "result-422", "result-policy",
                                   "result-no-media",    "media-404;times=1",  "media-truncated;times=1", "media-zero;times=1",
                                   "cancel-late",        "result-seed-null"};
constexpr int kPause = 20;  // ms between tries of a client whose server is away

bool is_final(const json::object& task) {
  const auto& state = task.at("state").as_string();
  return state == "succeeded" || state == "failed" || state == "cancelled";
}

}  // namespace

Crowd::Crowd(const std::string& base_url, int people, double credits, std::uint64_t seed, std::size_t keys_max)
    : credits_(credits), seed_(seed), keys_max_(keys_max), base_urls_{base_url}, people_(static_cast<std::size_t>(people)) {
  for (int i = 0; i < people; ++i) {
    Person& person = people_[static_cast<std::size_t>(i)];
    person.random.seed(seed * 1'000 + static_cast<unsigned>(i));
    const Answer made = client().post("/api/v1/auths/signup", "", {{"name", fmt::format("p{}", i)},
                                                                   {"email", fmt::format("p{}@example.org", i)},
                                                                   {"password", "correct horse battery"}});
    EXPECT_EQ(made.status, 200) << made.body;
    person.token = made.json().at("token").as_string();
  }
}

Crowd::~Crowd() { rest(); }

void Crowd::spread_over(std::vector<std::string> base_urls) {
  std::lock_guard lock(mutex_);
  base_urls_ = std::move(base_urls);
}

Client Crowd::client() {
  std::lock_guard lock(mutex_);
  return {base_urls_[++turn_ % base_urls_.size()], nullptr};
}

void Crowd::note_accepted() {
  std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  longest_pause_ = std::max(longest_pause_, now - accepted_at_);
  accepted_at_ = now;
}

std::chrono::milliseconds Crowd::take_longest_pause() {
  std::lock_guard lock(mutex_);
  const auto longest = std::max(longest_pause_, std::chrono::steady_clock::now() - accepted_at_);
  longest_pause_ = {};
  accepted_at_ = std::chrono::steady_clock::now();
  return std::chrono::duration_cast<std::chrono::milliseconds>(longest);
}

void Crowd::begin(int bad_luck, std::chrono::milliseconds pace) {
  bad_luck_ = bad_luck;
  pace_ = pace;
  if (sending_.exchange(true)) return;
  for (std::size_t i = 0; i < people_.size(); ++i)
    threads_.emplace_back([this, i] { live(people_[i], static_cast<int>(i)); });
}

void Crowd::rest() {
  sending_ = false;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Crowd::live(Person& person, int number) {
  auto chance = [&](int percent) { return static_cast<int>(person.random() % 100) < percent; };
  while (sending_ && person.sent.size() < keys_max_) {
    Sent sent;
    sent.key = fmt::format("{}-{}-{}", seed_, number, person.sent.size());
    sent.prompt = sent.key;
    if (chance(bad_luck_)) sent.prompt += fmt::format(" [fault:{}]", kFaults[person.random() % std::size(kFaults)]);
    send_until_answered(person, sent, chance(20));
    if (sent.answered && chance(10))
      client().send({.method = "DELETE", .path = "/api/v1/flux/task/" + sent.task_id, .token = person.token, .off_contract = true});
    person.sent.push_back(std::move(sent));
    std::this_thread::sleep_for(pace_);
  }
}

// As clients should: the same key and body until there is an answer that says what became of it.
void Crowd::send_until_answered(Person& person, Sent& sent, bool twice) {
  const json::object body{{"model", kModel}, {"prompt", sent.prompt}};
  for (;;) {
    const Answer answer = client().post("/api/v1/flux/text-to-image", person.token, body, {{"Idempotency-Key", sent.key}});
    if (answer.status == 200) {
      const std::string id(answer.json().at("id").as_string());
      note_accepted();
      if (sent.answered) EXPECT_EQ(id, sent.task_id) << "one key, two tasks";
      sent.task_id = id;
      sent.answered = true;
      if (!std::exchange(twice, false)) return;
    } else if (answer.status == 402) {
      return;  // poor by now; nothing was held
    } else {
      EXPECT_TRUE(answer.status == 0 || answer.status >= 500 || answer.status == 429) << answer.status << " " << answer.body;
      if (!sending_ && answer.status == 0) return;  // nobody is there to ask; what it became is for the judge
      std::this_thread::sleep_for(std::chrono::milliseconds(kPause));
    }
    ++repeats_;
  }
}

// By the key that each prompt begins with.
std::map<std::string, std::vector<json::object>> Crowd::history_of(const Person& person) {
  std::map<std::string, std::vector<json::object>> tasks;
  std::string cursor;
  do {
    const Answer page = client().get(fmt::format("/api/v1/flux/history?limit=100&cursor={}", cursor), person.token);
    EXPECT_EQ(page.status, 200) << page.body;
    if (page.status != 200) break;
    const json::value body = page.json();
    for (const auto& task : body.at("data").as_array()) {
      const std::string prompt(task.at("prompt").as_string());
      tasks[prompt.substr(0, prompt.find(' '))].push_back(task.as_object());
    }
    cursor = body.at("next_cursor").is_null() ? "" : std::string(body.at("next_cursor").as_string());
  } while (!cursor.empty());
  return tasks;
}

void Crowd::judge_person(const Person& person, Tally& tally) {
  const auto history = history_of(person);
  double charged = 0;
  for (const auto& [key, tasks] : history) {
    tally.tasks += static_cast<std::int64_t>(tasks.size());
    if (tasks.size() != 1) ++tally.double_tasks;
    for (const json::object& task : tasks) {
      const double quote = task.at("cost").at("quote").to_number<double>();
      const double paid = task.at("cost").at("charged").to_number<double>();
      charged += paid;
      const bool succeeded = task.at("state") == "succeeded";
      tally.succeeded += succeeded;
      tally.failed += task.at("state") == "failed";
      tally.cancelled += task.at("state") == "cancelled";
      if (task.at("state") == "failed") ++tally.whys[json::serialize(task.at("error"))];
      if (!is_final(task)) ++tally.unfinished, tally.open += json::serialize(task) + "\n";
      if (paid != (succeeded ? quote : 0)) ++tally.wrong_charges;
      for (const auto& image : task.at("images").as_array()) {
        const Answer file = client().get(std::string(image.at("url").as_string()));
        ++tally.pictures;
        if (file.status != 200 || crypto::sha256_hex(file.body) != std::string(image.at("sha256").as_string())) ++tally.broken_pictures;
      }
    }
  }
  for (const Sent& sent : person.sent) {
    ++tally.keys;
    if (!sent.answered) continue;
    ++tally.answered;
    const auto found = history.find(sent.key);
    if (found == history.end() || found->second.front().at("id") != json::value(sent.task_id)) ++tally.lost_tasks;
  }
  const json::value account = client().get("/api/v1/flux/credits", person.token).json();
  tally.lost_credits += credits_ - charged - account.at("credits_balance").to_number<double>();
  tally.lost_credits += account.at("credits_held").to_number<double>();
}

// However much there is to do: it is waited for as long as it gets less.
void Crowd::wait_for_the_end() {
  using Clock = std::chrono::steady_clock;
  double before = -1;
  auto moved = Clock::now();
  while (Clock::now() - moved < std::chrono::seconds(60)) {
    double held = 0;
    for (const Person& person : people_) {
      const json::value account = client().get("/api/v1/flux/credits", person.token).json();
      if (account.is_object() && account.as_object().contains("credits_held")) held += account.at("credits_held").to_number<double>();
    }
    if (held == 0) return;
    if (held != before) moved = Clock::now();
    before = held;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPause));
  }
}

Tally Crowd::judge() {
  wait_for_the_end();
  Tally tally;
  for (const Person& person : people_) judge_person(person, tally);
  tally.repeats = repeats_;
  return tally;
}

}  // namespace fluxgate::torture
