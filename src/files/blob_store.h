// Bytes on the local disk, named by their hash: "ab/cd/<sha256>.<ext>" below one directory. A file is
// written under tmp/, flushed, and renamed to its name; so a name, once there, holds all its bytes, also
// after a crash. Nodes may share the directory: equal bytes get equal names, and rename is atomic.
//
// Thread-safe: no state but the directory. Functions block on the disk.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/result.h"

namespace fluxgate::files {

// A file being written. Unless published, it is gone with the object. Hashed from what was written, on whatever
// thread asks for it: receiving bytes costs no more than writing them.
class Staged {
 public:
  explicit Staged(const std::string& tmp_directory);  // creates "<random>" there; throws when it cannot
  ~Staged();
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;

  // Errc::unavailable, code storage_full or storage_failed. So do those below.
  Result<void> append(std::string_view bytes);
  // Ends the writing. The descriptor is closed, so that files that wait for their turn cost none.
  void seal();
  // Takes over what another program (the picture encoder) wrote to path().
  Result<void> adopt_content();
  Result<void> flush();  // fdatasync, unless nothing has come since the last one; from any thread, after seal()

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  // Hashes what has come since the last time; from any thread, also while more comes. Blocks on the disk.
  Result<void> hash_some();
  std::uint64_t unhashed() const { return size_ - hashed_; }
  Result<std::string> sha256();  // hex; after the last byte

 private:
  friend class BlobStore;
  std::string path_;
  int fd_ = -1;
  std::atomic<std::uint64_t> size_{0}, hashed_{0};
  std::atomic<bool> flushed_{false};
  std::mutex hashing_;
  crypto::Sha256 hash_;  // under hashing_
  std::string sha256_;
};

class BlobStore {
 public:
  explicit BlobStore(std::string directory);  // creates it if missing

  std::unique_ptr<Staged> stage() const;
  // Gives the staged file its name for good; flushes and hashes it before, if nobody has. The key.
  Result<std::string> publish(Staged& staged, std::string_view extension) const;
  // For what can be made again: into `path`, whose folder is created; nothing is flushed. After a crash the file may
  // be there without its bytes: has_bytes() tells.
  Result<void> place(Staged& staged, const std::string& path) const;

  // Removes a published file, unless somebody published the same bytes since `older_than`: false then.
  bool take_away(std::string_view key, std::chrono::milliseconds older_than) const;

  // A copy of the file `from` under `key`, whose hash it must have: invalid (not_its_content) else.
  Result<void> adopt_copy(const std::string& from, std::string_view key) const;
  void drop_thumbnails(std::string_view sha256) const;
  // Calls `visit(key, size, age)` for each published file, in no order.
  void each(const std::function<void(const std::string& key, std::uint64_t size, std::chrono::milliseconds age)>& visit) const;

  // Absolute path of a key; "" when `key` has not a key's form (it comes from a database that others
  // may have written).
  std::string path_of(std::string_view key) const;
  std::string thumbnail_path(std::string_view sha256, int side, std::string_view extension) const;
  std::string poster_path(std::string_view sha256) const;

  // Removes staged files that nobody has written to for an hour: what a crash left. Younger ones may
  // belong to another node on the same directory.
  void sweep() const;

 private:
  std::string directory_;
};

bool is_key(std::string_view text);
bool has_bytes(const std::string& path);
// The hash inside a key, which must be one.
std::string_view sha256_of(std::string_view key);

}  // namespace fluxgate::files
