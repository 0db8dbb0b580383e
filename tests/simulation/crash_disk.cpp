#include "crash_disk.h"

#include <cstring>

#include <sqlite3.h>

namespace fluxgate::simulation {
namespace {

constexpr std::size_t kSector = 512;
constexpr const char* kName = "crash-disk";

CrashDisk* disk = nullptr;

struct Handle {
  sqlite3_file base;
  CrashDisk::File* file;
};
CrashDisk::File& file_of(sqlite3_file* handle) { return *reinterpret_cast<Handle*>(handle)->file; }

void put(std::string& content, std::size_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

int close_file(sqlite3_file*) { return SQLITE_OK; }

int read_file(sqlite3_file* handle, void* buffer, int amount, sqlite3_int64 offset) {
  if (!disk->works()) return SQLITE_IOERR_READ;
  const std::string& content = file_of(handle).now;
  const auto from = static_cast<std::size_t>(offset), wanted = static_cast<std::size_t>(amount);
  const std::size_t there = from < content.size() ? std::min(wanted, content.size() - from) : 0;
  std::memcpy(buffer, content.data() + std::min(from, content.size()), there);
  std::memset(static_cast<char*>(buffer) + there, 0, wanted - there);
  return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* handle, const void* bytes, int amount, sqlite3_int64 offset) {
  CrashDisk::File& file = file_of(handle);
  const std::string_view text(static_cast<const char*>(bytes), static_cast<std::size_t>(amount));
  const bool works = disk->works();
  // The write at which the process dies may still reach the disk, or half of it.
  if (works) file.pending.push_back({static_cast<std::size_t>(offset), std::string(text)});
  if (!works || !disk->spend()) return SQLITE_IOERR_WRITE;
  put(file.now, static_cast<std::size_t>(offset), text);
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* handle, sqlite3_int64 size) {
  if (!disk->works()) return SQLITE_IOERR_TRUNCATE;
  CrashDisk::File& file = file_of(handle);
  file.now.resize(static_cast<std::size_t>(size));
  file.synced = file.now;  // metadata journals keep the order of truncations
  file.pending.clear();
  return SQLITE_OK;
}

int sync_file(sqlite3_file* handle, int) {
  if (!disk->works() || !disk->spend()) return SQLITE_IOERR_FSYNC;
  CrashDisk::File& file = file_of(handle);
  file.synced = file.now;
  file.pending.clear();
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* handle, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(file_of(handle).now.size());
  return SQLITE_OK;
}
int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int is_reserved(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return static_cast<int>(kSector); }
int characteristics(sqlite3_file*) { return 0; }

// Version 1: no shared memory. The write-ahead log works without it in exclusive locking mode.
const sqlite3_io_methods kMethods = {1, close_file, read_file, write_file, truncate_file, sync_file, size_of_file, lock_file,
                                     lock_file, is_reserved, control_file, sector_size, characteristics,
                                     nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* handle, int flags, int* out_flags) {
  if (!disk->works()) return SQLITE_IOERR;
  reinterpret_cast<Handle*>(handle)->file = &disk->files[name == nullptr ? "temp" : name];
  handle->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* name, int) {
  if (!disk->works()) return SQLITE_IOERR_DELETE;
  return disk->files.erase(name) != 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int access_file(sqlite3_vfs*, const char* name, int, int* result) {
  *result = disk->files.contains(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  std::strncpy(out, name, static_cast<std::size_t>(size));
  return SQLITE_OK;
}

int randomness(sqlite3_vfs*, int size, char* out) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(disk->noise());
  return size;
}
int do_sleep(sqlite3_vfs*, int) { return 0; }
int current_time(sqlite3_vfs*, double* julian) {
  *julian = 2'460'000.5;
  return SQLITE_OK;
}

sqlite3_vfs* the_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made{};
    made.iVersion = 1;
    made.szOsFile = sizeof(Handle);
    made.mxPathname = 100;
    made.zName = kName;
    made.xOpen = open_file;
    made.xDelete = delete_file;
    made.xAccess = access_file;
    made.xFullPathname = full_path;
    made.xRandomness = randomness;
    made.xSleep = do_sleep;
    made.xCurrentTime = current_time;
    return made;
  }();
  return &vfs;
}

}  // namespace

CrashDisk::CrashDisk(std::uint64_t seed) : noise(seed) {
  disk = this;
  sqlite3_vfs_register(the_vfs(), 1);
  sqlite3_randomness(0, nullptr);  // SQLite's own generator begins anew, so that a seed replays exactly
}

CrashDisk::~CrashDisk() {
  sqlite3_vfs_unregister(the_vfs());
  disk = nullptr;
}

void CrashDisk::lose_power(std::mt19937_64& random) {
  for (auto& [name, file] : files) {
    std::string found = file.synced;
    for (const Write& write : file.pending)
      for (std::size_t at = 0; at < write.bytes.size(); at += kSector)
        if (random() % 2 == 0) put(found, write.offset + at, std::string_view(write.bytes).substr(at, kSector));
    file.now = file.synced = std::move(found);
    file.pending.clear();
  }
  left_ = -1;
}

}  // namespace fluxgate::simulation
