#include "sandbox/cos_operations.h"

#include <algorithm>
#include <span>

namespace fluxgate::sandbox::cos {
namespace {

struct Kind {
  std::string_view method, parameter, name, action;
};
// In order: the first that fits.
constexpr Kind kObjectKinds[] = {
    {"put", "partNumber", "part", "UploadPart"},
    {"post", "uploads", "initiate", "InitiateMultipartUpload"},
    {"post", "uploadId", "complete", "CompleteMultipartUpload"},
    {"get", "uploadId", "parts", "ListParts"},
    {"get", "imageMogr2", "image", "GetObject"},
    {"delete", "uploadId", "abort", "AbortMultipartUpload"},
    {"put", "", "put", "PutObject"},
    {"get", "", "get", "GetObject"},
    {"head", "", "head", "HeadObject"},
    {"delete", "", "delete", "DeleteObject"},
};
constexpr Kind kBucketKinds[] = {
    {"get", "uploads", "uploads", "ListMultipartUploads"},
    {"get", "", "list", "GetBucket"},
    {"head", "", "bucket", "HeadBucket"},
};
bool has(const Target& target, std::string_view parameter) {
  return parameter.empty() || (parameter == "imageMogr2" ? !processing_of(target).empty() : target.find(parameter).has_value());
}

}  // namespace

std::optional<Operation> operation_of(std::string_view method, const Target& target) {
  const std::string key = target.path.substr(std::min<std::size_t>(1, target.path.size()));
  const std::span<const Kind> kinds =
      key.empty() ? std::span<const Kind>(kBucketKinds) : std::span<const Kind>(kObjectKinds);
  for (const Kind& kind : kinds)
    if (kind.method == method && has(target, kind.parameter))
      return Operation{kind.name, kind.action, key};
  return std::nullopt;
}

bool is_operation(std::string_view name) {
  const auto named = [&](const Kind& kind) { return kind.name == name; };
  return std::ranges::any_of(kObjectKinds, named) || std::ranges::any_of(kBucketKinds, named);
}

std::string processing_of(const Target& target) {
  const auto found = std::ranges::find_if(target.query, [](const auto& parameter) { return parameter.first.starts_with("imageMogr2/"); });
  return found == target.query.end() ? std::string() : found->first;
}

}  // namespace fluxgate::sandbox::cos
