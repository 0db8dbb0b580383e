// The people of a voyage: they submit tasks and batches, repeat what was not answered (and what was) with the same
// key at any node, cancel, and remember every answer.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "invariants.h"
#include "process.h"

namespace fluxgate::simulation {

inline constexpr int kUsers = 3;

class Clients {
 public:
  explicit Clients(std::mt19937_64& random) : random_(random) {}

  static std::string user(int i) { return "user" + std::to_string(i); }
  std::string somebody() { return user(static_cast<int>(random_() % kUsers)); }

  // `others`: where an impatient client sends the same again at once.
  void submit(Process& at, const std::vector<Process*>& others);
  void submit_batch(Process& at, const std::vector<Process*>& others);
  // What was sent before, answered or not, once more.
  void repeat_one(Process& at);
  void cancel_one(Process& at);

  int asked_for() const { return asked_for_; }  // tasks, by all keys
  const Answered& tasks() const { return tasks_; }
  const Answered& batches() const { return batches_; }
  const std::string& broken() const { return broken_; }  // "" = every answer fits the ones before

 private:
  void send(Process& at, const tasks::SubmitRequest& request);
  void send(Process& at, const tasks::BatchRequest& request);
  // `known`: it had been answered before this was sent.
  void remember(Answered& answered, const std::string& key, bool known, const Result<tasks::Submitted>& answer);
  bool chose(const std::string& user, const std::string& key) const;
  bool one_in(unsigned n) { return random_() % n == 0; }

  std::mt19937_64& random_;
  std::vector<tasks::SubmitRequest> submits_;
  std::vector<tasks::BatchRequest> batch_submits_;
  Answered tasks_, batches_;
  std::string broken_;
  int asked_for_ = 0;
};

}  // namespace fluxgate::simulation
