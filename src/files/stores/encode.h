// Small words that signatures and stores' answers are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace fluxgate::files {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Keeps A-Z a-z 0-9 - _ . ~; every other byte becomes %XX in upper case. The same for COS (spec
// storage-cos §2 rule 2) and S3 (§8).
std::string percent_encode(std::string_view text);
std::string percent_encode_path(std::string_view path);  // keeps "/" too
// nullopt when an escape is cut or no hexadecimal number. "+" stays what it is.
std::optional<std::string> percent_decode(std::string_view text);
std::string lower_case(std::string_view text);

// "Wed, 01 Jan 2025 00:00:00 GMT" and "2025-01-01T00:00:00.000Z"; nullopt when it is neither.
std::optional<Millis> parse_http_date(std::string_view text);
std::optional<Millis> parse_iso_date(std::string_view text);
// "20250101T000000Z"
std::string basic_iso_date(Millis time_ms);

// The digests that the protocols name; SHA-1 and MD5 stand here because they are asked for.
std::string sha1_hex(std::string_view data);
std::string hmac_sha1_hex(std::string_view key, std::string_view data);
std::string md5_base64(std::string_view data);

// Hashes one stretch of bytes for all that a store may check.
struct Digests {
  std::string md5;     // 16 raw bytes
  std::string sha256;  // hex; "" unless asked for
  std::uint64_t crc64 = 0;
};
class Digester {
 public:
  // `crc64`: of the bytes before these, so that parts in order give the CRC of the whole.
  explicit Digester(bool with_sha256, std::uint64_t crc64 = 0);
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  void update(std::string_view data);
  Digests finish();  // once

 private:
  void* md5_;
  void* sha256_ = nullptr;
  std::uint64_t crc64_;
};

// CRC-64/XZ (ECMA-182, reflected, all ones before and after) of bytes that follow others.
std::uint64_t crc64(std::string_view data, std::uint64_t before = 0);

}  // namespace fluxgate::files
