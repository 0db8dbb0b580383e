#include "files/links.h"

#include <charconv>

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include "base/crypto.h"
#include "base/ids.h"

namespace fluxgate::files {
namespace {

constexpr std::string_view kPrefix = "/files/";

std::unexpected<Error> no_such_link() {
  return fail(Errc::not_found, "file_not_found",
              {"There is no such file, or the link to it has expired.", "文件不存在，或其链接已过期。"});
}

}  // namespace

// 144 bits of the MAC: short links, out of reach for guessing.
std::string LinkSigner::sign(std::string_view file_id, std::string_view expiry) const {
  const auto mac = crypto::hmac_sha256(secret_, fmt::format("file link\n{}\n{}", file_id, expiry));
  return crypto::base64url({reinterpret_cast<const char*>(mac.data()), 18});
}

std::string LinkSigner::link(std::string_view file_id, std::string_view name, Millis now) const {
  constexpr Millis kDay = 24ll * 3600 * 1000;
  const Millis expires = (now + lifetime_ms_ + kDay - 1) / kDay * kDay;
  const std::string expiry = std::to_string(expires / 1000);
  const std::string encoded_name =
      boost::urls::encode({name.data(), name.size()}, boost::urls::unreserved_chars);
  return fmt::format("{}{}/{}?e={}&s={}", kPrefix, file_id, encoded_name, expiry, sign(file_id, expiry));
}

Result<std::string> LinkSigner::check(std::string_view file_id, std::string_view expiry,
                                      std::string_view signature, Millis now) const {
  Millis expires_s = 0;
  const auto [end, error] = std::from_chars(expiry.data(), expiry.data() + expiry.size(), expires_s);
  if (error != std::errc() || end != expiry.data() + expiry.size()) return no_such_link();
  if (!crypto::equal_constant_time(signature, sign(file_id, expiry))) return no_such_link();
  if (expires_s <= now / 1000) return no_such_link();
  return std::string(file_id);
}

std::string file_id_in_path(std::string_view path) {
  if (!path.starts_with(kPrefix)) return "";
  path.remove_prefix(kPrefix.size());
  const std::string_view id = path.substr(0, path.find_first_of("/?#"));
  return is_uuid(id) ? std::string(id) : std::string();
}

}  // namespace fluxgate::files
