// Checking signatures as a server does: those of the COS XML API (spec storage-cos §2), of which only what the lists name
// is verified, and on the bucket's S3 side AWS's Version 4 (§8). Shares nothing with the code that signs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/http_message.h"

namespace fluxgate::sandbox::cos {

struct Target {
  std::string path;                                        // decoded, with its "/"
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  std::optional<std::string> find(std::string_view name) const;
};
Target parse_target(std::string_view target);

struct Keys {
  std::string_view id, secret, token;
  std::string_view region;  // the bucket's; S3 side
};
struct Verdict {
  std::string code;  // "" = accepted; else COS's word
  std::string message;
  std::string region = {};  // where the bucket is, when the request was signed for another region
};
// Whether the request is meant for the S3 side, where the path begins with the bucket.
bool speaks_s3(const Target& target, const HeaderList& headers);
// `raw_path` as it was sent. The region must be the bucket's, as AWS has it; bodies are checked by their Content-MD5 alone.
Verdict check_s3(const Keys& keys, std::string_view method, std::string_view raw_path, const Target& target,
                 const HeaderList& headers, Millis now);
Verdict check(const Keys& keys, std::string_view method, const Target& target, const HeaderList& headers,
              Millis now);

}  // namespace fluxgate::sandbox::cos
