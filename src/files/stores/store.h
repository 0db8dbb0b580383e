// Where objects are kept: the local disk, Tencent COS, S3 and what speaks like it. One interface for all; it
// knows keys and bytes, nothing of users, tasks or tables.
//
// Keys are 1 to 850 bytes once percent-encoded, UTF-8, without leading slash, "." and ".." segments and
// control characters; the store puts its configured prefix before them, and `list` takes it off again.
// Objects are written whole or not at all: nobody ever reads half of one.
//
// Thread-safe. Coroutines may be awaited on any executor and continue there; what is passed by value is kept
// by the call. The store outlives them all; HttpClient and pool outlive the store.
//
// Failures are an Error whose code is in `store_failures()`, which says what to do about it: by the time a
// caller sees `retry`, the store has tried several times on its own (docs/storage.md). Context: `store_code`
// (the store's own word, e.g. "AccessDenied"), `store_status`, `request_id`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/coro.h"
#include "base/http_message.h"
#include "base/result.h"
#include "files/stores/source.h"

namespace fluxgate::files {

// What is known of a kept object.
struct ObjectFacts {
  std::uint64_t size = 0;  // of the whole object, also when a range was asked for
  std::string content_type;
  std::string etag;                    // without quotes; opaque: an MD5 only sometimes
  Millis modified_at = 0;              // 0 when the store does not say
  std::optional<std::uint64_t> crc64;  // CRC-64/XZ, where the store says (COS)
};

struct Put {
  std::string key;
  std::shared_ptr<const Source> source;
  std::string content_type = "application/octet-stream";
  std::string sha256 = {};  // hex, where the caller knows it: saves reading the bytes for it
  std::string cache_control = "public, max-age=31536000, immutable";
  std::string content_disposition = {};
  // The source's file may be moved into the store. Taken up by the local disk, where nothing is copied then;
  // on another file system it is copied and left where it is.
  bool may_move = false;
  // Bytes taken by the store so far. Called on the store's thread, must not block.
  std::function<void(std::uint64_t)> progress = {};
};

struct Range {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> last = {};  // inclusive; none = to the end
};

// Receives an object's bytes in order, on the store's thread; must not block for long. False stops the call.
// There is no way to slow the store down: give a slow receiver its bytes by ranges of a fixed size.
using Sink = std::function<bool(std::string_view)>;

struct Listed {
  std::string key;
  std::uint64_t size = 0;
  Millis modified_at = 0;
};
struct Listing {
  std::vector<Listed> objects;  // ascending by key
  std::string next;             // pass as `after` for the next page; "" = this was the last
};

struct LinkOptions {
  Millis lifetime_ms = 3'600'000;        // at most, and half of it at least; 1 s to 7 days; not longer than temporary credentials
  std::string content_disposition = {};  // what the answer shall say instead of what was stored
  std::string content_type = {};
  std::string image_process = {};  // COS only: "imageMogr2/thumbnail/512x512>/format/webp"
  bool head = false;               // the link is for HEAD instead of GET: signatures cover the method
};

// A request that someone without credentials may make once or more until it expires.
struct SignedRequest {
  std::string method;
  std::string url;
  HeaderList headers;  // to be sent exactly so
  Millis expires_at = 0;
  bool plain = false;  // not signed: the answer's name and type stay what was stored
};

// What became of a connection test: its steps in order, until one failed.
struct ConnectionReport {
  struct Step {
    std::string name;  // reach, write, read, delete; "clock" when the clocks are apart, also of a store that works
    bool ok = false;
    Text message;  // what was done, or what is wrong and how to mend it
  };
  bool ok = false;
  std::vector<Step> steps;
  std::optional<Millis> clock_offset_ms;  // the store's clock minus ours, where it said
  std::string failure_code;               // of the Error, "" when ok
};

class Store {
 public:
  virtual ~Store() = default;

  // "local", "cos" or "s3".
  virtual std::string_view kind() const = 0;
  // For logs and pages, without secrets: "cos studio-1250000000 in ap-guangzhou".
  virtual std::string description() const = 0;

  // Writes the object, over what stands there. Large ones go in parts side by side; after a crash or a
  // failure the next put of the same key and bytes goes on from the parts that are there. Memory does not
  // grow with the size.
  virtual awaitable<Result<ObjectFacts>> put(Put object) = 0;
  // not_found: object_missing; invalid: range_not_satisfiable. The sink has seen everything on success.
  virtual awaitable<Result<ObjectFacts>> get(std::string key, std::optional<Range> range, Sink sink) = 0;
  virtual awaitable<Result<ObjectFacts>> head(std::string key) = 0;
  // Success also when there is none.
  virtual awaitable<Result<void>> remove(std::string key) = 0;
  // `after`: "" or Listing::next. At most 1000 a page.
  virtual awaitable<Result<Listing>> list(std::string prefix, std::string after, int limit) = 0;
  // Gives up uploads in parts that began before `before`; how many.
  virtual awaitable<Result<int>> sweep_uploads(std::string prefix, Millis before) = 0;

  // A link for GET or HEAD, the same for half of its life. Pure; unavailable (store_cannot_sign) on the local disk.
  virtual Result<SignedRequest> presigned_get(std::string_view key, const LinkOptions& options) const = 0;
  // Lets somebody upload exactly `length` bytes of that type under that key.
  virtual Result<SignedRequest> presigned_put(std::string_view key, std::string_view content_type,
                                              std::uint64_t length, Millis lifetime_ms) const = 0;
  // The file that holds the object, for sending it; "" where there is none (remote stores).
  virtual std::string local_path(std::string_view key) const = 0;

  // Writes, reads and deletes a small object, and explains what does not work.
  virtual awaitable<ConnectionReport> test() = 0;
};

// What to do about a failure.
enum class Decision {
  retry,  // it may work later: keep the bytes and come back
  final,  // it will not work for this object
  alert,  // it will not work until somebody changes settings, permissions, the account or the clock
};
Decision decision_of(const Error& error);

}  // namespace fluxgate::files
