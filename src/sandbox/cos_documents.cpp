#include "sandbox/cos_documents.h"

#include <charconv>

#include "base/crypto.h"

namespace fluxgate::sandbox::cos {
namespace {

struct Code {
  std::string_view word;
  int status;
};
constexpr Code kCodes[] = {
    {"AccessDenied", 403},
    {"InvalidAccessKeyId", 403},
    {"SignatureDoesNotMatch", 403},
    {"AuthorizationHeaderMalformed", 400},
    {"AuthorizationQueryParametersError", 400},
    {"ExpiredToken", 400},
    {"RequestTimeTooSkewed", 403},
    {"NoSuchBucket", 404},
    {"NoSuchKey", 404},
    {"NoSuchUpload", 404},
    {"InvalidRange", 416},
    {"PreconditionFailed", 412},
    {"BadDigest", 400},
    {"ImageTooLarge", 400},
    {"InvalidImageFormat", 400},
    {"IncompleteBody", 400},
    {"InvalidArgument", 400},
    {"InvalidPart", 400},
    {"InvalidPartOrder", 400},
    {"EntityTooSmall", 400},
    {"KeyTooLong", 400},
    {"MalformedXML", 400},
    {"AttachmentFull", 400},
    {"PaymentRequired", 402},
    {"MethodNotAllowed", 405},
    {"UploadConflict", 409},
    {"DomainAuditFailed", 451},
    {"InternalError", 500},
    {"NotImplemented", 501},
    {"SlowDown", 503},
    {"ServiceUnavailable", 503},
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

}  // namespace

std::optional<int> status_of(std::string_view code) {
  const auto found = std::ranges::find(kCodes, code, &Code::word);
  return found == std::end(kCodes) ? std::nullopt : std::optional(found->status);
}

std::string encoded(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    out += std::isalnum(byte) || std::string_view("-_.~/").contains(c) ? std::string(1, c)
                                                                       : fmt::format("%{:02X}", byte);
  }
  return out;
}

std::string element(std::string_view name, std::string_view text) {
  return fmt::format("<{0}>{1}</{0}>", name, escaped(text));
}

http::Response document(std::string_view root, std::string_view inside, int status) {
  std::string text = fmt::format("<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<{0}>{1}</{0}>", root, inside);
  return http::Response::text(std::move(text), "application/xml", status);
}

std::string iso(Millis time) { return iso8601(time).substr(0, 19) + ".000Z"; }

http::Response refuse(std::string_view code, std::string_view message, std::string_view resource,
                      std::string_view region) {
  auto answer = document("Error",
                         element("Code", code) + element("Message", message) + element("Resource", resource) +
                             (region.empty() ? "" : element("Region", region)) +
                             element("RequestId", crypto::random_hex(12)) + element("TraceId", "sandbox"),
                         status_of(code).value_or(400));
  if (!region.empty()) answer.headers.emplace_back("x-amz-bucket-region", region);  // all that HEAD is told
  return answer;
}

std::vector<NamedEtag> read_parts(std::string_view xml) {
  std::vector<NamedEtag> parts;
  const auto between = [](std::string_view text, std::string_view open, std::string_view close) {
    const std::size_t from = text.find(open);
    if (from == text.npos) return std::string_view();
    const std::size_t start = from + open.size();
    return text.substr(start, std::min(text.find(close, start), text.size()) - start);
  };
  for (std::size_t at = xml.find("<Part>"); at != xml.npos; at = xml.find("<Part>", at + 1)) {
    const std::string_view one = between(xml.substr(at), "<Part>", "</Part>");
    const std::string_view number = between(one, "<PartNumber>", "</PartNumber>");
    std::string etag(between(one, "<ETag>", "</ETag>"));
    for (std::string_view quote : {"&quot;", "\""})
      for (auto found = etag.find(quote); found != etag.npos; found = etag.find(quote))
        etag.erase(found, quote.size());
    NamedEtag part{0, etag};
    std::from_chars(number.data(), number.data() + number.size(), part.number);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace fluxgate::sandbox::cos
