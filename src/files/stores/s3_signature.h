// AWS Signature Version 4 for S3 and what speaks like it (spec storage-cos §8). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "files/stores/encode.h"

namespace fluxgate::files {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct S3Signer {
  std::string_view id, secret, region;
  Millis now = 0;
};

struct S3Signature {
  std::string canonical;     // the canonical request, for tests and logs
  std::string header_names;  // joined by ";"
  std::string scope;         // "20250101/us-east-1/s3/aws4_request"
  std::string value;         // 64 hex characters
  std::string authorization;
};

// Signs exactly the given parameters and headers; names in any case, values not encoded. `path` is already
// encoded, once, and is sent byte for byte so.
S3Signature sign_s3(const S3Signer& signer, std::string_view method, std::string_view path,
                    const Pairs& params, const Pairs& headers, std::string_view payload_hash);

// The query of a presigned URL without its "?". `params` are signed with it; `token` "" = none.
std::string s3_presigned_query(const S3Signer& signer, std::string_view method, std::string_view path,
                               Pairs params, const Pairs& headers, int lifetime_s, std::string_view token);

// "name=value" joined by "&", encoded and sorted: what is signed and what is sent.
std::string s3_query(const Pairs& params);

}  // namespace fluxgate::files
