// The bytes of an upload that comes in pieces: one file, whose length is the truth about how far it came. A file
// system writes data before the length that counts it, so what the length says is there after a crash too.
//
// Whoever adds to it holds its lock (flock: it ends with the process, and holds between nodes that share the
// folder). Not thread-safe. Functions block on the disk.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fluxgate::files {

// One of the digests a client can send along (sha1, md5, sha256).
class Digest {
 public:
  static std::optional<Digest> of(std::string_view algorithm);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();
  void update(std::string_view bytes);
  std::string finish();  // raw bytes; once

 private:
  struct Context;
  explicit Digest(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};
inline constexpr std::string_view kDigests = "sha1,md5,sha256";

class PartialFile {
 public:
  // Empty, with a name for good (the folder is flushed). unavailable (storage_full, storage_failed).
  static Result<void> create(const std::string& path);
  // The length, nullopt when there is no such file.
  static std::optional<std::uint64_t> length_of(const std::string& path);

  // conflict (upload_locked) while another request adds; not_found (upload_not_found).
  static Result<PartialFile> open(const std::string& path);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) noexcept;
  ~PartialFile();

  std::uint64_t length() const { return length_; }
  const std::string& path() const { return path_; }

  // From here on bytes are put aside; only `accept` makes them part of the file. So a piece that turns out to be
  // damaged, or whose end never came, was never there.
  Result<void> put_aside();
  Result<void> append(std::string_view bytes);
  Result<void> accept();
  Result<void> flush();  // fdatasync
  std::uint64_t aside() const { return aside_; }  // bytes put aside so far

 private:
  PartialFile() = default;
  std::string path_;
  int fd_ = -1, aside_fd_ = -1;
  std::uint64_t length_ = 0, aside_ = 0;
};

}  // namespace fluxgate::files
