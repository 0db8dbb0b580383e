// Signatures of the COS XML API, "q-sign-algorithm=sha1" (spec storage-cos §2). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "files/stores/encode.h"

namespace fluxgate::files {

struct CosSigner {
  std::string_view id, secret;
  std::int64_t from_s = 0, until_s = 0;  // Unix seconds in which the signature holds
};

struct CosSignature {
  std::string http_string;   // what was hashed, for tests and logs
  std::string header_names;  // encoded, lower case, joined by ";"
  std::string param_names;
  std::string value;          // 40 hex characters
  std::string authorization;  // the header's value; in a presigned URL: part of the query, see below
};

// Signs exactly the given parameters and headers; names in any case, values not encoded. `path` is "/" + key,
// not encoded.
CosSignature sign_cos(const CosSigner& signer, std::string_view method, std::string_view path,
                      const Pairs& params, const Pairs& headers);

// The query of a presigned URL without its "?": the signature, then the signed parameters.
std::string cos_presigned_query(const CosSigner& signer, std::string_view method, std::string_view path,
                                const Pairs& params, const Pairs& headers);

}  // namespace fluxgate::files
