// A disk in memory that can lose power: an SQLite VFS whose files remember what was written since the last sync.
// At a crash any part of that, in any order of sectors, may be there or not, and the last write may be torn; what
// was synced stays. One disk at a time, used by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace fluxgate::simulation {

class CrashDisk {
 public:
  explicit CrashDisk(std::uint64_t seed);
  ~CrashDisk();
  CrashDisk(const CrashDisk&) = delete;

  // After so many more writes and syncs every operation fails, as if the process had died there.
  void crash_after(int operations) { left_ = operations; }
  bool crashed() const { return left_ == 0; }
  // What a machine finds when it comes up again; the disk works again.
  void lose_power(std::mt19937_64& random);

  // For the VFS.
  struct Write {
    std::size_t offset = 0;
    std::string bytes;
  };
  struct File {
    std::string synced, now;
    std::vector<Write> pending;      // since the last sync, in order
  };
  bool works() const { return left_ != 0; }
  // Counts one operation; false when it is the one that fails.
  bool spend() {
    if (left_ > 0) --left_;
    return left_ != 0;
  }
  std::map<std::string, File> files;
  std::mt19937_64 noise;

 private:
  int left_ = -1;  // -1: for ever
};

}  // namespace fluxgate::simulation
