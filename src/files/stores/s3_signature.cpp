#include "files/stores/s3_signature.h"

#include "base/crypto.h"

namespace fluxgate::files {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// Outer spaces go, inner runs of them become one.
std::string squeezed(std::string_view text) {
  std::string result;
  for (const char c : text)
    if (c != ' ' || (!result.empty() && result.back() != ' ')) result += c;
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

std::string hmac(std::string_view key, std::string_view data) {
  const crypto::Digest digest = crypto::hmac_sha256(key, data);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string scope_of(const S3Signer& signer) {
  return fmt::format("{}/{}/s3/aws4_request", basic_iso_date(signer.now).substr(0, 8), signer.region);
}

std::string signing_key(const S3Signer& signer) {
  const std::string day = hmac(fmt::format("AWS4{}", signer.secret), basic_iso_date(signer.now).substr(0, 8));
  return hmac(hmac(hmac(day, signer.region), "s3"), "aws4_request");
}

Pairs canonical_headers(const Pairs& headers) {
  Pairs sorted;
  for (const auto& [name, value] : headers) sorted.emplace_back(lower_case(name), squeezed(value));
  std::ranges::sort(sorted);
  return sorted;
}

std::string names_of(const Pairs& sorted_headers) {
  std::string names;
  for (const auto& [name, value] : sorted_headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

}  // namespace

std::string s3_query(const Pairs& params) {
  Pairs sorted;
  for (const auto& [name, value] : params) sorted.emplace_back(percent_encode(name), percent_encode(value));
  std::ranges::sort(sorted);
  std::string query;
  for (const auto& [name, value] : sorted) query += (query.empty() ? "" : "&") + name + "=" + value;
  return query;
}

S3Signature sign_s3(const S3Signer& signer, std::string_view method, std::string_view path,
                    const Pairs& params, const Pairs& headers, std::string_view payload_hash) {
  const Pairs sorted = canonical_headers(headers);
  S3Signature signature;
  signature.header_names = names_of(sorted);
  signature.scope = scope_of(signer);
  signature.canonical = fmt::format("{}\n{}\n{}\n", method, path, s3_query(params));
  for (const auto& [name, value] : sorted) signature.canonical += name + ":" + value + "\n";
  signature.canonical += fmt::format("\n{}\n{}", signature.header_names, payload_hash);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, basic_iso_date(signer.now),
                                          signature.scope, crypto::sha256_hex(signature.canonical));
  signature.value = crypto::hex(crypto::hmac_sha256(signing_key(signer), to_sign));
  signature.authorization = fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                        signer.id, signature.scope, signature.header_names, signature.value);
  return signature;
}

std::string s3_presigned_query(const S3Signer& signer, std::string_view method, std::string_view path,
                               Pairs params, const Pairs& headers, int lifetime_s, std::string_view token) {
  params.emplace_back("X-Amz-Algorithm", kAlgorithm);
  params.emplace_back("X-Amz-Credential", fmt::format("{}/{}", signer.id, scope_of(signer)));
  params.emplace_back("X-Amz-Date", basic_iso_date(signer.now));
  params.emplace_back("X-Amz-Expires", std::to_string(lifetime_s));
  params.emplace_back("X-Amz-SignedHeaders", names_of(canonical_headers(headers)));
  if (!token.empty()) params.emplace_back("X-Amz-Security-Token", token);
  const S3Signature signature = sign_s3(signer, method, path, params, headers, kUnsignedPayload);
  return s3_query(params) + "&X-Amz-Signature=" + signature.value;
}

}  // namespace fluxgate::files
