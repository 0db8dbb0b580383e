#include "files/stores/encode.h"

#include <ctime>

#include <lzma.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/crypto.h"

namespace fluxgate::files {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string encoded(std::string_view text, std::string_view kept) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || kept.contains(c)) {
      result += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return result;
}

std::string digest(const EVP_MD* kind, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), bytes.data(), &size, kind, nullptr) != 1) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

std::string hex_of(std::string_view bytes) {
  return crypto::hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

std::optional<Millis> parsed(std::string_view text, const char* format, std::size_t length) {
  std::tm time{};
  const std::string copy(text.substr(0, length));
  const char* end = ::strptime(copy.c_str(), format, &time);
  if (!end || *end != '\0') return std::nullopt;
  return static_cast<Millis>(::timegm(&time)) * 1000;
}

EVP_MD_CTX* begin_digest(const EVP_MD* kind) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  if (!context || EVP_DigestInit_ex(context, kind, nullptr) != 1) throw std::bad_alloc();
  return context;
}

std::string end_digest(void* context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context), bytes.data(), &size);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

std::string percent_encode(std::string_view text) { return encoded(text, ""); }
std::string percent_encode_path(std::string_view path) { return encoded(path, "/"); }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const auto byte = crypto::unhex(lower_case(text.substr(i + 1, 2)));
    if (!byte || byte->size() != 1) return std::nullopt;
    result += *byte;
    i += 2;
  }
  return result;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::optional<Millis> parse_http_date(std::string_view text) {
  return parsed(text, "%a, %d %b %Y %H:%M:%S GMT", text.size());
}

std::optional<Millis> parse_iso_date(std::string_view text) {
  constexpr std::size_t kToSeconds = 19;
  if (text.size() <= kToSeconds || text.back() != 'Z') return std::nullopt;
  return parsed(text, "%Y-%m-%dT%H:%M:%S", kToSeconds);
}

std::string basic_iso_date(Millis time_ms) {
  std::string text = iso8601(time_ms).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

std::string sha1_hex(std::string_view data) { return hex_of(digest(EVP_sha1(), data)); }

std::string hmac_sha1_hex(std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  if (!HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(data.data()), data.size(), bytes.data(), &size))
    throw std::bad_alloc();
  return crypto::hex({bytes.data(), size});
}

std::string md5_base64(std::string_view data) { return crypto::base64(digest(EVP_md5(), data)); }

Digester::Digester(bool with_sha256, std::uint64_t crc64) : md5_(begin_digest(EVP_md5())), crc64_(crc64) {
  if (with_sha256) sha256_ = begin_digest(EVP_sha256());
}

Digester::~Digester() {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(md5_));
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(sha256_));
}

void Digester::update(std::string_view data) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(md5_), data.data(), data.size());
  if (sha256_) EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(sha256_), data.data(), data.size());
  crc64_ = crc64(data, crc64_);
}

Digests Digester::finish() {
  return {end_digest(md5_), sha256_ ? hex_of(end_digest(sha256_)) : std::string(), crc64_};
}

std::uint64_t crc64(std::string_view data, std::uint64_t before) {
  return lzma_crc64(reinterpret_cast<const std::uint8_t*>(data.data()), data.size(), before);
}

}  // namespace fluxgate::files
