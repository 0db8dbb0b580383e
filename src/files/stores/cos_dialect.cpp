#include "files/stores/cos_signature.h"
#include "files/stores/dialect.h"
#include "files/stores/failures.h"
#include "files/stores/origin.h"

namespace fluxgate::files {
namespace {

constexpr std::int64_t kRequestLife_s = 900;
constexpr std::int64_t kHeadStart_s = 1;  // clocks differ by a little
constexpr std::string_view kTokenName = "x-cos-security-token";

class CosDialect final : public Dialect {
 public:
  explicit CosDialect(CosSettings settings) : settings_(std::move(settings)) {
    if (auto custom = parse_origin(settings_.endpoint))
      endpoint_ = *custom;
    else
      endpoint_ = {"https", fmt::format("{}.cos.{}.myqcloud.com", settings_.bucket,
                                        settings_.accelerate ? "accelerate" : settings_.region)};
    links_ = parse_origin(settings_.link_base).value_or(endpoint_);
  }

  std::string_view kind() const override { return "cos"; }
  std::string description() const override {
    return fmt::format("cos {} in {}", settings_.bucket, settings_.region);
  }
  std::string_view header_prefix() const override { return "x-cos-"; }
  std::string_view action_prefix() const override { return "cos:"; }
  std::string_view prefix() const override { return settings_.prefix; }
  std::string region() const override { return settings_.region; }
  std::string bucket() const override { return settings_.bucket; }
  std::string host() const override { return endpoint_.authority; }
  std::size_t key_bytes_max() const override { return 850; }
  bool signs_payload() const override { return false; }
  bool has_backup_host() const override { return settings_.endpoint.empty() && !settings_.accelerate; }

  HeaderList object_headers() const override {
    HeaderList headers;
    if (!settings_.acl.empty()) headers.emplace_back("x-cos-acl", settings_.acl);
    if (!settings_.storage_class.empty())
      headers.emplace_back("x-cos-storage-class", settings_.storage_class);
    return headers;
  }

  HttpRequest sign(const Operation& operation, const Circumstances& at,
                   std::optional<std::uint64_t> length) const override {
    const std::string host = at.backup_host
                                 ? fmt::format("{}.cos.{}.tencentcos.cn", settings_.bucket, settings_.region)
                                 : endpoint_.authority;
    Pairs headers = operation.headers;
    if (!settings_.credentials.token.empty()) headers.emplace_back(kTokenName, settings_.credentials.token);
    HttpRequest request{operation.method,
                        url(Origin{endpoint_.scheme, host}, operation.key, operation.params), headers,
                        operation.body};
    headers.emplace_back("host", host);
    if (length) headers.emplace_back("content-length", std::to_string(*length));
    const auto signature = sign_cos(signer(at.now, at.now + kRequestLife_s * 1000), operation.method,
                                    "/" + operation.key, operation.params, headers);
    request.headers.emplace_back("Authorization", signature.authorization);
    return request;
  }

  Result<SignedRequest> presign_get(const std::string& key, const LinkOptions& options,
                                    const Circumstances& at) const override {
    FLUX_TRY(span, shared_link_span(settings_.credentials, at.now, options.lifetime_ms));
    Pairs params;
    if (!options.image_process.empty()) params.emplace_back(options.image_process, "");
    const std::string method = options.head ? "HEAD" : "GET";
    if (settings_.links == Links::plain) return SignedRequest{method, url(links_, key, params), {}, span.until, true};
    if (!options.content_disposition.empty())
      params.emplace_back("response-content-disposition", options.content_disposition);
    if (!options.content_type.empty()) params.emplace_back("response-content-type", options.content_type);
    Pairs headers;
    if (settings_.links == Links::signed_) headers.emplace_back("host", links_.authority);
    return presigned(method, links_, key, params, headers, span.from, span.until);
  }

