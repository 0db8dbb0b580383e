// What a fake COS bucket keeps: the bytes in files, everything else in memory. Thread-safe; files are read
// and written by the caller.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/http_message.h"

namespace fluxgate::sandbox::cos {

struct Blob {
  std::string path;
  std::uint64_t size = 0, crc64 = 0;
  std::string md5;  // hex
};

struct Object {
  Blob blob;
  std::string etag;
  HeaderList headers;  // as they were given: Content-Type, Cache-Control …
  Millis modified_at = 0;
};

struct Upload {
  std::string key;
  HeaderList headers;
  Millis begun_at = 0;
  std::map<int, Blob> parts;
};

struct NamedEtag {
  int number = 0;
  std::string etag;
};

class Shelf {
 public:
  explicit Shelf(std::string folder);

  std::string new_path();  // of a file that does not exist yet
  void put(const std::string& key, Object object);
  std::optional<Object> find(const std::string& key) const;
  void remove(const std::string& key);
  std::vector<std::pair<std::string, Object>> list(const std::string& prefix, const std::string& after) const;

  std::string begin(Upload upload);
  std::optional<Upload> upload(const std::string& id) const;
  bool add_part(const std::string& id, int number, Blob blob);
  bool abort(const std::string& id);
  std::vector<std::pair<std::string, Upload>> uploads(const std::string& prefix) const;
  // Joins the parts into an object; COS's word when it cannot be, "" when it was.
  std::string complete(const std::string& id, const std::vector<NamedEtag>& wanted, Millis now);

 private:
  const std::string folder_;
  mutable std::mutex mutex_;  // guards what follows
  std::uint64_t files_ = 0;
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
};

}  // namespace fluxgate::sandbox::cos
