// What a provider is to the engine: pure functions from a task and the upstream's last answer to the
// next request or an outcome (DESIGN §4). No sockets, no clock, no retries, no database: the engine
// does I/O, time, retries and money for all providers. Golden files test an adapter completely.
// docs/decisions/0001-adapter-interface.md shows, step by step, that it fits every upstream we know.
//
// The conversation. The engine opens it with an Intent and no response; the adapter answers with
// `Send` (one request, tagged with a step of its own choosing), is called again with that step and
// the response, and so on until it returns anything but `Send`. Transport failures never reach the
// adapter. Upstream answers are hostile input: an adapter bounds and checks what it reads, and never
// throws because of them.
//
// An adapter keeps nothing between calls. What a conversation must remember (the links of files that it
// uploaded first) goes into the step; what later conversations need goes into the reference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/http_message.h"
#include "base/text.h"

namespace fluxgate::providers {

// One set of upstream credentials, as configured by an admin.
struct Account {
  std::string id;
  std::string provider;          // "flux", "midjourney", …
  std::string base_url;          // without a trailing slash
  std::string key;               // in clear; only ever put into request headers
  boost::json::object settings;  // provider-specific, e.g. {"auth": "bearer"}
};

// One attempt of one task, as much of it as an adapter may know.
struct Job {
  std::string attempt_id;        // ours, the same in every call about one attempt
  std::string model;             // the catalogue's id
  std::string path;              // the upstream's endpoint for it, from the catalogue
  boost::json::object body;      // upstream parameters, already mapped by the catalogue; inputs resolved
  std::string webhook_url;       // "" = poll only
  boost::json::object reference; // what Accepted carried; empty before
};

enum class Intent {
  submit,  // start it; the one paid request
  poll,    // where is it? may end in Done. Without a reference: was the submit whose answer was lost accepted?
           // Upstreams that took our attempt_id know (Working, Done); else Failed with lost.
  watch,   // as poll, but told of the end as soon as it comes; only where can_watch() says so
  result,  // it was done: give the result again (its links may be fresh)
  cancel,  // stop it if possible
  probe,   // is this account usable? must cost nothing
};

struct Send {
  HttpRequest request;
  std::string step;              // handed back with the response
  // Sent exactly once, after `submitting` is committed. In one conversation a second paid request may only
  // follow an answer that proves that the first one bought nothing.
  bool paid = false;
  int timeout_s = 0;             // for an answer that comes when the work is done; 0 = the account's own limit
  std::uint64_t max_body = 4 * 1024 * 1024;
  // The answer comes piece by piece, as events do. After each piece of a 2xx answer `next` is given what has come so
  // far: Working reports progress and the call goes on, anything else ends it. Only as the first request of a watch.
  bool streams = false;
};

// The upstream took the job (submit), the cancel (cancel), or the key (probe).
struct Accepted {
  boost::json::object reference; // stored with the attempt; account + this finds the job again
  std::optional<int> queue_position;
};

// Not finished.
struct Working {
  bool running = false;          // false: still in the upstream's queue
  std::optional<int> queue_position;
  std::optional<double> progress;  // 0..1, only when the upstream says so
};

struct Output {
  std::string url;               // absolute, or "" when `bytes` is set
  std::string bytes;             // inline result, decoded
  std::string content_type;      // as claimed
  std::optional<int> width, height;
  bool flagged = false;          // the upstream's safety checker blanked it
};

struct Done {
  std::vector<Output> outputs;   // never empty
  std::optional<std::uint64_t> seed;
  std::optional<double> inference_seconds;
  std::string revised_prompt;    // "" = unchanged
  boost::json::object extra;     // what child tasks will need (buttons, video ids); stored with the result
};

// A decision, not the vendor's code.
enum class Decision {
  retry,      // nothing wrong with the task: again later, or on another account
  reject,     // the provider refuses this input or content; the user can change it
  fail,       // it went wrong upstream for good
  account,    // key or balance: the account is out until an admin acts; try another
  lost,       // the upstream does not know this request (any more)
  cancelled,  // the upstream confirms the cancel
  too_late,   // cancel came after the end
};
enum class Took { no, yes, maybe };  // did the upstream accept (and bill) the work?

struct Failed {
  Decision decision = Decision::fail;
  Took took = Took::maybe;
  std::string code;              // content_policy, invalid_input, upstream_busy, upstream_down, upstream_auth, …
  Text message;                  // for the user; never contains secrets
  std::string param;             // the member to blame, as the catalogue names it; "" = none
  std::optional<int> retry_after_s;
  std::string detail;            // for the log: the vendor's words, cut to 500 bytes
};

using Outcome = std::variant<Send, Accepted, Working, Done, Failed>;

// What a webhook call proved.
struct WebhookVerdict {
  bool verified = false;         // false: a doorbell, the engine asks the upstream itself
  std::optional<Outcome> outcome;  // Done or Failed when verified
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  virtual std::string_view provider() const = 0;

  struct Moment {
    Millis now = 0;
    std::string nonce;           // random UUID text, fresh per call
  };
  // `step` is "" and `response` null on the first call of an intent.
  virtual Outcome next(Intent intent, const Job& job, const Account& account, const Moment& moment,
                       std::string_view step, const HttpResponse* response) const = 0;

  // Whether `watch` may be asked of this account. When it brings nothing, the engine goes back to `poll`.
  virtual bool can_watch(const Account&) const { return false; }

  // Public keys for webhook signatures: where to get them (nullopt: none needed), and how to read them.
  virtual std::optional<HttpRequest> webhook_keys_request(const Account&) const { return std::nullopt; }
  virtual std::vector<std::string> read_webhook_keys(const HttpResponse&) const { return {}; }
  // Judges a webhook by its raw bytes. `headers` have lower-case names.
  virtual WebhookVerdict on_webhook(const HeaderList& headers, std::string_view body, const Job& job,
                                    const Account& account, Millis now,
                                    std::span<const std::string> keys) const = 0;
};

}  // namespace fluxgate::providers
