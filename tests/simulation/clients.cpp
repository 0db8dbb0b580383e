#include "clients.h"

#include <algorithm>

namespace fluxgate::simulation {
namespace {
std::string name_of(const std::string& user, const std::string& key) { return user + " " + key; }
}  // namespace

void Clients::submit(Process& at, const std::vector<Process*>& others) {
  tasks::SubmitRequest request;
  request.user_id = somebody();
  request.provider = "flux";
  request.endpoint = "text_to_image";
  request.idempotency_key = "key" + std::to_string(asked_for_++);
  request.body_sha256 = "x";
  const bool shared = one_in(5);  // what others ask for too, and may be given what they got
  request.body = {{"model", "m"}, {"prompt", shared ? "shared" + std::to_string(random_() % 2) : request.idempotency_key}};
  if (shared) request.body["seed"] = 1, request.body["use_cache"] = true;
  if (one_in(3)) request.body["images"] = 2;
  if (one_in(3)) request.body["priority"] = "low";
  // Whose key it is belongs to it: others may have chosen the same.
  if (!submits_.empty() && one_in(6))
    if (const auto& other = submits_[random_() % submits_.size()]; other.user_id != request.user_id)
      if (!chose(request.user_id, other.idempotency_key))
        request.idempotency_key = other.idempotency_key;
  submits_.push_back(request);
  send(at, request);
  if (one_in(5))
    for (Process* other : others) send(*other, request);
}

void Clients::submit_batch(Process& at, const std::vector<Process*>& others) {
  tasks::BatchRequest request;
  request.user_id = somebody();
  request.provider = "flux";
  request.endpoint = "text_to_image";
  request.idempotency_key = "batch" + std::to_string(asked_for_);
  request.body_sha256 = "x";
  for (int i = 0; i < 4; ++i)
    request.requests.push_back({{"model", "m"}, {"prompt", "key" + std::to_string(asked_for_++)}});
  batch_submits_.push_back(request);
  send(at, request);
  for (Process* other : others) send(*other, request);
}

bool Clients::chose(const std::string& user, const std::string& key) const {
  return std::ranges::any_of(submits_, [&](const auto& one) { return one.user_id == user && one.idempotency_key == key; });
}

void Clients::repeat_one(Process& at) {
  if (!batch_submits_.empty() && one_in(4)) return send(at, batch_submits_[random_() % batch_submits_.size()]);
  if (!submits_.empty()) send(at, submits_[random_() % submits_.size()]);
}

void Clients::cancel_one(Process& at) {
  const bool batch = one_in(4);
  const Answered& from = batch ? batches_ : tasks_;
  if (from.empty()) return;
  auto it = from.begin();
  std::advance(it, static_cast<long>(random_() % from.size()));
  if (batch) at.begin(at.batches().cancel(it->second, ""), [](std::exception_ptr, Result<tasks::BatchView>) {});
  else at.begin(at.tasks().cancel(it->second, ""), [](std::exception_ptr, Result<tasks::TaskView>) {});
}

void Clients::send(Process& at, const tasks::SubmitRequest& request) {
  const std::string key = name_of(request.user_id, request.idempotency_key);
  at.begin(at.tasks().submit(request),
           [this, key, known = tasks_.contains(key)](std::exception_ptr error, Result<tasks::Submitted> answer) {
             if (!error) remember(tasks_, key, known, answer);
           });
}

void Clients::send(Process& at, const tasks::BatchRequest& request) {
  const std::string key = name_of(request.user_id, request.idempotency_key);
  at.begin(at.batches().submit(request),
           [this, key, known = batches_.contains(key)](std::exception_ptr error, Result<tasks::Submitted> answer) {
             if (!error) remember(batches_, key, known, answer);
           });
}

void Clients::remember(Answered& answered, const std::string& key, bool known, const Result<tasks::Submitted>& answer) {
  if (!answer) {
    if (known) broken_ = "one key, one answer: " + key + " was accepted and is refused: " + answer.error().code();
    return;
  }
  auto [before, fresh] = answered.emplace(key, answer->task_id);
  if (before->second != answer->task_id) broken_ = "one key, one answer: " + key;
}

}  // namespace fluxgate::simulation
