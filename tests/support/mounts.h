// Places that only root can make: a small disk, and a folder in which nothing can be changed. Ask `mounted()` first.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <sys/mount.h>

namespace fluxgate::test {

class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path place) : place_(std::move(place)) {
    std::filesystem::create_directories(place_);
    mounted_ = ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  std::filesystem::path filler() const { return place_ / "filler"; }
  void fill() const {
    std::ofstream out(filler(), std::ios::binary);
    while (out.write(std::string(4096, 'f').data(), 4096).flush()) {
    }
  }

 private:
  const std::filesystem::path place_;
  bool mounted_ = false;
};

// A folder under a second name by which nothing in it can be changed.
class ReadOnlyView {
 public:
  ReadOnlyView(const std::filesystem::path& folder, std::filesystem::path place) : place_(std::move(place)) {
    std::filesystem::create_directories(place_);
    mounted_ = ::mount(folder.c_str(), place_.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
               ::mount(nullptr, place_.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  ~ReadOnlyView() { ::umount2(place_.c_str(), MNT_DETACH); }
  ReadOnlyView(const ReadOnlyView&) = delete;
  bool mounted() const { return mounted_; }

 private:
  const std::filesystem::path place_;
  bool mounted_ = false;
};

}  // namespace fluxgate::test
