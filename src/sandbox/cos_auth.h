// Checking signatures of the COS XML API as a server does (spec storage-cos §2): only what the lists name is
// verified. Shares nothing with the code that signs.
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
};
struct Verdict {
  std::string code;  // "" = accepted; else COS's word
  std::string message;
};
Verdict check(const Keys& keys, std::string_view method, const Target& target, const HeaderList& headers,
              Millis now);

}  // namespace fluxgate::sandbox::cos
