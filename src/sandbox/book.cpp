#include "sandbox/book.h"

#include <cstring>

#include "base/crypto.h"
#include "base/ids.h"

namespace fluxgate::sandbox {
namespace {

constexpr std::size_t kReplannedMax = 256;  // bounds the lines one cancellation can cost
constexpr Millis kExpiryEvery = 60'000;
constexpr Millis kRefreshEvery = 250;         // how late another sandbox's cancellation may be seen
constexpr std::size_t kExpiryAfter = 50'000;  // accepted requests

std::string text_of(const RequestKey& key) {
  std::string digits = crypto::hex(key);
  for (std::size_t at : {8, 13, 18, 23}) digits.insert(at, 1, '-');
  return digits;
}

}  // namespace

std::size_t Book::KeyHash::operator()(const RequestKey& key) const {
  std::size_t tail = 0;  // the random half of a version 7 UUID
  std::memcpy(&tail, key.data() + 8, sizeof tail);
  return tail;
}

Book::Book(BookOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), journal_(options_.folder) {
  std::scoped_lock lock(mutex_);
  refresh();
  expire(clock_.now_ms());
}

// Reads what other processes wrote. Cancellations and new plans may stand in another segment than the
// request, so they are applied after all lines were read.
void Book::refresh() {
  refreshed_at_ms_ = clock_.now_ms();
  std::vector<LineHead> later;
  journal_.read_new([&](std::string_view line, Journal::Place place) { load_line(line, place, later); });
  apply_later(later);
}

void Book::load_line(std::string_view line, Journal::Place place, std::vector<LineHead>& later) {
  auto head = read_line_head(line);
  if (!head) return;
  if (head->kind != 'A' && head->kind != 'H') {
    later.push_back(*head);
    return;
  }
  const Millis now = clock_.now_ms();
  Entry entry{.place = place, .start = head->start, .end = head->end, .open_webhook = head->kind == 'H'};
  Lane& lane = lane_of(std::string(head->account), entry.lane);
  if (!index_.try_emplace(head->key, entry).second) return;
  if (entry.start > now)
    enqueue(lane, entry.start, head->key);
  else if (entry.end > now)
    note_running(lane, head->key, now);
  if (entry.end > now) occupy(lane, entry.end, now);
}

void Book::apply_later(const std::vector<LineHead>& later) {
  for (const LineHead& head : later) {
    auto found = index_.find(head.key);
    if (found == index_.end()) continue;
    Entry& entry = found->second;
    Lane& lane = lanes_[entry.lane];
    if (head.kind == 'W') entry.open_webhook = false;
    if (head.kind == 'C' && entry.cancelled == 0) {
      entry.cancelled = head.at;
      leave_queue(lane, entry.start, head.key);
    }
    if (head.kind == 'P') {
      leave_queue(lane, entry.start, head.key);
      entry.start = head.start;
      entry.end = head.end;
      if (entry.cancelled == 0 && entry.start > clock_.now_ms()) enqueue(lane, entry.start, head.key);
    }
  }
}

Book::Lane& Book::lane_of(const std::string& account, std::uint32_t& number) {
  auto [found, added] = lane_numbers_.try_emplace(account, static_cast<std::uint32_t>(lanes_.size()));
  if (added) lanes_.emplace_back();
  number = found->second;
  return lanes_[number];
}

Millis Book::plan_start(Lane& lane, Millis now, Millis ready) const {
  if (options_.slots == 0) return ready;
  std::erase_if(lane.busy, [&](Millis end) { return end <= now; });
  if (lane.busy.size() < static_cast<std::size_t>(options_.slots)) return ready;
  return std::max(ready, lane.busy.front());
}

// Gives the runner that is free first to a run that ends at `end`.
void Book::occupy(Lane& lane, Millis end, Millis now) const {
  if (options_.slots == 0) return;
  std::erase_if(lane.busy, [&](Millis other) { return other <= now; });
  if (lane.busy.size() >= static_cast<std::size_t>(options_.slots)) lane.busy.erase(lane.busy.begin());
  lane.busy.insert(std::ranges::upper_bound(lane.busy, end), end);
}

void Book::enqueue(Lane& lane, Millis start, const RequestKey& key) {
  Waiting place{start, ++order_, key};
  lane.waiting.insert(std::ranges::upper_bound(lane.waiting, place), place);
}

void Book::leave_queue(Lane& lane, Millis start, const RequestKey& key) {
  auto at = std::ranges::lower_bound(lane.waiting, Waiting{start, 0, {}});
  for (; at != lane.waiting.end() && at->start == start; ++at)
    if (at->key == key) {
      lane.waiting.erase(at);
      return;
    }
}

void Book::prune(Lane& lane, Millis now) {
  while (!lane.waiting.empty() && lane.waiting.front().start <= now) {
    note_running(lane, lane.waiting.front().key, now);
    lane.waiting.pop_front();
  }
}

void Book::note_running(Lane& lane, const RequestKey& key, Millis now) {
  if (options_.slots == 0) return;
  std::erase_if(lane.running, [&](const RequestKey& other) {
    auto found = index_.find(other);
    return found == index_.end() || found->second.end <= now || found->second.cancelled != 0;
  });
  lane.running.push_back(key);
}

Record Book::accept(Record draft, Plan plan) {
  const Millis now = clock_.now_ms();
  draft.id = new_id(now);
  draft.accepted_ms = now;
  const RequestKey key = *request_key(draft.id);
  std::scoped_lock lock(mutex_);
  Entry entry;
  Lane& lane = lane_of(draft.account, entry.lane);
  draft.start_ms = plan_start(lane, now, now + plan.wait_ms);
  draft.end_ms = draft.start_ms + plan.run_ms;
  if (draft.start_timeout || (plan.start_limit_ms > 0 && draft.start_ms > now + plan.start_limit_ms)) {
    draft.start_timeout = true;
    draft.start_ms = draft.end_ms = now + (plan.start_limit_ms > 0 ? plan.start_limit_ms : plan.wait_ms);
  }
  entry.place = journal_.append(write_accepted(draft), now);
  entry.start = draft.start_ms;
  entry.end = draft.end_ms;
  entry.open_webhook = !draft.webhook.empty();
  index_.emplace(key, entry);
  if (!draft.start_timeout) occupy(lane, entry.end, now);
  if (entry.start > now)
    enqueue(lane, entry.start, key);
  else if (entry.end > now)
    note_running(lane, key, now);
  if (++accepted_since_expiry_ >= kExpiryAfter || now - expired_at_ms_ > kExpiryEvery) expire(now);
  return draft;
}

Book::Index::iterator Book::look_up(const RequestKey& key) {
  auto found = index_.find(key);
  const Millis now = clock_.now_ms();
  bool settled =
      found != index_.end() && (found->second.end <= now || now - refreshed_at_ms_ < kRefreshEvery);
  if (settled) return found;
  refresh();
  return index_.find(key);
}

std::optional<Record> Book::find(std::string_view id) {
  auto key = request_key(id);
  if (!key) return std::nullopt;
  std::scoped_lock lock(mutex_);
  auto found = look_up(*key);
  if (found == index_.end()) return std::nullopt;
  auto record = read_accepted(journal_.read(found->second.place));
  if (!record) return std::nullopt;
  const Entry& entry = found->second;
  if (record->accepted_ms + options_.time_to_live_ms < clock_.now_ms()) return std::nullopt;
  record->start_ms = entry.start;
  record->end_ms = entry.end;
  record->cancelled_ms = entry.cancelled;
  return record;
}

Book::CancelOutcome Book::cancel(std::string_view id) {
  auto key = request_key(id);
  if (!key) return CancelOutcome::unknown;
  const Millis now = clock_.now_ms();
  std::scoped_lock lock(mutex_);
  auto found = look_up(*key);
  if (found == index_.end()) return CancelOutcome::unknown;
  Entry& entry = found->second;
  if (entry.cancelled != 0) return CancelOutcome::accepted;
  if (entry.end <= now) return CancelOutcome::already_finished;
  journal_.append(write_cancelled(text_of(*key), now), now);
  entry.cancelled = now;
  Lane& lane = lanes_[entry.lane];
  leave_queue(lane, entry.start, *key);
  if (auto busy = std::ranges::find(lane.busy, entry.end); busy != lane.busy.end()) lane.busy.erase(busy);
  if (options_.slots > 0) replan(lane, now);
  return CancelOutcome::accepted;
}

// After a cancellation those behind move up. Beyond the first few hundred the old plan stands.
void Book::replan(Lane& lane, Millis now) {
  prune(lane, now);
  if (lane.waiting.empty()) return;
  const auto slots = static_cast<std::size_t>(options_.slots);
  lane.busy.clear();
  for (const RequestKey& key : lane.running) {
    auto found = index_.find(key);
    if (found != index_.end() && found->second.cancelled == 0 && found->second.end > now)
      lane.busy.push_back(found->second.end);
  }
  std::ranges::sort(lane.busy);
  while (lane.busy.size() > slots) lane.busy.erase(lane.busy.begin());
  auto queue = std::exchange(lane.waiting, {});
  std::size_t replanned = 0;
  for (const Waiting& waiting : queue) {
    Entry& entry = index_[waiting.key];
    Millis start =
        lane.busy.size() < slots ? std::min(entry.start, now + 1) : std::max(now + 1, lane.busy.front());
    if (start < entry.start && replanned < kReplannedMax) {
      ++replanned;
      entry.end += start - entry.start;
      entry.start = start;
      journal_.append(write_planned(text_of(waiting.key), entry.start, entry.end), now);
    }
    occupy(lane, entry.end, now);
    enqueue(lane, entry.start, waiting.key);
  }
}

int Book::position(const Record& record) {
  auto key = request_key(record.id);
  const Millis now = clock_.now_ms();
  std::scoped_lock lock(mutex_);
  auto found = key ? index_.find(*key) : index_.end();
  if (found == index_.end()) return 0;
  Lane& lane = lanes_[found->second.lane];
  prune(lane, now);
  auto at = std::ranges::lower_bound(lane.waiting, Waiting{found->second.start, 0, {}});
  for (; at != lane.waiting.end() && at->start == found->second.start; ++at)
    if (at->key == *key) return static_cast<int>(at - lane.waiting.begin());
  return 0;
}

std::size_t Book::waiting() {
  const Millis now = clock_.now_ms();
  std::scoped_lock lock(mutex_);
  std::size_t total = 0;
  for (Lane& lane : lanes_) {
    prune(lane, now);
    total += lane.waiting.size();
  }
  return total;
}

bool Book::has_free_slot(const std::string& account) {
  const Millis now = clock_.now_ms();
  std::scoped_lock lock(mutex_);
  std::uint32_t number = 0;
  return plan_start(lane_of(account, number), now, now) == now;
}

std::size_t Book::size() {
  std::scoped_lock lock(mutex_);
  return index_.size();
}

std::vector<std::string> Book::open_webhooks() {
  std::scoped_lock lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [key, entry] : index_)
    if (entry.open_webhook) ids.push_back(text_of(key));
  return ids;
}

void Book::webhook_done(std::string_view id) {
  auto key = request_key(id);
  const Millis now = clock_.now_ms();
  std::scoped_lock lock(mutex_);
  auto found = key ? index_.find(*key) : index_.end();
  if (found == index_.end() || !found->second.open_webhook) return;
  found->second.open_webhook = false;
  journal_.append(write_webhook_done(text_of(*key), now), now);
}

void Book::expire(Millis now) {
  expired_at_ms_ = now;
  accepted_since_expiry_ = 0;
  auto dropped = journal_.expire(now - options_.time_to_live_ms, options_.records_max);
  if (dropped.empty()) return;
  std::erase_if(index_,
                [&](const auto& item) { return std::ranges::count(dropped, item.second.place.segment) > 0; });
}

}  // namespace fluxgate::sandbox
