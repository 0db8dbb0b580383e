#include "files/stores/failures.h"

#include "files/stores/xml.h"

namespace fluxgate::files {
namespace {

using enum Repeat;

constexpr FailureRule kRules[] = {
    // Bytes that did not arrive as they were sent.
    {"BadDigest", 0, "store_damaged", again},
    {"InvalidDigest", 0, "store_damaged", again},
    {"IncompleteBody", 0, "store_damaged", again},
    {"EntitySizeNotMatch", 0, "store_damaged", again},
    {"XAmzContentSHA256Mismatch", 0, "store_damaged", again},
    {"RequestTimeout", 0, "store_unreachable", again},
    {"UserNetworkTooSlow", 0, "store_unreachable", again},
    // The object itself.
    {"NoSuchKey", 0, "object_missing", no},
    {"NoSuchVersion", 0, "object_missing", no},
    {"NoSuchUpload", 0, "upload_missing", no},
    {"InvalidRange", 0, "range_not_satisfiable", no},
    {"PreconditionFailed", 0, "object_changed", no},
    {"InvalidObjectState", 0, "object_archived", no},
    {"ObjectLocked", 0, "object_locked", no},
    {"UploadConflict", 0, "object_locked", once},
    {"OperationAborted", 0, "object_locked", once},
    {"PathConflict", 0, "object_refused", no},
    {"InvalidObjectName", 0, "object_refused", no},
    {"KeyTooLong", 0, "object_refused", no},
    {"KeyTooLongError", 0, "object_refused", no},
    {"EntityTooLarge", 0, "object_refused", no},
    {"InvalidImageFormat", 0, "image_process_refused", no},
    {"InvalidImageSource", 0, "image_process_refused", no},
    {"ImageTooLarge", 0, "image_process_refused", no},
    {"ImageResolutionExceed", 0, "image_process_refused", no},
    {"InvalidPicOperations", 0, "image_process_refused", no},
    // The account.
    {"NoSuchBucket", 0, "bucket_missing", no},
    {"InvalidBucketName", 0, "bucket_missing", no},
    {"InvalidAccessKeyId", 0, "store_key_rejected", no},
    {"SignatureDoesNotMatch", 0, "store_key_rejected", no},
    {"ExpiredToken", 0, "store_token_expired", no},
    {"InvalidToken", 0, "store_token_expired", no},
    {"RequestTimeTooSkewed", 0, "store_clock_wrong", no},
    {"PermanentRedirect", 0, "store_region_wrong", no},
    {"TemporaryRedirect", 0, "store_region_wrong", no},
    {"AuthorizationHeaderMalformed", 0, "store_region_wrong", no},
    {"IllegalLocationConstraintException", 0, "store_region_wrong", no},
    {"PaymentRequired", 0, "store_arrears", no},
    {"AttachmentFull", 0, "store_limit", no},
    {"PolicyFull", 0, "store_limit", no},
    {"TooManyBuckets", 0, "store_limit", no},
    {"DomainAuditFailed", 0, "store_blocked", no},
    {"UnavailableForLegalReasons", 0, "store_blocked", no},
    {"NotImplemented", 0, "store_not_supported", no},
    // The store's own trouble.
    {"InternalError", 0, "store_failed", again},
    {"KmsInternalException", 0, "store_failed", again},
    {"SlowDown", 0, "store_busy", slowly},
    {"ServiceUnavailable", 0, "store_busy", slowly},
    {"KmsFreqControl", 0, "store_busy", slowly},
    {"RequestLimitExceeded", 0, "store_busy", slowly},
    // Words that are not listed, and answers without one.
    {"", 301, "store_region_wrong", no},
    {"", 302, "store_region_wrong", no},
    {"", 307, "store_region_wrong", no},
    {"", 402, "store_arrears", no},
    {"", 403, "store_forbidden", no},
    {"", 404, "object_missing", no},
    {"", 408, "store_unreachable", again},
    {"", 409, "object_locked", no},
    {"", 412, "object_changed", no},
    {"", 416, "range_not_satisfiable", no},
    {"", 429, "store_busy", slowly},
    {"", 451, "store_blocked", no},
    {"", 501, "store_not_supported", no},
    {"", 503, "store_busy", slowly},
};

constexpr FailureKind kKinds[] = {
    {"store_unreachable", Errc::unavailable, Decision::retry, "The object store cannot be reached.",
     "无法连接对象存储。"},
    {"store_busy", Errc::unavailable, Decision::retry, "The object store asks to slow down.",
     "对象存储繁忙，要求降低请求频率。"},
    {"store_failed", Errc::upstream, Decision::retry, "The object store failed.", "对象存储内部出错。"},
    {"store_damaged", Errc::upstream, Decision::retry,
     "The bytes did not arrive at the store as they were sent.", "数据在传输中受损。"},
    {"upload_missing", Errc::conflict, Decision::retry, "The upload in parts is no longer there.",
     "分块上传任务已不存在。"},
    {"object_locked", Errc::conflict, Decision::retry, "The object is being changed or is locked.",
     "对象正在被修改或已锁定。"},
    {"object_missing", Errc::not_found, Decision::final, "The object does not exist.", "对象不存在。"},
    {"object_changed", Errc::conflict, Decision::final, "The object has changed meanwhile.",
     "对象已被更改。"},
    {"object_refused", Errc::invalid, Decision::final, "The store refuses this object.", "存储拒绝该对象。"},
    {"object_archived", Errc::conflict, Decision::final,
     "The object lies in an archive class and must be restored first.", "对象处于归档存储类型，需先恢复。"},
    {"object_key_invalid", Errc::invalid, Decision::final, "This cannot be an object's key.",
     "对象键不合法。"},
    {"range_not_satisfiable", Errc::invalid, Decision::final, "The object has no such range.",
     "请求的范围超出对象大小。"},
    {"image_process_refused", Errc::unsupported_media, Decision::final,
     "The store cannot process this picture.", "存储无法处理该图片。"},
    {"store_stopped", Errc::unavailable, Decision::final, "The transfer was stopped.", "传输已停止。"},
    {"store_cannot_sign", Errc::unavailable, Decision::final, "This store gives no signed links.",
     "该存储不支持签名链接。"},
    {"store_not_supported", Errc::unavailable, Decision::alert, "The store does not offer this operation.",
     "存储不支持该操作。"},
    {"store_misconfigured", Errc::unavailable, Decision::alert,
     "The store refuses the request as it is configured.", "存储拒绝请求，请检查配置。"},
    {"store_tls", Errc::unavailable, Decision::alert, "The store's certificate cannot be trusted.",
     "存储的 TLS 证书不可信。"},
    {"bucket_missing", Errc::unavailable, Decision::alert, "The bucket does not exist.", "存储桶不存在。"},
    {"store_forbidden", Errc::unavailable, Decision::alert, "The key lacks a permission on the bucket.",
     "密钥缺少存储桶权限。"},
    {"store_key_rejected", Errc::unavailable, Decision::alert, "The store does not accept the access key.",
     "存储不接受该访问密钥。"},
    {"store_token_expired", Errc::unavailable, Decision::alert, "The temporary credentials have expired.",
     "临时密钥已过期。"},
    {"store_clock_wrong", Errc::unavailable, Decision::alert,
     "This server's clock is too far from the store's.", "服务器时钟与存储相差过大。"},
    {"store_region_wrong", Errc::unavailable, Decision::alert, "The bucket lies in another region.",
     "存储桶位于其他地域。"},
    {"store_arrears", Errc::unavailable, Decision::alert, "The storage account is in arrears.",
     "存储账户已欠费。"},
    {"store_limit", Errc::unavailable, Decision::alert, "A limit of the storage account is reached.",
     "已达到存储账户限额。"},
    {"store_blocked", Errc::unavailable, Decision::alert,
     "The store's operator has blocked this content or domain.", "内容或域名已被存储服务商封禁。"},
    {"storage_full", Errc::unavailable, Decision::alert, "The server's storage is full.",
     "服务器存储空间已满。"},
    {"storage_failed", Errc::unavailable, Decision::retry, "The server's storage cannot be read or written.",
     "服务器存储无法读写。"},
};

const FailureRule* rule_for(std::string_view word, int status) {
  for (const FailureRule& rule : kRules)
    if (!rule.word.empty() ? rule.word == word : rule.status == status) return &rule;
  return nullptr;
}

}  // namespace

std::span<const FailureRule> failure_rules() { return kRules; }
std::span<const FailureKind> failure_kinds() { return kKinds; }

Error failure(std::string_view code, std::string internal) {
  const auto kind = std::ranges::find(kKinds, code, &FailureKind::code);
  FLUX_ASSERT(kind != std::end(kKinds));
  Error error(kind->errc, std::string(code), Text{std::string(kind->en), std::string(kind->zh)});
  if (kind->decision == Decision::retry) std::move(error).retry_after(60);
  return std::move(error).log(std::move(internal));
}

Decision decision_of(const Error& error) {
  const auto kind = std::ranges::find(kKinds, error.code(), &FailureKind::code);
  if (kind != std::end(kKinds)) return kind->decision;
  return error.errc() == Errc::unavailable || error.errc() == Errc::upstream ? Decision::retry
                                                                             : Decision::final;
}

Refusal refusal_of(const HttpResponse& answer) {
  const xml::Error said = xml::read_error(answer.body);
  const FailureRule* rule = rule_for(said.code, answer.status);
  std::string_view code = rule ? rule->code : answer.status >= 500 ? "store_failed" : "store_misconfigured";
  Repeat repeat = rule ? rule->repeat : answer.status >= 500 ? again : no;
  // COS says so of a signature whose time has passed.
  if (said.code == "AccessDenied" && said.message == "Request has expired") code = "store_clock_wrong";
  std::string request_id = said.request_id;
  for (std::string_view name : {"x-cos-request-id", "x-amz-request-id"})
    if (request_id.empty()) request_id = answer.header(name);
  Refusal refusal;
  refusal.error =
      failure(code, fmt::format("{} {} {} ({})", answer.status, said.code, said.message, request_id))
          .with("store_status", answer.status);
  if (!said.code.empty())
    std::move(refusal.error).with("store_code", boost::json::string(said.code));
  if (!request_id.empty())
    std::move(refusal.error).with("request_id", boost::json::string(request_id));
  refusal.repeat = repeat;
  refusal.word = said.code;
  refusal.region = answer.header("x-amz-bucket-region");
  if (refusal.region.empty()) refusal.region = said.region;
  refusal.from_store = !request_id.empty();
  return refusal;
}

Refusal refusal_of(const net::Failure& broken) {
  using Kind = net::Failure::Kind;
  switch (broken.kind) {
    case Kind::tls: return {failure("store_tls", broken.detail), no};
    case Kind::sink:
    case Kind::cancelled: return {failure("store_stopped", broken.detail), no};
    case Kind::source: return {failure("storage_failed", broken.detail), no};
    case Kind::bad_url:
    case Kind::refused:
    case Kind::too_large: return {failure("store_misconfigured", broken.detail), no};
    case Kind::resolve:
    case Kind::connect:
    case Kind::timeout:
    case Kind::closed: break;
  }
  Error error = failure("store_unreachable", broken.detail)
                    .with("reason", boost::json::string(net::to_string(broken.kind)));
  return {std::move(error), again};
}

}  // namespace fluxgate::files
