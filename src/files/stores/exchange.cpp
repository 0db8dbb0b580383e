#include "files/stores/exchange.h"

#include <charconv>
#include <limits>

#include "base/crypto.h"
#include "base/log.h"
#include "files/stores/xml.h"

namespace fluxgate::files {
namespace {

constexpr Millis kLongestPause = 5'000, kLongestSlowPause = 10'000, kStep = 100;
constexpr Millis kClockTolerance = 30'000;
constexpr std::chrono::seconds kSmallAnswer{60};  // of requests without a large body either way
constexpr std::chrono::seconds kJoining{180};     // a store joins the parts of a large object, in silence

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                   : std::nullopt;
}

void ask_range(HttpRequest& request, const Download& download) {
  if (!download.range && download.received == 0) return;
  const Range range = download.range.value_or(Range{});
  const std::string last = range.last ? std::to_string(*range.last) : std::string();
  request.headers.emplace_back("Range", fmt::format("bytes={}-{}", range.first + download.received, last));
  if (download.received > 0) request.headers.emplace_back("If-Match", "\"" + download.facts->etag + "\"");
}

// The head of an object's answer: is it the stretch that was asked for?
bool begin(Download& download, const HttpResponse& answer) {
  if (answer.status < 200 || answer.status > 299) return true;  // an error, which is read as one
  const bool ranged = download.range || download.received > 0;
  const std::uint64_t first = download.range.value_or(Range{}).first + download.received;
  if (ranged && (answer.status != 206 ||
                 !answer.header("content-range").starts_with(fmt::format("bytes {}-", first)))) {
    download.other_range = true;
    return false;
  }
  ObjectFacts facts = facts_of(answer);
  if (!download.facts) download.facts = facts;
  download.facts->size = facts.size;  // a first answer in chunks did not say
  return true;
}

}  // namespace

ObjectFacts facts_of(const HttpResponse& answer) {
  ObjectFacts facts;
  const std::string_view range = answer.header("content-range");
  const auto whole = range.empty() ? answer.header("content-length")
                                   : range.substr(std::min(range.rfind('/') + 1, range.size()));
  facts.size = number(whole).value_or(0);
  facts.content_type = answer.header("content-type");
  facts.etag = answer.header("etag");
  std::erase(facts.etag, '"');
  facts.modified_at = parse_http_date(answer.header("last-modified")).value_or(0);
  facts.crc64 = number(answer.header("x-cos-hash-crc64ecma"));
  return facts;
}

Exchange::Exchange(const Dialect& dialect, const StoreParts& parts) : dialect_(dialect), parts_(parts) {}

Circumstances Exchange::circumstances() const {
  const std::scoped_lock lock(mutex_);
  return {parts_.clock.now_ms() + offset_ms_, region_, false};
}

std::optional<Millis> Exchange::measured_offset() const {
  const std::scoped_lock lock(mutex_);
  return measured_ms_;
}

awaitable<Result<HttpResponse>> Exchange::run(Call call) {
  bool heard = false, clock_corrected = false, region_corrected = false;
  for (int attempt = 1;; ++attempt) {
    if (stopped_ || parts_.ending()) co_return fail(failure("store_stopped", "the client has stopped"));
    Circumstances at = circumstances();
    const bool last = attempt >= parts_.attempts;
    at.backup_host = last && attempt > 1 && !heard && dialect_.has_backup_host();
    auto reply = co_await send(call, at);
    auto refusal = judge(call, reply);
    if (!refusal) co_return std::move(*reply);
    heard = heard || refusal->from_store;
    if (!clock_corrected && correct_clock(reply, *refusal)) {
      clock_corrected = true;
      continue;
    }
    if (!region_corrected && correct_region(*refusal)) {
      region_corrected = true;
      continue;
    }
    const bool repeatable = refusal->repeat == Repeat::once ? attempt == 1 : refusal->repeat != Repeat::no;
    if (!repeatable || last) {
      if (decision_of(refusal->error) != Decision::final)
        log::warn("store {}: {} {}: {} {}", dialect_.description(), call.operation.method, call.operation.key,
                  refusal->error.code(), refusal->error.internal());
      co_return std::unexpected(std::move(refusal->error));
    }
    co_await pause(refusal->repeat, attempt);
  }
}

