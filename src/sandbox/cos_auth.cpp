#include "sandbox/cos_auth.h"

#include <charconv>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/crypto.h"

namespace fluxgate::sandbox::cos {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = 0;
    const bool escape =
        text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3;
    plain += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return plain;
}

std::string escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~')
      escaped += c;
    else
      escaped += fmt::format("%{:02X}", byte);
  }
  return escaped;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string sha1(std::string_view text) {
  std::array<unsigned char, 20> bytes;
  EVP_Digest(text.data(), text.size(), bytes.data(), nullptr, EVP_sha1(), nullptr);
  return crypto::hex(bytes);
}

std::string hmac_sha1(std::string_view key, std::string_view text) {
  std::array<unsigned char, 20> bytes;
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes.data(), nullptr);
  return crypto::hex(bytes);
}

Fields split(std::string_view text, char separator) {
  Fields fields;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::size_t equals = std::min(one.find('='), one.size());
    fields.emplace_back(one.substr(0, equals), one.substr(std::min(equals + 1, one.size())));
  }
  return fields;
}

std::string value_of(const Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? std::string() : found->second;
}

// The listed names with the values that came, as they were signed; nullopt when one did not come.
std::optional<std::string> listed(const std::string& list, const Fields& came) {
  std::string joined;
  for (const auto& [name, none] : split(list, ';')) {
    const auto found =
        std::ranges::find_if(came, [&](const auto& field) { return lower(escape(field.first)) == name; });
    if (found == came.end()) return std::nullopt;
    joined += (joined.empty() ? "" : "&") + name + "=" + escape(found->second);
  }
  return joined;
}

Verdict refuse(std::string code, std::string message) { return {std::move(code), std::move(message)}; }

Verdict check_time(const std::string& key_time, Millis now) {
  std::int64_t from = 0, until = 0;
  const std::size_t semicolon = std::min(key_time.find(';'), key_time.size());
  std::from_chars(key_time.data(), key_time.data() + semicolon, from);
  std::from_chars(key_time.data() + std::min(semicolon + 1, key_time.size()),
                  key_time.data() + key_time.size(), until);
  if (now / 1000 > until) return refuse("AccessDenied", "Request has expired");
  if (now / 1000 < from) return refuse("RequestTimeTooSkewed", "The request lies in the future.");
  return {};
}

}  // namespace

std::optional<std::string> Target::find(std::string_view name) const {
  const auto found = std::ranges::find(query, name, &Fields::value_type::first);
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

Target parse_target(std::string_view target) {
  const std::size_t question = std::min(target.find('?'), target.size());
  Target parsed{unescape(target.substr(0, question)), {}};
  for (const auto& [name, value] : split(target.substr(std::min(question + 1, target.size())), '&'))
    parsed.query.emplace_back(unescape(name), unescape(value));
  return parsed;
}

Verdict check(const Keys& keys, std::string_view method, const Target& target, const HeaderList& headers,
              Millis now) {
  const std::string authorization = value_of(headers, "authorization");
  const Fields signature = authorization.empty() ? target.query : split(authorization, '&');
  if (value_of(signature, "q-signature").empty()) return refuse("AccessDenied", "Access Denied.");
  if (value_of(signature, "q-ak") != keys.id)
    return refuse("InvalidAccessKeyId", "The access key id does not exist.");
  std::string token = value_of(headers, "x-cos-security-token");
  if (token.empty()) token = target.find("x-cos-security-token").value_or("");
  if (token != keys.token) return refuse("ExpiredToken", "The token is not valid.");
  const std::string key_time = value_of(signature, "q-key-time");
  if (Verdict early = check_time(key_time, now); !early.code.empty()) return early;

  const auto params = listed(value_of(signature, "q-url-param-list"), target.query);
  const auto signed_headers = listed(value_of(signature, "q-header-list"), headers);
  const std::string sign_key = hmac_sha1(keys.secret, key_time);
  if (params && signed_headers) {
    const std::string http = fmt::format("{}\n{}\n{}\n{}\n", lower(method), target.path, *params, *signed_headers);
    const std::string wanted = hmac_sha1(sign_key, fmt::format("sha1\n{}\n{}\n", key_time, sha1(http)));
    if (crypto::equal_constant_time(wanted, value_of(signature, "q-signature"))) return {};
  }
  return refuse("SignatureDoesNotMatch", "The signature we calculated is another.");
}

}  // namespace fluxgate::sandbox::cos
