#include "files/stores/dialect.h"
#include "files/stores/failures.h"
#include "files/stores/origin.h"
#include "files/stores/s3_signature.h"

namespace fluxgate::files {
namespace {

// "s3.eu-west-1.amazonaws.com" in another region; other hosts stay what they are.
std::string aws_host_in(std::string_view host, std::string_view region) {
  const std::size_t zone = host.find(".amazonaws.com");
  if (zone == std::string_view::npos || !host.starts_with("s3.")) return std::string(host);
  return fmt::format("s3.{}{}", region, host.substr(zone));
}

class S3Dialect final : public Dialect {
 public:
  explicit S3Dialect(S3Settings settings)
      : settings_(std::move(settings)),
        endpoint_(parse_origin(settings_.endpoint).value_or(Origin{})),
        path_style_(settings_.addressing == Addressing::path ||
                    (settings_.addressing == Addressing::automatic &&
                     (endpoint_.is_address || endpoint_.has_port || settings_.bucket.contains('.')))) {}

  std::string_view kind() const override { return "s3"; }
  std::string description() const override {
    return fmt::format("s3 {} at {} in {}", settings_.bucket, endpoint_.authority, settings_.region);
  }
  std::string_view header_prefix() const override { return "x-amz-"; }
  std::string_view action_prefix() const override { return "s3:"; }
  std::string_view prefix() const override { return settings_.prefix; }
  std::string region() const override { return settings_.region; }
  std::string bucket() const override { return settings_.bucket; }
  std::string host() const override { return host_in({}); }
  std::size_t key_bytes_max() const override { return 1024; }
  bool has_backup_host() const override { return false; }
  bool signs_payload() const override {
    return settings_.payload == Payload::signed_ ||
           (settings_.payload == Payload::automatic && endpoint_.scheme == "http");
  }

  HeaderList object_headers() const override {
    HeaderList headers;
    if (!settings_.acl.empty()) headers.emplace_back("x-amz-acl", settings_.acl);
    if (!settings_.storage_class.empty())
      headers.emplace_back("x-amz-storage-class", settings_.storage_class);
    return headers;
  }

  HttpRequest sign(const Operation& operation, const Circumstances& at,
                   std::optional<std::uint64_t> length) const override {
    const std::string host = host_in(at.region), path = path_of(operation.key);
    const std::string payload = payload_hash(operation, length);
    HttpRequest request{operation.method, endpoint_.scheme + "://" + host + path, {}, operation.body};
    if (!operation.params.empty()) request.url += "?" + s3_query(operation.params);
    request.headers = operation.headers;
    request.headers.emplace_back("x-amz-content-sha256", payload);
    request.headers.emplace_back("x-amz-date", basic_iso_date(at.now));
    if (!settings_.credentials.token.empty())
      request.headers.emplace_back("x-amz-security-token", settings_.credentials.token);
    Pairs headers = request.headers;
    headers.emplace_back("host", host);
    const auto signature = sign_s3(signer(at), operation.method, path, operation.params, headers, payload);
    request.headers.emplace_back("Authorization", signature.authorization);
    return request;
  }

  Result<SignedRequest> presign_get(const std::string& key, const LinkOptions& options,
                                    const Circumstances& at) const override {
    FLUX_TRY(span, shared_link_span(settings_.credentials, at.now, options.lifetime_ms));
    const std::string method = options.head ? "HEAD" : "GET";
    if (!settings_.link_base.empty()) {
      const Origin base = parse_origin(settings_.link_base).value_or(endpoint_);
      return SignedRequest{method, base.text() + "/" + percent_encode_path(key), {}, span.until, true};
    }
    Pairs params;
    if (!options.content_disposition.empty())
      params.emplace_back("response-content-disposition", options.content_disposition);
    if (!options.content_type.empty()) params.emplace_back("response-content-type", options.content_type);
    return presigned(method, key, std::move(params), {}, Circumstances{span.from, at.region, at.backup_host}, span.until);
  }

  Result<SignedRequest> presign_put(const std::string& key, std::string_view content_type,
                                    std::uint64_t length, Millis lifetime_ms,
                                    const Circumstances& at) const override {
    FLUX_TRY(end, link_end(settings_.credentials, at.now, lifetime_ms));
    HeaderList headers = object_headers();
    headers.emplace_back("Content-Type", content_type);
    headers.emplace_back("Content-Length", std::to_string(length));
    return presigned("PUT", key, {}, std::move(headers), at, end);
  }

  std::optional<HttpRequest> bucket_list(const Circumstances&) const override { return std::nullopt; }

 private:
  S3Signer signer(const Circumstances& at) const {
    return {settings_.credentials.id, settings_.credentials.secret,
            at.region.empty() ? std::string_view(settings_.region) : std::string_view(at.region), at.now};
  }

  std::string host_in(const std::string& region) const {
    const std::string host = region.empty() ? endpoint_.authority : aws_host_in(endpoint_.authority, region);
    return path_style_ ? host : settings_.bucket + "." + host;
  }

  std::string path_of(const std::string& key) const {
    const std::string bucket = path_style_ ? "/" + settings_.bucket : "";
    if (key.empty()) return bucket.empty() ? "/" : bucket;
    return bucket + "/" + percent_encode_path(key);
  }

  std::string payload_hash(const Operation& operation, std::optional<std::uint64_t> length) const {
    if (!length || *length == 0) return std::string(kEmptyPayload);
    return std::string(operation.sha256.empty() || !signs_payload() ? kUnsignedPayload
                                                                    : std::string_view(operation.sha256));
  }

  SignedRequest presigned(std::string_view method, const std::string& key, Pairs params, HeaderList sent,
                          const Circumstances& at, Millis end) const {
    const std::string host = host_in(at.region), path = path_of(key);
    Pairs headers = sent;
    headers.emplace_back("host", host);
    const int lifetime_s = static_cast<int>(std::max<Millis>((end - at.now) / 1000, 1));
    const std::string query = s3_presigned_query(signer(at), method, path, std::move(params), headers,
                                                 lifetime_s, settings_.credentials.token);
    return {std::string(method), fmt::format("{}://{}{}?{}", endpoint_.scheme, host, path, query),
            std::move(sent), at.now / 1000 * 1000 + lifetime_s * 1000ll};
  }

  const S3Settings settings_;
  const Origin endpoint_;
  const bool path_style_;
};

}  // namespace

std::unique_ptr<const Dialect> make_s3_dialect(S3Settings settings) {
  return std::make_unique<S3Dialect>(std::move(settings));
}

}  // namespace fluxgate::files
