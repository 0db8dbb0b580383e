#include "sandbox/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/crypto.h"

namespace fluxgate::sandbox {
namespace {

constexpr std::uint64_t kSegmentBytes = 64u << 20;
constexpr std::size_t kSegmentLines = 100'000;
constexpr Millis kSegmentAge = 3'600'000;
constexpr std::size_t kPiece = 1u << 20;

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct stat state_of(int descriptor) {
  struct stat info{};
  if (fstat(descriptor, &info) != 0) info.st_size = 0;
  return info;
}

}  // namespace

Journal::Journal(std::string folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
}

Journal::~Journal() {
  for (auto& [number, segment] : segments_) close(segment.descriptor);
}

void Journal::open_own(Millis now) {
  // Names sort by time; the random part keeps processes of the same millisecond apart.
  std::string name = fmt::format("requests-{}-{}.log", now, crypto::random_hex(4));
  Segment segment{.path = folder_ + "/" + name, .newest_ms = now};
  segment.descriptor = open(segment.path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (segment.descriptor < 0) throw_errno("cannot create " + segment.path);
  own_ = next_number_++;
  own_opened_ms_ = now;
  numbers_[name] = own_;
  segments_[own_] = std::move(segment);
}

Journal::Place Journal::append(std::string_view line, Millis now) {
  if (own_ != 0) {
    const Segment& full = segments_[own_];
    if (full.read_to >= kSegmentBytes || full.lines >= kSegmentLines || now - own_opened_ms_ > kSegmentAge)
      own_ = 0;
  }
  if (own_ == 0) open_own(now);
  Segment& segment = segments_[own_];
  std::string_view rest = line;
  while (!rest.empty()) {
    ssize_t written = write(segment.descriptor, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      int reason = errno;
      own_ = 0;  // a torn line ends this segment; readers skip it
      errno = reason;
      throw_errno("cannot write " + segment.path);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  Place place{own_, static_cast<std::uint32_t>(line.size() - 1), segment.read_to};
  segment.read_to += line.size();
  segment.newest_ms = now;
  ++segment.lines;
  return place;
}

std::string Journal::read(Place place) const {
  auto found = segments_.find(place.segment);
  if (found == segments_.end()) return {};
  std::string line(place.length, '\0');
  ssize_t count = pread(found->second.descriptor, line.data(), line.size(), static_cast<off_t>(place.offset));
  if (count != static_cast<ssize_t>(line.size())) return {};
  return line;
}

void Journal::read_new(const OnLine& on_line) {
  std::error_code gone;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, gone)) {
    std::string name = entry.path().filename();
    if (name.starts_with("requests-") && name.ends_with(".log")) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  for (const std::string& name : names) {
    auto [known, added] = numbers_.try_emplace(name, next_number_);
    if (added) {
      Segment segment{.path = folder_ + "/" + name};
      segment.descriptor = open(segment.path.c_str(), O_RDONLY | O_CLOEXEC);
      if (segment.descriptor < 0) {  // deleted by another sandbox meanwhile
        numbers_.erase(known);
        continue;
      }
      segments_[next_number_++] = std::move(segment);
    }
    auto segment = segments_.find(known->second);
    if (known->second != own_ && segment != segments_.end())
      read_segment(known->second, segment->second, on_line);
  }
}

void Journal::read_segment(std::uint32_t number, Segment& segment, const OnLine& on_line) {
  struct stat info = state_of(segment.descriptor);
  segment.newest_ms = static_cast<Millis>(info.st_mtim.tv_sec) * 1000 + info.st_mtim.tv_nsec / 1'000'000;
  if (static_cast<std::uint64_t>(info.st_size) <= segment.read_to) return;
  std::string pending;
  std::string piece(kPiece, '\0');
  std::uint64_t at = segment.read_to;
  for (;;) {
    ssize_t count = pread(segment.descriptor, piece.data(), piece.size(), static_cast<off_t>(at));
    if (count <= 0) break;
    at += static_cast<std::uint64_t>(count);
    pending.append(piece.data(), static_cast<std::size_t>(count));
    std::size_t start = 0;
    for (auto end = pending.find('\n'); end != pending.npos; end = pending.find('\n', start)) {
      auto length = static_cast<std::uint32_t>(end - start);
      on_line(std::string_view(pending).substr(start, length), Place{number, length, segment.read_to});
      segment.read_to += length + 1;
      ++segment.lines;
      start = end + 1;
    }
    pending.erase(0, start);
  }
}

std::vector<std::uint32_t> Journal::expire(Millis before, std::size_t lines_max) {
  std::vector<std::uint32_t> dropped;
  std::size_t total = lines();
  for (auto at = segments_.begin(); at != segments_.end();) {
    Segment& segment = at->second;
    bool old = segment.newest_ms < before && segment.read_to > 0;
    if (at->first == own_ || (!old && total <= lines_max)) {
      ++at;
      continue;
    }
    total -= segment.lines;
    close(segment.descriptor);
    unlink(segment.path.c_str());
    dropped.push_back(at->first);
    at = segments_.erase(at);  // its name stays known, so that it is not read again
  }
  return dropped;
}

std::size_t Journal::lines() const {
  std::size_t total = 0;
  for (const auto& [number, segment] : segments_) total += segment.lines;
  return total;
}

}  // namespace fluxgate::sandbox
