// Uploaded input files: <folder>/uploads/<id>, and <id>.<n> for the parts of a large one until it is
// complete. Bytes go to disk as they arrive. Shared by all sandboxes on the folder; files older than
// the time to live are deleted at start and now and then. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/coro.h"
#include "base/result.h"
#include "http/server.h"
#include "sandbox/input.h"

namespace fluxgate::sandbox {

class Uploads {
 public:
  Uploads(std::string folder, Millis time_to_live_ms);

  static std::string new_upload_id();
  // Streams the body of `request` into the upload, or into part `part` of it (1-based; 0 = whole).
  // Returns the SHA-256 in hex. At most 200 MB.
  awaitable<Result<std::string>> receive(http::Request& request, std::string id, int part);
  // Joins the parts 1..count.
  Result<void> complete(std::string_view id, int count);
  std::optional<std::string> file_of(std::string_view id) const;  // nullopt when there is none
  std::optional<PixelSize> measure(std::string_view id) const;
  // By the first bytes: an image type that we know, or application/octet-stream.
  static std::string_view sniff(const std::string& path);

 private:
  std::string path_of(std::string_view id, int part) const;
  void expire();

  const std::string folder_;
  const Millis time_to_live_ms_;
  std::atomic<unsigned> received_{0};
};

}  // namespace fluxgate::sandbox
