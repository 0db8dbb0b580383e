// What COS and S3 say differently: where a request goes, how it is signed, what its headers are called.
// Everything else is the same in both and stands in RemoteStore. Pure and immutable: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/http_message.h"
#include "files/stores/encode.h"
#include "files/stores/settings.h"
#include "files/stores/store.h"

namespace fluxgate::files {

// A request before it has a place, a time and a signature.
struct Operation {
  std::string method;
  std::string key;    // with the prefix; "" = the bucket itself
  Pairs params = {};  // not encoded; all of them are signed
  HeaderList headers = {};
  std::string body = {};
  std::string sha256 = {};  // hex, of the body that will be sent; "" = not known
};

struct Circumstances {
  Millis now = 0;            // by the store's clock
  std::string region = {};   // where the bucket was found to be; "" = as configured (S3)
  bool backup_host = false;  // COS
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual std::string_view kind() const = 0;
  virtual std::string description() const = 0;
  virtual std::string_view header_prefix() const = 0;  // "x-cos-"
  virtual std::string_view action_prefix() const = 0;  // "cos:", of permissions
  virtual std::string_view prefix() const = 0;         // of keys
  virtual std::string region() const = 0;
  virtual std::string bucket() const = 0;
  virtual std::string host() const = 0;           // for messages
  virtual std::size_t key_bytes_max() const = 0;  // of prefix and key, percent-encoded
  // ACL and storage class of new objects.
  virtual HeaderList object_headers() const = 0;
  // Whether bodies' SHA-256 is part of the signature.
  virtual bool signs_payload() const = 0;
  virtual bool has_backup_host() const = 0;

  // `length` is the body's, when there is one.
  virtual HttpRequest sign(const Operation& operation, const Circumstances& at,
                           std::optional<std::uint64_t> length) const = 0;
  virtual Result<SignedRequest> presign_get(const std::string& key, const LinkOptions& options,
                                            const Circumstances& at) const = 0;
  virtual Result<SignedRequest> presign_put(const std::string& key, std::string_view content_type,
                                            std::uint64_t length, Millis lifetime_ms,
                                            const Circumstances& at) const = 0;
  // A request for the list of all buckets with their regions; nullopt where there is none.
  virtual std::optional<HttpRequest> bucket_list(const Circumstances& at) const = 0;
};

std::unique_ptr<const Dialect> make_cos_dialect(CosSettings settings);
std::unique_ptr<const Dialect> make_s3_dialect(S3Settings settings);

// Until when a link of that lifetime holds: 1 s to 7 days, not beyond the credentials.
// unavailable (store_token_expired) when they have expired.
Result<Millis> link_end(const Credentials& credentials, Millis now, Millis lifetime_ms);

// When a link that many are shown is signed, and until when it holds. The beginning lies on a grid of half the lifetime, so
// that the same link is given for that long: browsers and CDNs know what they have by its link. It holds for half the lifetime
// at least. Errors as link_end.
struct LinkSpan {
  Millis from = 0, until = 0;
};
Result<LinkSpan> shared_link_span(const Credentials& credentials, Millis now, Millis lifetime_ms);

}  // namespace fluxgate::files
