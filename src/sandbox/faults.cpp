#include "sandbox/faults.h"

#include <charconv>

#include "base/crypto.h"

namespace fluxgate::sandbox {
namespace {

constexpr std::string_view kStages[] = {"submit", "status", "result",  "cancel",
                                        "stream", "media",  "webhook", "upload"};
constexpr std::size_t kHitsMax = 100'000;

constexpr FaultKind kKinds[] = {
    {"*", "401", "the key is unknown"},
    {"*", "403-balance", "the account is locked: its balance is used up"},
    {"*", "404", "404 with a detail string"},
    {"*", "429", "throttled, Retry-After: seconds (1)"},
    {"*", "429-bare", "throttled, without Retry-After"},
    {"*", "500", "500 as JSON with error_type and X-Fal-Error-Type"},
    {"*", "502", "502 as JSON"},
    {"*", "503", "503 as JSON"},
    {"*", "504", "504 as JSON"},
    {"*", "html-502", "the ingress's HTML page, no x-fal-request-id"},
    {"*", "html-503", "the ingress's HTML page"},
    {"*", "html-504", "the ingress's HTML page"},
    {"*", "reset", "the connection is reset before the answer; a submit is not accepted"},
    {"*", "hang", "no answer for seconds (300), then a reset; a submit is not accepted"},
    {"*", "slow", "the right answer after seconds (5)"},
    {"*", "malformed", "200 with broken JSON; a submit is accepted"},
    {"*", "empty-body", "200 without a body; a submit is accepted"},
    {"*", "html-200", "200 with an HTML page; a submit is accepted"},
    {"*", "truncated", "the body ends half-way; a submit is accepted"},
    {"submit", "lost", "accepted and run, then the connection is reset"},
    {"submit", "hang-accepted", "accepted and run, then no answer for seconds (300)"},
    {"submit", "hang-refused", "as hang"},
    {"submit", "unknown-app", "404: the application does not exist"},
    {"submit", "unknown-path", "404: the path does not exist"},
    {"submit", "no-id", "accepted; the answer lacks request_id"},
    {"submit", "no-urls", "accepted; the answer lacks the three links"},
    {"submit", "foreign-urls", "accepted; the links name another host"},
    {"submit", "start-timeout", "accepted; no runner picks it up: COMPLETED, then 504 at the result"},
    {"status", "stuck-queue", "IN_QUEUE at 0 for ever"},
    {"status", "growing-queue", "IN_QUEUE with a position that rises"},
    {"status", "stuck-running", "IN_PROGRESS for ever"},
    {"status", "regress", "IN_PROGRESS, then IN_QUEUE, then IN_PROGRESS again"},
    {"status", "odd-shapes", "logs and metrics are objects, the position is a string"},
    {"status", "no-logs", "the key logs is absent"},
    {"status", "unknown-word", "a status word outside the three"},
    {"status", "always-200", "200 instead of 202 while unfinished"},
    {"status", "lost", "404 NOT_FOUND for an accepted request"},
    {"status", "405", "method not allowed, as for the full-id form"},
    {"result", "422", "422 with a detail list"},
    {"result", "policy", "422 content_policy_violation"},
    {"result", "policy-categories", "the same with categories in ctx"},
    {"result", "file-download", "422 file_download_error"},
    {"result", "image-load", "422 image_load_error"},
    {"result", "image-too-large", "422 image_too_large"},
    {"result", "file-too-large", "422 file_too_large"},
    {"result", "no-media", "422 no_media_generated"},
    {"result", "empty-images", "200 with images: []"},
    {"result", "no-images", "200 without images"},
    {"result", "nsfw", "200, flagged, a black picture"},
    {"result", "crash", "500 with the detail string Internal Server Error"},
    {"result", "gpu", "503 GPU error"},
    {"result", "generation-timeout", "504 generation_timeout"},
    {"result", "not-ready", "400: still in progress"},
    {"result", "expired", "404: the result is no longer kept"},
    {"result", "huge-data-uri", "a data URI of 20 MB"},
    {"result", "seed-big", "a seed above 2^53"},
    {"result", "seed-null", "seed is null"},
    {"result", "null-sizes", "width, height and content_type are null"},
    {"result", "wrapped", "the old envelope: status, logs, response"},
    {"result", "foreign-media", "the picture's link names a host that does not exist"},
    {"media", "403", "the CDN forbids"},
    {"media", "410", "the CDN: gone"},
    {"media", "wrong-type", "a text, said to be the picture's type"},
    {"media", "mislabelled", "the picture, said to be text/plain"},
    {"media", "html", "an HTML page with status 200"},
    {"media", "zero", "200 with no bytes"},
    {"media", "redirect", "302 to the real place"},
    {"cancel", "ignored", "202, but the request completes"},
    {"cancel", "late", "400 ALREADY_COMPLETED"},
    {"cancel", "ok-200", "200 OK, the other documented answer"},
    {"stream", "pings-only", "only comment lines, until seconds (300)"},
    {"stream", "cut", "ends in the middle of an event"},
    {"stream", "early-end", "ends before COMPLETED"},
    {"stream", "wrong-type", "application/json as content type"},
    {"stream", "split-utf8", "chunks end inside a character"},
    {"stream", "crlf", "CRLF line ends"},
    {"webhook", "duplicate", "delivered twice"},
    {"webhook", "late", "delivered seconds (30) late"},
    {"webhook", "before-reply", "delivered before the submit is answered"},
    {"webhook", "bad-signature", "the signature is of other bytes"},
    {"webhook", "old-timestamp", "signed an hour ago"},
    {"webhook", "rotated-key", "signed by a key that was published only now"},
    {"webhook", "never", "not delivered"},
    {"upload", "initiate-403", "no upload link is given"},
    {"upload", "put-403", "the bytes are refused"},
    {"upload", "put-500", "the bytes are refused by mistake"},
    {"upload", "unreadable", "the uploaded file answers 404 at first"},
    {"upload", "no-etag", "parts are answered without ETag"},
};

std::optional<double> number_in(std::string_view text) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text up to the next `mark` off the front.
std::string_view take_until(std::string_view& text, char mark) {
  auto end = text.find(mark);
  auto part = text.substr(0, end);
  text = end == text.npos ? std::string_view() : text.substr(end + 1);
  return trimmed(part);
}

bool is_known(std::string_view stage, std::string_view action) {
  return std::ranges::any_of(kKinds, [&](const FaultKind& kind) {
    return kind.action == action && (kind.stages == "*" || kind.stages == stage);
  });
}

bool read_option(std::string_view option, Fault& fault) {
  auto equals = option.find('=');
  if (equals == option.npos) return false;
  auto name = trimmed(option.substr(0, equals));
  auto number = number_in(trimmed(option.substr(equals + 1)));
  if (!number) return false;
  if (name == "times")
    fault.times = static_cast<int>(std::min(*number, 1e9));
  else if (name == "seconds")
    fault.seconds = std::min(*number, 3600.0);
  else if (name == "p")
    fault.probability = *number;
  else
    return false;
  return true;
}

}  // namespace

std::string_view stage_name(Stage stage) { return kStages[static_cast<int>(stage)]; }

std::span<const FaultKind> fault_kinds() { return kKinds; }

std::string Fault::text() const {
  std::string written = fmt::format("{}-{}", stage_name(stage), action);
  if (times >= 0) written += fmt::format(";times={}", times);
  if (seconds >= 0) written += fmt::format(";seconds={}", seconds);
  if (probability < 1) written += fmt::format(";p={}", probability);
  return written;
}

std::optional<Fault> parse_fault(std::string_view text) {
  auto kind = take_until(text, ';');
  auto dash = kind.find('-');
  if (dash == kind.npos) return std::nullopt;
  auto stage = std::ranges::find(kStages, kind.substr(0, dash));
  auto action = kind.substr(dash + 1);
  if (stage == std::end(kStages) || !is_known(*stage, action)) return std::nullopt;
  Fault fault{static_cast<Stage>(stage - std::begin(kStages)), std::string(action)};
  while (!text.empty())
    if (!read_option(take_until(text, ';'), fault)) return std::nullopt;
  return fault;
}

Result<std::vector<Fault>> parse_faults(std::string_view list) {
  std::vector<Fault> faults;
  while (!list.empty()) {
    auto text = take_until(list, ',');
    if (text.empty()) continue;
    auto fault = parse_fault(text);
    if (!fault)
      return fail(Error(Errc::bad_request, "unknown_fault",
                        {fmt::format("There is no fault “{}”; GET /_sandbox/faults lists them.", text),
                         fmt::format("没有名为“{}”的故障；GET /_sandbox/faults 列出全部故障。", text)}));
    faults.push_back(std::move(*fault));
  }
  return faults;
}

std::vector<Fault> faults_in_prompt(std::string_view prompt) {
  constexpr std::string_view kOpen = "[fault:";
  std::vector<Fault> faults;
  for (auto at = prompt.find(kOpen); at != prompt.npos; at = prompt.find(kOpen, at + 1)) {
    auto end = prompt.find(']', at);
    if (end == prompt.npos) break;
    auto start = at + kOpen.size();
    if (auto fault = parse_fault(prompt.substr(start, end - start))) faults.push_back(std::move(*fault));
  }
  return faults;
}

FaultCounter::FaultCounter(std::vector<Fault> global) : global_(std::move(global)) {}

bool FaultCounter::due(const Fault& fault, std::string_view scope) {
  if (fault.probability < 1) {
    double rolled = static_cast<double>(crypto::random_u64() >> 11) / 9007199254740992.0;  // 2^53
    if (rolled >= fault.probability) return false;
  }
  if (fault.times < 0) return true;
  std::scoped_lock lock(mutex_);
  if (hits_.size() > kHitsMax) hits_.clear();
  int& hits = hits_[fmt::format("{} {}", fault.text(), scope)];
  if (hits >= fault.times) return false;
  ++hits;
  return true;
}

std::optional<Fault> FaultCounter::hit(Stage stage, std::span<const Fault> own, std::string_view scope) {
  return hit(stage, own, scope, {});
}

std::optional<Fault> FaultCounter::hit(Stage stage, std::span<const Fault> own, std::string_view scope,
                                       std::span<const std::string_view> actions) {
  auto wanted = [&](const Fault& fault) {
    return fault.stage == stage && (actions.empty() || std::ranges::count(actions, fault.action) > 0);
  };
  for (const Fault& fault : own)
    if (wanted(fault) && due(fault, scope)) return fault;
  for (const Fault& fault : global_)
    if (wanted(fault) && due(fault, {})) return fault;
  return std::nullopt;
}

std::optional<Fault> FaultCounter::lasting(Stage stage, std::span<const Fault> own) const {
  auto lasts = [&](const Fault& fault) {
    return fault.stage == stage && fault.times < 0 && fault.probability >= 1;
  };
  for (const Fault& fault : own)
    if (lasts(fault)) return fault;
  for (const Fault& fault : global_)
    if (lasts(fault)) return fault;
  return std::nullopt;
}

int FaultCounter::turn(std::string_view key) {
  std::scoped_lock lock(mutex_);
  if (hits_.size() > kHitsMax) hits_.clear();
  return ++hits_[fmt::format("turn {}", key)];
}

}  // namespace fluxgate::sandbox
