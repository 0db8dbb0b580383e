#include "db/adopt/bucket.h"

#include <fmt/format.h>

namespace fluxgate::db::adopt {
namespace {

std::string_view without_scheme(std::string_view link) {
  const auto scheme = link.find("://");
  return scheme == std::string_view::npos ? link : link.substr(scheme + 3);
}

std::string key_below(std::string_view base, std::string_view link) {
  while (base.ends_with('/')) base.remove_suffix(1);
  if (base.empty() || !link.starts_with(base)) return "";
  link.remove_prefix(base.size());
  if (!link.starts_with('/')) return "";
  while (link.starts_with('/')) link.remove_prefix(1);
  return std::string(link.substr(0, link.find_first_of("?#")));
}

}  // namespace

std::string Bucket::key_in(std::string_view link) const {
  link = without_scheme(link);
  std::string key = key_below(without_scheme(domain), link);
  if (key.empty() && !name.empty() && !region.empty())
    key = key_below(fmt::format("{}.cos.{}.myqcloud.com", name, region), link);
  return key;
}

}  // namespace fluxgate::db::adopt
