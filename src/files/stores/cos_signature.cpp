#include "files/stores/cos_signature.h"

namespace fluxgate::files {
namespace {

struct Encoded {
  std::string pairs;  // name=value joined by "&"
  std::string names;  // joined by ";"
};

Encoded encode(const Pairs& pairs) {
  Pairs sorted;
  for (const auto& [name, value] : pairs)
    sorted.emplace_back(lower_case(percent_encode(name)), percent_encode(value));
  std::ranges::sort(sorted);
  Encoded result;
  for (const auto& [name, value] : sorted) {
    if (!result.names.empty()) {
      result.pairs += '&';
      result.names += ';';
    }
    result.pairs += name + "=" + value;
    result.names += name;
  }
  return result;
}

std::string authorization(const CosSigner& signer, const CosSignature& signature,
                          std::string_view param_names) {
  const std::string time = fmt::format("{};{}", signer.from_s, signer.until_s);
  return fmt::format(
      "q-sign-algorithm=sha1&q-ak={}&q-sign-time={}&q-key-time={}&q-header-list={}&q-url-param-list={}"
      "&q-signature={}",
      signer.id, time, time, signature.header_names, param_names, signature.value);
}

}  // namespace

CosSignature sign_cos(const CosSigner& signer, std::string_view method, std::string_view path,
                      const Pairs& params, const Pairs& headers) {
  const Encoded signed_params = encode(params), signed_headers = encode(headers);
  const std::string time = fmt::format("{};{}", signer.from_s, signer.until_s);
  CosSignature signature;
  signature.http_string =
      fmt::format("{}\n{}\n{}\n{}\n", lower_case(method), path, signed_params.pairs, signed_headers.pairs);
  signature.header_names = signed_headers.names;
  signature.param_names = signed_params.names;
  // The second key is the hexadecimal text of the first digest, not its bytes.
  const std::string sign_key = hmac_sha1_hex(signer.secret, time);
  signature.value =
      hmac_sha1_hex(sign_key, fmt::format("sha1\n{}\n{}\n", time, sha1_hex(signature.http_string)));
  signature.authorization = authorization(signer, signature, signature.param_names);
  return signature;
}

// Names in the list may hold "%2f", which a server decodes once with the query: it is encoded once more.
std::string cos_presigned_query(const CosSigner& signer, std::string_view method, std::string_view path,
                                const Pairs& params, const Pairs& headers) {
  const CosSignature signature = sign_cos(signer, method, path, params, headers);
  std::string names;
  for (const char c : signature.param_names) names += c == '%' ? std::string("%25") : std::string(1, c);
  std::string query = authorization(signer, signature, names);
  for (const auto& [name, value] : params) {
    query += "&" + percent_encode(name);
    if (!value.empty()) query += "=" + percent_encode(value);
  }
  return query;
}

}  // namespace fluxgate::files
