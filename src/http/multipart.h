// A streaming reader of multipart/form-data (RFC 7578) over a request's body. Memory use is bounded
// whatever the size of the parts.
#pragma once

#include <memory>
#include <string>

#include "http/server.h"

namespace fluxgate::http {

struct PartHeader {
  std::string name;          // of the form field
  std::string file_name;     // "" when the part is no file
  std::string content_type;  // as the client says; never trusted
};

class MultipartReader {
 public:
  // `total_limit` bounds the whole body. The request must outlive the reader.
  // unsupported_media when the Content-Type is not multipart/form-data with a boundary.
  static Result<MultipartReader> open(Request& request, std::uint64_t total_limit);
  MultipartReader(MultipartReader&&) noexcept;
  ~MultipartReader();

  // The next part, or nullopt after the last. Skips what is left of the current one.
  awaitable<Result<std::optional<PartHeader>>> next_part();
  // The next piece of the current part; "" at its end. The view lives until the next call.
  awaitable<Result<std::string_view>> read_some();

 private:
  struct Impl;
  explicit MultipartReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fluxgate::http
