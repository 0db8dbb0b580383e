#include "sandbox/cos_shelf.h"

#include <filesystem>
#include <fstream>

#include <lzma.h>

#include "base/crypto.h"

namespace fluxgate::sandbox::cos {
namespace {

constexpr std::uint64_t kPartBytesMin = 1u << 20;  // but for the last

bool starts_with(const std::string& key, const std::string& prefix) { return key.starts_with(prefix); }

Blob join(const std::string& path, const std::map<int, Blob>& parts, const std::vector<NamedEtag>& wanted) {
  Blob whole{path};
  std::ofstream out(path, std::ios::binary);
  std::string buffer(256 * 1024, '\0');
  for (const NamedEtag& part : wanted) {
    std::ifstream in(parts.at(part.number).path, std::ios::binary);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
      const auto got = static_cast<std::size_t>(in.gcount());
      out.write(buffer.data(), in.gcount());
      whole.size += got;
      whole.crc64 = lzma_crc64(reinterpret_cast<const std::uint8_t*>(buffer.data()), got, whole.crc64);
    }
  }
  return whole;
}

}  // namespace

Shelf::Shelf(std::string folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
}

std::string Shelf::new_path() {
  const std::scoped_lock lock(mutex_);
  return fmt::format("{}/{}", folder_, ++files_);
}

void Shelf::put(const std::string& key, Object object) {
  const std::scoped_lock lock(mutex_);
  objects_[key] = std::move(object);
}

std::optional<Object> Shelf::find(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second);
}

void Shelf::remove(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  objects_.erase(key);
}

std::vector<std::pair<std::string, Object>> Shelf::list(const std::string& prefix,
                                                        const std::string& after) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<std::string, Object>> found;
  for (auto at = objects_.upper_bound(after); at != objects_.end(); ++at)
    if (starts_with(at->first, prefix)) found.push_back(*at);
  return found;
}

std::string Shelf::begin(Upload upload) {
  const std::scoped_lock lock(mutex_);
  std::string id = crypto::random_hex(16);
  uploads_[id] = std::move(upload);
  return id;
}

std::optional<Upload> Shelf::upload(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = uploads_.find(id);
  return found == uploads_.end() ? std::nullopt : std::optional(found->second);
}

bool Shelf::add_part(const std::string& id, int number, Blob blob) {
  const std::scoped_lock lock(mutex_);
  const auto found = uploads_.find(id);
  if (found != uploads_.end()) found->second.parts[number] = std::move(blob);
  return found != uploads_.end();
}

bool Shelf::abort(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  return uploads_.erase(id) > 0;
}

std::vector<std::pair<std::string, Upload>> Shelf::uploads(const std::string& prefix) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<std::string, Upload>> found;
  for (const auto& [id, upload] : uploads_)
    if (starts_with(upload.key, prefix)) found.emplace_back(id, upload);
  return found;
}

std::string Shelf::complete(const std::string& id, const std::vector<NamedEtag>& wanted, Millis now) {
  const auto open = upload(id);
  if (!open) return "NoSuchUpload";
  if (wanted.empty()) return "MalformedXML";
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i > 0 && wanted[i].number <= wanted[i - 1].number) return "InvalidPartOrder";
    const auto part = open->parts.find(wanted[i].number);
    if (part == open->parts.end() || part->second.md5 != wanted[i].etag) return "InvalidPart";
    if (i + 1 < wanted.size() && part->second.size < kPartBytesMin) return "EntityTooSmall";
  }
  const Blob whole = join(new_path(), open->parts, wanted);
  put(open->key, {whole, fmt::format("{:016x}-{}", whole.crc64, wanted.size()), open->headers, now});
  abort(id);
  return {};
}

}  // namespace fluxgate::sandbox::cos
