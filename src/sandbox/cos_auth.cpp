#include "sandbox/cos_auth.h"

#include <algorithm>
#include <charconv>
#include <ctime>

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

Verdict refuse(std::string code, std::string message) { return {std::move(code), std::move(message), {}}; }

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

// ---- Version 4 ----

constexpr std::string_view kAws = "AWS4-HMAC-SHA256";
constexpr std::int64_t kSkew_s = 900;

std::string sha256(std::string_view text) {
  std::array<unsigned char, 32> bytes;
  EVP_Digest(text.data(), text.size(), bytes.data(), nullptr, EVP_sha256(), nullptr);
  return crypto::hex(bytes);
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, 32> bytes;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), bytes.data(), nullptr);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a request says of its signature, in a header or in its query.
struct Claim {
  std::string id, scope, date, headers, signature, payload;
  std::int64_t lifetime_s = 0;  // of a link; 0 = this is none
};
Claim claim_of(const Target& target, const HeaderList& headers) {
  Fields said = target.query;
  Claim claim;
  std::string authorization = value_of(headers, "authorization");
  const bool is_link = authorization.empty();
  if (!is_link) {
    authorization.erase(0, kAws.size());
    std::erase(authorization, ' ');
    said = split(authorization, ',');
  }
  const std::string prefix = is_link ? "X-Amz-" : "", credential = value_of(said, prefix + "Credential");
  const std::size_t slash = std::min(credential.find('/'), credential.size());
  claim.id = credential.substr(0, slash);
  claim.scope = credential.substr(std::min(slash + 1, credential.size()));
  claim.headers = value_of(said, prefix + "SignedHeaders");
  claim.signature = value_of(said, prefix + "Signature");
  claim.date = is_link ? value_of(said, "X-Amz-Date") : value_of(headers, "x-amz-date");
  claim.payload = is_link ? "UNSIGNED-PAYLOAD" : value_of(headers, "x-amz-content-sha256");
  const std::string life = value_of(target.query, "X-Amz-Expires");
  if (is_link) std::from_chars(life.data(), life.data() + life.size(), claim.lifetime_s);
  return claim;
}

Verdict check_date(const Claim& claim, Millis now) {
  std::tm read{};
  if (::strptime(claim.date.c_str(), "%Y%m%dT%H%M%SZ", &read) == nullptr) return refuse("AccessDenied", "There is no date.");
  const std::int64_t signed_at = ::timegm(&read), age = now / 1000 - signed_at;
  if (age < -kSkew_s || (claim.lifetime_s == 0 && age > kSkew_s))
    return refuse("RequestTimeTooSkewed", "The request's time and the server's are too far apart.");
  if (claim.lifetime_s > 0 && age > claim.lifetime_s) return refuse("AccessDenied", "Request has expired");
  return {};
}

std::string canonical_query(const Target& target) {
  Fields pairs;
  for (const auto& [name, value] : target.query)
    if (name != "X-Amz-Signature") pairs.emplace_back(escape(name), escape(value));
  std::ranges::sort(pairs);
  std::string query;
  for (const auto& [name, value] : pairs) query += (query.empty() ? "" : "&") + name + "=" + value;
  return query;
}

// Those whom AWS says so, and its words.
Verdict check_region(const Claim& claim, std::string_view region) {
  const Fields scope = split(claim.scope, '/');
  const std::string said = scope.size() == 4 ? scope[1].first : "";
  if (said == region) return {};
  const bool is_link = claim.lifetime_s > 0;
  return {is_link ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed",
          fmt::format("{}; the region '{}' is wrong; expecting '{}'",
                      is_link ? "Error parsing the X-Amz-Credential parameter" : "The authorization header is malformed", said, region),
          std::string(region)};
}

// Runs of spaces count as one, outer ones as none.
std::string squeezed(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' || !(out.empty() || out.ends_with(' '))) out += c;
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

bool speaks_s3(const Target& target, const HeaderList& headers) {
  return value_of(headers, "authorization").starts_with(kAws) || target.find("X-Amz-Algorithm").has_value();
}

Verdict check_s3(const Keys& keys, std::string_view method, std::string_view raw_path, const Target& target,
                 const HeaderList& headers, Millis now) {
  const Claim claim = claim_of(target, headers);
  if (claim.id != keys.id) return refuse("InvalidAccessKeyId", "The access key id does not exist.");
  if (Verdict elsewhere = check_region(claim, keys.region); !elsewhere.code.empty()) return elsewhere;
  if (Verdict late = check_date(claim, now); !late.code.empty()) return late;
  std::string lines;
  for (const auto& [name, none] : split(claim.headers, ';')) lines += name + ":" + squeezed(value_of(headers, name)) + "\n";
  const std::string request =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, raw_path, canonical_query(target), lines, claim.headers, claim.payload);
  std::string key = "AWS4" + std::string(keys.secret);
  for (const auto& [step, none] : split(claim.scope, '/')) key = hmac_sha256(key, step);
  const std::string text = fmt::format("{}\n{}\n{}\n{}", kAws, claim.date, claim.scope, sha256(request));
  const std::string wanted = hmac_sha256(key, text);
  const std::string hex = crypto::hex({reinterpret_cast<const unsigned char*>(wanted.data()), wanted.size()});
  if (crypto::equal_constant_time(hex, claim.signature)) return {};
  return refuse("SignatureDoesNotMatch", "The signature we calculated is another.");
}

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
