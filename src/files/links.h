// Signed links: "/files/{id}/{name}?e=<epoch seconds>&s=<signature>". Whoever has one may GET that file
// until the expiry; nothing is looked up to know so. The expiry is rounded up to a whole day, so one link
// stands for a day and caches hold. The name is for people and not part of what is signed.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace fluxgate::files {

class LinkSigner {
 public:
  LinkSigner(std::string secret, Millis lifetime_ms)
      : secret_(std::move(secret)), lifetime_ms_(lifetime_ms) {}

  std::string link(std::string_view file_id, std::string_view name, Millis now) const;
  // Errc::not_found for altered and expired ones alike: a stranger learns nothing.
  Result<std::string> check(std::string_view file_id, std::string_view expiry, std::string_view signature,
                            Millis now) const;

 private:
  std::string sign(std::string_view file_id, std::string_view expiry) const;

  std::string secret_;
  Millis lifetime_ms_;
};

// The id in "/files/{id}", "/files/{id}/…" with or without a query; "" when `path` is another's.
std::string file_id_in_path(std::string_view path);

}  // namespace fluxgate::files