awaitable<net::Reply> Exchange::send(const Call& call, const Circumstances& at) {
  std::optional<std::uint64_t> length;
  if (call.body)
    length = call.body->length;
  else if (call.operation.method == "PUT" || call.operation.method == "POST")
    length = call.operation.body.size();
  Operation operation = call.operation;
  HttpRequest ranged;
  if (call.download) ask_range(ranged, *call.download);
  operation.headers.insert(operation.headers.end(), ranged.headers.begin(), ranged.headers.end());
  HttpRequest request = dialect_.sign(operation, at, length);

  net::CallOptions options;
  options.timeout = call.body || call.download || !call.root.empty() ? std::chrono::seconds(0) : kSmallAnswer;
  if (!call.root.empty()) options.stall_timeout = kJoining;
  if (call.body) {
    options.upload = net::Upload{
        call.body->length,
        [body = *call.body](std::uint64_t offset, std::span<char> into) -> std::optional<std::size_t> {
          auto got = body.source->read(body.offset + offset, into);
          return got ? std::optional(*got) : std::nullopt;
        }};
  }
  if (Download* download = call.download) {
    options.max_body = std::numeric_limits<std::uint64_t>::max();
    options.on_head = [download](const HttpResponse& head) { return begin(*download, head); };
    options.sink = [download](std::string_view piece) {
      download->received += piece.size();
      download->crc64 = crc64(piece, download->crc64);
      return download->sink(piece);
    };
  }
  auto reply = co_await parts_.client.call(std::move(request), std::move(options));
  co_return reply;
}

// nullopt: the answer is what was wanted.
std::optional<Refusal> Exchange::judge(const Call& call, const net::Reply& reply) {
  if (!reply) {
    if (call.download && call.download->other_range)
      return Refusal{failure("store_not_supported", "the store does not answer ranges"), Repeat::no};
    stopped_ = stopped_ || reply.error().kind == net::Failure::Kind::cancelled;
    return refusal_of(reply.error());
  }
  if (const auto date = parse_http_date(reply->header("date"))) {
    const std::scoped_lock lock(mutex_);
    measured_ms_ = *date - parts_.clock.now_ms();
  }
  const bool good_status = reply->status >= 200 && reply->status < 300;
  if (!good_status) return refusal_of(*reply);
  if (!call.root.empty() && xml::root_name(reply->body) != call.root) {
    Refusal refusal = refusal_of(*reply);  // an Error under 200, or nothing that can be read
    if (refusal.word.empty())
      refusal = {failure("store_failed", "no " + std::string(call.root)), Repeat::again};
    return refusal;
  }
  const auto answered = facts_of(*reply).crc64;
  if (call.crc64 && answered && *answered != *call.crc64)
    return Refusal{failure("store_damaged", fmt::format("crc64 {} came as {}", *call.crc64, *answered)),
                   Repeat::again};
  return std::nullopt;
}

// HEAD has no words, so any refusal of permission makes us look at the clock.
bool Exchange::correct_clock(const net::Reply& reply, const Refusal& refusal) {
  const bool suspect =
      refusal.error.code() == "store_clock_wrong" || (reply && reply->status == 403 && refusal.word.empty());
  const std::scoped_lock lock(mutex_);
  if (!suspect || !measured_ms_ || std::abs(*measured_ms_ - offset_ms_) < kClockTolerance) return false;
  log::warn("store {}: its clock is {} s from ours; corrected", dialect_.description(), *measured_ms_ / 1000);
  offset_ms_ = *measured_ms_;
  return true;
}

bool Exchange::correct_region(const Refusal& refusal) {
  if (dialect_.kind() != "s3" || refusal.region.empty()) return false;
  if (refusal.error.code() != "store_region_wrong" && !refusal.word.empty()) return false;
  const std::scoped_lock lock(mutex_);
  if (refusal.region == region_ || (region_.empty() && refusal.region == dialect_.region())) return false;
  log::warn("store {}: the bucket is in {}; corrected", dialect_.description(), refusal.region);
  region_ = refusal.region;
  return true;
}

awaitable<void> Exchange::pause(Repeat repeat, int attempt) {
  const Millis longest = repeat == Repeat::slowly ? kLongestSlowPause : kLongestPause;
  const Millis doubled = parts_.first_pause_ms << std::min(attempt - 1, 10);
  const Millis ceiling = std::min(longest, repeat == Repeat::slowly ? doubled * 2 : doubled);
  const auto jittered = static_cast<Millis>(crypto::random_u64() % static_cast<std::uint64_t>(ceiling + 1));
  // In short steps, so that a stop need not wait for it.
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (Millis left = jittered; left > 0 && !parts_.ending(); left -= kStep) {
    timer.expires_after(std::chrono::milliseconds(std::min(left, kStep)));
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
  }
}

}  // namespace fluxgate::files