  Result<SignedRequest> presign_put(const std::string& key, std::string_view content_type,
                                    std::uint64_t length, Millis lifetime_ms,
                                    const Circumstances& at) const override {
    FLUX_TRY(end, link_end(settings_.credentials, at.now, lifetime_ms));
    HeaderList sent = object_headers();
    sent.emplace_back("Content-Type", content_type);
    sent.emplace_back("Content-Length", std::to_string(length));
    Pairs headers = sent;
    headers.emplace_back("host", endpoint_.authority);
    SignedRequest request = presigned("PUT", endpoint_, key, {}, headers, at.now, end);
    request.headers = std::move(sent);
    return request;
  }

  // GET Service (spec §1 has the hosts of one bucket only; this one lists them all). A custom domain knows of no others.
  std::optional<HttpRequest> bucket_list(const Circumstances& at) const override {
    if (!endpoint_.authority.ends_with(".myqcloud.com")) return std::nullopt;
    const Origin service{endpoint_.scheme, "service.cos.myqcloud.com"};
    Pairs headers;
    if (!settings_.credentials.token.empty()) headers.emplace_back(kTokenName, settings_.credentials.token);
    HttpRequest request{"GET", service.text() + "/", headers, {}};
    headers.emplace_back("host", service.authority);
    const auto signature = sign_cos(signer(at.now, at.now + kRequestLife_s * 1000), "GET", "/", {}, headers);
    request.headers.emplace_back("Authorization", signature.authorization);
    return request;
  }

 private:
  CosSigner signer(Millis from, Millis until) const {
    return {settings_.credentials.id, settings_.credentials.secret, from / 1000 - kHeadStart_s, until / 1000};
  }

  // Parameters without a value stand without "=": image processing is written so.
  static std::string url(const Origin& origin, const std::string& key, const Pairs& params) {
    std::string text = origin.text() + "/" + percent_encode_path(key);
    char separator = '?';
    for (const auto& [name, value] : params) {
      text += separator + percent_encode(name);
      if (!value.empty()) text += "=" + percent_encode(value);
      separator = '&';
    }
    return text;
  }

  SignedRequest presigned(std::string_view method, const Origin& origin, const std::string& key,
                          const Pairs& params, const Pairs& headers, Millis now, Millis end) const {
    std::string link = url(origin, key, {}) + "?" +
                       cos_presigned_query(signer(now, end), method, "/" + key, params, headers);
    if (!settings_.credentials.token.empty())
      link += fmt::format("&{}={}", kTokenName, percent_encode(settings_.credentials.token));
    return {std::string(method), std::move(link), {}, end / 1000 * 1000};
  }

  const CosSettings settings_;
  Origin endpoint_, links_;  // written by the constructor only
};

constexpr Millis kLinkShortest = 1000, kLinkLongest = 7ll * 24 * 3600 * 1000;

}  // namespace

std::unique_ptr<const Dialect> make_cos_dialect(CosSettings settings) {
  return std::make_unique<CosDialect>(std::move(settings));
}

Result<Millis> link_end(const Credentials& credentials, Millis now, Millis lifetime_ms) {
  const Millis end = now + std::clamp(lifetime_ms, kLinkShortest, kLinkLongest);
  if (credentials.expires_at == 0) return end;
  if (credentials.expires_at <= now)
    return fail(failure("store_token_expired", "the temporary credentials' time is over"));
  return std::min(end, credentials.expires_at);
}

Result<LinkSpan> shared_link_span(const Credentials& credentials, Millis now, Millis lifetime_ms) {
  FLUX_TRY(end, link_end(credentials, now, lifetime_ms));
  const Millis lifetime = std::clamp(lifetime_ms, kLinkShortest, kLinkLongest);
  const Millis step = std::max<Millis>(lifetime / 2 / 1000 * 1000, 1000);
  const Millis from = now / step * step;
  return LinkSpan{from, std::min(end, from + lifetime)};
}

}  // namespace fluxgate::files
