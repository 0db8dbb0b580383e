// Hashes, signatures and sealed secrets, all by libsodium or OpenSSL. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fluxgate::crypto {

using Digest = std::array<unsigned char, 32>;

// Must run once before anything else here (main and test mains do); throws if the system has no
// randomness.
void initialise();

std::string random_bytes(std::size_t count);
std::string random_hex(std::size_t byte_count);
std::uint64_t random_u64();

Digest sha256(std::string_view data);
std::string sha256_hex(std::string_view data);
Digest hmac_sha256(std::string_view key, std::string_view data);
// RFC 5869 in spirit: an independent 32-byte key for one purpose out of a secret.
std::string derive_key(std::string_view secret, std::string_view purpose);

// A SHA-256 that is fed piece by piece.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view data);
  Digest finish();  // once

 private:
  alignas(16) unsigned char state_[128];
};

std::string hex(std::span<const unsigned char> bytes);
std::optional<std::string> unhex(std::string_view text);
std::string base64(std::string_view bytes);                          // RFC 4648 §4, padded
std::string base64url(std::string_view bytes);                       // RFC 4648 §5, not padded
std::optional<std::string> unbase64(std::string_view text);          // either alphabet, padding optional
bool equal_constant_time(std::string_view a, std::string_view b);

// Ed25519. Keys and signatures are raw bytes.
bool verify_ed25519(std::string_view public_key, std::string_view message, std::string_view signature);
struct Ed25519KeyPair { std::string public_key, secret_key; };
Ed25519KeyPair new_ed25519_key_pair();
std::string sign_ed25519(std::string_view secret_key, std::string_view message);

// Secrets at rest (upstream keys): authenticated encryption under the installation's master key.
// Sealed texts start with "sealed:1:"; `open` fails when the key is another or the text was changed.
class Sealer {
 public:
  explicit Sealer(std::string master_key_32_bytes);
  std::string seal(std::string_view secret) const;
  Result<std::string> open(std::string_view sealed) const;
  static bool is_sealed(std::string_view text);

 private:
  std::string key_;
};

}  // namespace fluxgate::crypto
