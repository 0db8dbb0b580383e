#include "sandbox/uploads.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "sandbox/picture.h"

namespace fluxgate::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUploadMax = 200u << 20;
constexpr int kPartsMax = 1000;
constexpr unsigned kExpireEvery = 256;
constexpr std::size_t kIdLength = 32;

bool is_upload_id(std::string_view id) {
  return id.size() == kIdLength && id.find_first_not_of("0123456789abcdef") == id.npos;
}

Error unknown_upload() {
  return Error(Errc::not_found, "not_found", {"There is no such upload.", "没有这个上传。"});
}

Error disk_refused() {
  return Error(Errc::internal, "upload_failed", {"The upload could not be kept.", "无法保存上传的文件。"});
}

}  // namespace

Uploads::Uploads(std::string folder, Millis time_to_live_ms)
    : folder_(std::move(folder)), time_to_live_ms_(time_to_live_ms) {
  fs::create_directories(folder_);
  expire();
}

std::string Uploads::new_upload_id() { return crypto::random_hex(kIdLength / 2); }

std::string Uploads::path_of(std::string_view id, int part) const {
  return part == 0 ? fmt::format("{}/{}", folder_, id) : fmt::format("{}/{}.{}", folder_, id, part);
}

awaitable<Result<std::string>> Uploads::receive(http::Request& request, std::string id, int part) {
  if (!is_upload_id(id) || part < 0 || part > kPartsMax) co_return fail(unknown_upload());
  if (++received_ % kExpireEvery == 0) expire();
  // Under another name until it is whole, so that nobody reads half a file.
  const std::string final_path = path_of(id, part);
  const std::string open_path = fmt::format("{}.open-{}", final_path, crypto::random_hex(4));
  std::ofstream file(open_path, std::ios::binary);
  crypto::Sha256 hash;
  for (;;) {
    auto piece = co_await request.read_some(kUploadMax);
    if (!piece) {
      fs::remove(open_path);
      co_return std::unexpected(std::move(piece).error());
    }
    if (piece->empty()) break;
    hash.update(*piece);
    file.write(piece->data(), static_cast<std::streamsize>(piece->size()));
  }
  file.close();
  std::error_code refused;
  if (file) fs::rename(open_path, final_path, refused);
  if (!file || refused) co_return fail(disk_refused());
  auto digest = hash.finish();
  co_return crypto::hex(digest);
}

Result<void> Uploads::complete(std::string_view id, int count) {
  if (!is_upload_id(id) || count < 1 || count > kPartsMax) return fail(unknown_upload());
  const std::string whole = path_of(id, 0);
  const std::string open_path = whole + ".open";
  {
    std::ofstream file(open_path, std::ios::binary);
    for (int part = 1; part <= count; ++part) {
      std::ifstream bytes(path_of(id, part), std::ios::binary);
      if (!bytes) return fail(unknown_upload());
      file << bytes.rdbuf();
    }
    if (!file) return fail(disk_refused());
  }
  fs::rename(open_path, whole);
  for (int part = 1; part <= count; ++part) fs::remove(path_of(id, part));
  return {};
}

std::optional<std::string> Uploads::file_of(std::string_view id) const {
  if (!is_upload_id(id)) return std::nullopt;
  std::string path = path_of(id, 0);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  return path;
}

std::optional<PixelSize> Uploads::measure(std::string_view id) const {
  auto path = file_of(id);
  if (!path) return std::nullopt;
  std::ifstream file(*path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  return measure_picture(bytes);
}

std::string_view Uploads::sniff(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char start[16] = {};
  file.read(start, sizeof start);
  std::string_view bytes(start, static_cast<std::size_t>(file.gcount()));
  if (bytes.starts_with("\x89PNG")) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("RIFF") && bytes.substr(8).starts_with("WEBP")) return "image/webp";
  if (bytes.starts_with("GIF8")) return "image/gif";
  return "application/octet-stream";
}

void Uploads::expire() {
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::milliseconds(time_to_live_ms_);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored))
    if (entry.last_write_time(ignored) < oldest) fs::remove(entry.path(), ignored);
}

}  // namespace fluxgate::sandbox
