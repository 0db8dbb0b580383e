// The few system calls that make files durable.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fluxgate::files {

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, unsigned mode = 0640);  // with O_CLOEXEC
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The error for what errno says, logged: Errc::unavailable, code storage_full or storage_failed.
std::unexpected<Error> disk_error(std::string_view what, const std::string& path);

// A name is only as durable as the folder that holds it.
bool flush_folder(const std::string& path);
// Creates a folder inside one that exists, durably; true also when it is there.
bool make_folder(const std::string& parent, const std::string& path);

}  // namespace fluxgate::files
