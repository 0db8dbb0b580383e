// Bytes that can be read more than once and from any place: a request that failed is sent again, and the
// parts of a large object are sent side by side. Nothing is held in memory for it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace fluxgate::files {

class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint64_t size() const = 0;
  // Up to into.size() bytes from `offset` on; 0 only at the end. Blocks for one read. From any thread, also
  // several at once. Errors: unavailable, code storage_failed.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const = 0;
  // The regular file whose whole content this is, "" when there is none: a store on the same disk takes the
  // file instead of its bytes.
  virtual std::string path() const { return {}; }
};

// The file must not change meanwhile; when it became shorter, read() fails rather than end early. It may be
// unlinked. not_found (file_not_found), or unavailable (storage_failed).
Result<std::shared_ptr<const Source>> open_file_source(std::string path);
std::shared_ptr<const Source> make_memory_source(std::string bytes);

}  // namespace fluxgate::files
