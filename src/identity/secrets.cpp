#include "identity/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <sodium.h>

#include "base/crypto.h"
#include "base/log.h"

namespace fluxgate::identity {
namespace {

constexpr std::string_view kPublicSecret = "t0p-s3cr3t";
constexpr std::size_t kFileLimit = 4096;

std::unexpected<Error> refused(std::string code, Text message) {
  return fail(Errc::unavailable, std::move(code), std::move(message));
}
std::unexpected<Error> system_failure(const std::filesystem::path& path, int error) {
  const std::string reason = std::strerror(error);
  return refused("secret_file",
                 {fmt::format("{}: {}. Give it to the user fluxgate runs as, or set the key in the "
                              "environment.",
                              path.string(), reason),
                  fmt::format("{}:{}。请将其授权给运行 fluxgate 的用户,或通过环境变量设置密钥。",
                              path.string(), reason)});
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string trimmed(std::string text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.pop_back();
  return text;
}

// The file's text, "" when there is none.
Result<std::string> read_secret(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::string();
    return system_failure(path, errno);
  }
  struct stat info{};
  if (::fstat(file.get(), &info) == 0 && (info.st_mode & 077) != 0)
    log::warn("{} can be read by other users; run: chmod 600 {}", path.string(), path.string());
  std::string text(kFileLimit, '\0');
  const ssize_t count = ::read(file.get(), text.data(), text.size());
  if (count < 0) return system_failure(path, errno);
  text = trimmed(text.substr(0, static_cast<std::size_t>(count)));
  if (text.empty())
    return refused("secret_file",
                   {fmt::format("{} is empty. Put the key back, or remove the file to have a new one "
                                "made.",
                                path.string()),
                    fmt::format("{} 为空。请恢复其内容,或删除该文件以重新生成。", path.string())});
  return text;
}

// Writes `text` under a name of its own and links it into place: readers see all of it or nothing, and of
// several processes the first one wins. The caller reads the file afterwards.
Result<void> publish_secret(const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  const std::string draft = fmt::format("{}.{}", path.string(), crypto::random_hex(8));
  int error = 0;
  {
    const Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return system_failure(path, errno);
    const std::string line = text + "\n";
    if (::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fsync(file.get()) != 0)
      error = errno;
  }
  if (error == 0) {
    if (::link(draft.c_str(), path.c_str()) == 0)
      log::info("made {}", path.string());
    else if (errno != EEXIST)
      error = errno;
  }
  ::unlink(draft.c_str());
  if (error != 0) return system_failure(path, error);
  // The name itself must survive a power cut, or what was sealed meanwhile could not be opened again.
  const Descriptor folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
  return {};
}

Result<std::string> kept_or_made(const std::filesystem::path& path, const std::string& fresh) {
  FLUX_TRY(kept, read_secret(path));
  if (!kept.empty()) return kept;
  FLUX_CHECK(publish_secret(path, fresh));
  return read_secret(path);
}

Result<std::string> decode_master_key(const std::string& text) {
  if (auto bytes = crypto::unhex(text); bytes && bytes->size() == 32) return *bytes;
  if (auto bytes = crypto::unbase64(text); bytes && bytes->size() == 32) return *bytes;
  const bool only_hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  // A key cut short by a mistake must not become a passphrase that happens to work.
  if (text.size() < 16 || (only_hex && text.size() >= 32))
    return refused(
        "master_key_form",
        {"FLUXGATE_MASTER_KEY must be 64 hex digits, the base64 of 32 bytes, or a passphrase of at least "
         "16 characters. Make one with: openssl rand -hex 32",
         "FLUXGATE_MASTER_KEY 应为 64 位十六进制数、32 字节的 base64,或至少 16 个字符的口令。"
         "可用 openssl rand -hex 32 生成。"});
  static constexpr unsigned char kSalt[crypto_pwhash_SALTBYTES + 1] = "fluxgate-master1";
  std::string key(32, '\0');
  if (crypto_pwhash(reinterpret_cast<unsigned char*>(key.data()), key.size(), text.data(), text.size(), kSalt,
                    crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                    crypto_pwhash_ALG_ARGON2ID13) != 0)
    return refused("no_memory", {"Not enough memory to derive the master key.", "内存不足,无法派生主密钥。"});
  return key;
}

}  // namespace

Result<std::string> session_secret(std::string_view given, const std::filesystem::path& data_dir) {
  std::string secret(given);
  if (secret.empty()) {
    FLUX_TRY(kept, kept_or_made(data_dir / kSecretKeyFile, crypto::random_hex(32)));
    secret = std::move(kept);
  } else if (secret.size() < 16) {
    log::warn("WEBUI_SECRET_KEY has fewer than 16 characters: whoever guesses it can sign in as anyone");
  }
  if (secret == kPublicSecret)
    return refused(
        "secret_is_public",
        {"WEBUI_SECRET_KEY is the original's built-in text, which everyone knows. Unset it to have one made, "
         "or set your own: openssl rand -hex 32",
         "WEBUI_SECRET_KEY 是原项目内置的公开密钥,不安全。请取消设置以自动生成,"
         "或自行设置:openssl rand -hex 32"});
  return secret;
}

Result<std::string> master_key(std::string_view given, const std::filesystem::path& data_dir) {
  if (!given.empty()) return decode_master_key(std::string(given));
  FLUX_TRY(kept, kept_or_made(data_dir / kMasterKeyFile, crypto::random_hex(32)));
  return decode_master_key(kept);
}

}  // namespace fluxgate::identity
