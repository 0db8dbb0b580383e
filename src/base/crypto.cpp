#include "base/crypto.h"

#include <cstring>
#include <stdexcept>

#include <openssl/sha.h>
#include <sodium.h>

namespace fluxgate::crypto {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

SHA256_CTX* sha_state(unsigned char* storage) { return reinterpret_cast<SHA256_CTX*>(storage); }

constexpr std::string_view kSealPrefix = "sealed:1:";

}  // namespace

void initialise() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised: no randomness");
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string random_hex(std::size_t byte_count) {
  std::string bytes = random_bytes(byte_count);
  return hex({bytes_of(bytes), bytes.size()});
}

std::uint64_t random_u64() {
  std::uint64_t n;
  randombytes_buf(&n, sizeof n);
  return n;
}

Digest sha256(std::string_view data) {
  Digest digest;
  crypto_hash_sha256(digest.data(), bytes_of(data), data.size());
  return digest;
}

std::string sha256_hex(std::string_view data) { return hex(sha256(data)); }

Digest hmac_sha256(std::string_view key, std::string_view data) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(data), data.size());
  Digest digest;
  crypto_auth_hmacsha256_final(&state, digest.data());
  return digest;
}

std::string derive_key(std::string_view secret, std::string_view purpose) {
  Digest key = hmac_sha256(secret, purpose);
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Files go through this one: OpenSSL's assembly does twice what libsodium does (with SHA extensions, eight times). Its
// older functions, because they need no allocation and no destructor.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
Sha256::Sha256() {
  static_assert(sizeof(SHA256_CTX) <= sizeof(state_));
  SHA256_Init(sha_state(state_));
}
void Sha256::update(std::string_view data) { SHA256_Update(sha_state(state_), data.data(), data.size()); }
Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), sha_state(state_));
  return digest;
}
#pragma clang diagnostic pop

std::string hex(std::span<const unsigned char> bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();
  return text;
}

std::optional<std::string> unhex(std::string_view text) {
  std::string bytes(text.size() / 2, '\0');
  std::size_t length = 0;
  if (text.size() % 2 != 0 || sodium_hex2bin(bytes_of(bytes), bytes.size(), text.data(), text.size(),
                                             nullptr, &length, nullptr) != 0 || length != bytes.size())
    return std::nullopt;
  return bytes;
}

namespace {
std::string encode64(std::string_view bytes, int variant) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes_of(bytes), bytes.size(), variant);
  text.resize(std::strlen(text.c_str()));
  return text;
}
}  // namespace

std::string base64(std::string_view bytes) { return encode64(bytes, sodium_base64_VARIANT_ORIGINAL); }
std::string base64url(std::string_view bytes) {
  return encode64(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

std::optional<std::string> unbase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  bool url = text.find_first_of("-_") != std::string_view::npos;
  int variant = url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  if (sodium_base642bin(bytes_of(bytes), bytes.size(), text.data(), text.size(), nullptr, &length,
                        nullptr, variant) != 0)
    return std::nullopt;
  bytes.resize(length);
  return bytes;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool verify_ed25519(std::string_view public_key, std::string_view message, std::string_view signature) {
  if (public_key.size() != crypto_sign_PUBLICKEYBYTES || signature.size() != crypto_sign_BYTES) return false;
  return crypto_sign_verify_detached(bytes_of(signature), bytes_of(message), message.size(),
                                     bytes_of(public_key)) == 0;
}

Ed25519KeyPair new_ed25519_key_pair() {
  Ed25519KeyPair pair{std::string(crypto_sign_PUBLICKEYBYTES, '\0'), std::string(crypto_sign_SECRETKEYBYTES, '\0')};
  crypto_sign_keypair(bytes_of(pair.public_key), bytes_of(pair.secret_key));
  return pair;
}

std::string sign_ed25519(std::string_view secret_key, std::string_view message) {
  FLUX_ASSERT(secret_key.size() == crypto_sign_SECRETKEYBYTES);
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(bytes_of(signature), nullptr, bytes_of(message), message.size(), bytes_of(secret_key));
  return signature;
}

Sealer::Sealer(std::string master_key) : key_(std::move(master_key)) {
  FLUX_ASSERT(key_.size() == crypto_secretbox_KEYBYTES);
}

bool Sealer::is_sealed(std::string_view text) { return text.starts_with(kSealPrefix); }

std::string Sealer::seal(std::string_view secret) const {
  std::string nonce = random_bytes(crypto_secretbox_NONCEBYTES);
  std::string box(secret.size() + crypto_secretbox_MACBYTES, '\0');
  crypto_secretbox_easy(bytes_of(box), bytes_of(secret), secret.size(), bytes_of(nonce), bytes_of(key_));
  return std::string(kSealPrefix) + base64(nonce + box);
}

Result<std::string> Sealer::open(std::string_view sealed) const {
  auto bad = [] {
    return fail(Errc::internal, "secret_unreadable",
                {"A stored secret cannot be opened with this master key. Restore the key, or save the secret again.",
                 "已存储的密钥无法用当前主密钥打开。请恢复主密钥，或重新保存该密钥。"});
  };
  if (!is_sealed(sealed)) return bad();
  auto bytes = unbase64(sealed.substr(kSealPrefix.size()));
  if (!bytes || bytes->size() < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES) return bad();
  std::string_view nonce(bytes->data(), crypto_secretbox_NONCEBYTES);
  std::string_view box = std::string_view(*bytes).substr(crypto_secretbox_NONCEBYTES);
  std::string secret(box.size() - crypto_secretbox_MACBYTES, '\0');
  if (crypto_secretbox_open_easy(bytes_of(secret), bytes_of(box), box.size(), bytes_of(nonce), bytes_of(key_)) != 0)
    return bad();
  return secret;
}

}  // namespace fluxgate::crypto
