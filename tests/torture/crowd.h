// Clients that do not give up: each sends submits with an Idempotency-Key and repeats the same one until it is
// answered, cancels now and then, and remembers every answer. At the end the crowd holds the server to them.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../integration/client.h"

namespace fluxgate::torture {

// What went wrong in the end, in numbers that have to be 0, and how much there was.
struct Tally {
  std::int64_t keys = 0, answered = 0, repeats = 0, tasks = 0, succeeded = 0, failed = 0, cancelled = 0, pictures = 0;
  std::int64_t lost_tasks = 0, double_tasks = 0, wrong_charges = 0, unfinished = 0, broken_pictures = 0;
  double lost_credits = 0;
  std::string open;                   // the unfinished ones, for people
  std::map<std::string, int> whys;    // of the failed ones
};

class Crowd {
 public:
  // Signs everybody up with `credits` each; `base_url` is a running server. Nobody sends more than `keys_max`, so
  // that the end does not take longer than the torture.
  Crowd(const std::string& base_url, int people, double credits, std::uint64_t seed, std::size_t keys_max = 300);
  ~Crowd();

  // The server moves to another address with every life.
  void go_to(const std::string& base_url) { spread_over({base_url}); }
  // Requests go to these in turn.
  void spread_over(std::vector<std::string> base_urls);
  // From now on they send; `bad_luck` percent of the requests ask the sandbox for a fault. Each rests for `pace`
  // between two requests.
  void begin(int bad_luck, std::chrono::milliseconds pace = {});
  // The longest time without an accepted submit since the last call, up to now.
  std::chrono::milliseconds take_longest_pause();
  // Finish what is under way (the server has to be up) and rest.
  void rest();
  // Waits until all tasks have ended and counts. The server has to be up.
  Tally judge();

 private:
  struct Sent {
    std::string key, prompt, task_id;
    bool answered = false;
  };
  struct Person {
    std::string token;
    std::vector<Sent> sent;
    std::mt19937_64 random;
  };

  integration::Client client();
  void note_accepted();
  void live(Person& person, int number);
  void send_until_answered(Person& person, Sent& sent, bool twice);
  std::map<std::string, std::vector<boost::json::object>> history_of(const Person& person);
  void wait_for_the_end();
  void judge_person(const Person& person, Tally& tally);

  const double credits_;
  const std::uint64_t seed_;
  const std::size_t keys_max_;
  std::mutex mutex_;  // guards what follows up to sending_
  std::vector<std::string> base_urls_;
  std::size_t turn_ = 0;
  std::chrono::steady_clock::time_point accepted_at_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration longest_pause_{};
  std::atomic<bool> sending_{false};
  std::chrono::milliseconds pace_{};
  std::atomic<int> bad_luck_{0};
  std::atomic<std::int64_t> repeats_{0};
  std::vector<Person> people_;
  std::vector<std::thread> threads_;
};

}  // namespace fluxgate::torture
