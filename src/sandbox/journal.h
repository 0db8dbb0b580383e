// The lines on disk. Each process appends to segment files of its own (one write(2) a line, so a line
// survives kill -9 whole or not at all) and reads those of all others in the folder: sandboxes that
// share a folder, at once or one after the other, see the same requests. There is no fsync: a machine
// that loses power may lose the last lines, and a fake upstream may forget.
//
// Segments are closed after 64 MB, 100 000 lines or an hour, and deleted when their newest line is
// older than the time to live. Not thread-safe; its owner locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace fluxgate::sandbox {

class Journal {
 public:
  struct Place {
    std::uint32_t segment = 0;
    std::uint32_t length = 0;  // without the line's end
    std::uint64_t offset = 0;
  };
  using OnLine = std::function<void(std::string_view line, Place place)>;

  // Makes the folder. Throws std::system_error when it cannot.
  explicit Journal(std::string folder);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // `line` ends with a line feed. Throws std::system_error when the disk does not take it.
  Place append(std::string_view line, Millis now);
  std::string read(Place place) const;  // "" when it cannot be read any more
  // Hands over the complete lines that other processes added since the last call.
  void read_new(const OnLine& on_line);
  // Deletes segments without a line since `before`, and beyond `lines_max` lines the oldest ones.
  // Returns which; their places are void.
  std::vector<std::uint32_t> expire(Millis before, std::size_t lines_max);
  std::size_t lines() const;

 private:
  struct Segment {
    std::string path;
    int descriptor = -1;
    std::uint64_t read_to = 0;
    std::size_t lines = 0;
    Millis newest_ms = 0;
  };
  void open_own(Millis now);
  void read_segment(std::uint32_t number, Segment& segment, const OnLine& on_line);

  const std::string folder_;
  std::map<std::uint32_t, Segment> segments_;
  std::map<std::string, std::uint32_t> numbers_;  // by file name
  std::uint32_t next_number_ = 1;
  std::uint32_t own_ = 0;  // 0 = none open
  Millis own_opened_ms_ = 0;
};

}  // namespace fluxgate::sandbox
