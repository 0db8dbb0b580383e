// Where the fork's stored copies lie: the object's key in the bucket, out of its public link. Pure.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::db::adopt {

struct Bucket {
  std::string name, region, domain;  // domain: the public base, "https://media.example", or ""
  bool usable = false;               // its secrets are known, so that we can speak to it

  // "generated/images/x.png" of a link to an object in this bucket; "" for other links.
  std::string key_in(std::string_view link) const;
};

}  // namespace fluxgate::db::adopt
