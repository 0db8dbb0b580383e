// A regular file opened for one answer, and what a conditional request compares it with.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "http/conditions.h"
#include "http/server.h"

namespace fluxgate::http {

class FileReply {
 public:
  // nullopt when there is no such regular file.
  static std::optional<FileReply> open(const std::string& path);
  FileReply(FileReply&& other) noexcept;
  FileReply& operator=(FileReply&& other) noexcept;
  ~FileReply();

  int descriptor() const { return descriptor_; }
  std::uint64_t size() const { return size_; }
  std::time_t modified() const { return modified_; }
  // All of it, for files small enough to be held in memory; shorter if the file shrank meanwhile.
  std::string read(std::uint64_t first, std::uint64_t size) const;

  ByteRange range;  // what is sent of it

 private:
  FileReply() = default;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::time_t modified_ = 0;
};

}  // namespace fluxgate::http
