// Content codings of answers (RFC 9110 §8.4, §12.5.3): which one a client prefers, and the work itself.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace fluxgate::http {

enum class Coding { identity, gzip, brotli };

// The best of ours by the client's weights; brotli wins a tie. identity when the header is empty or
// names neither.
Coding negotiate_coding(std::string_view accept_encoding);
std::string_view coding_name(Coding coding);
// Text-like media types. Images and archives only grow, and event streams must not be held back.
bool is_compressible(std::string_view content_type);
// For bodies in memory. The levels are those where a few more percent would cost twice the time.
std::string compress(std::string_view body, Coding coding);

// The last few coded bodies, for what is sent again and again: static files and shared answers. Holds
// at most 4 MiB. Used by one thread.
class CodedBodies {
 public:
  using Body = std::shared_ptr<const std::string>;

  // A shared body is known by its object, as long as somebody holds that.
  Body coded(const Body& source, Coding coding);
  // Anything else by a key that changes with its content; `read` gives the content.
  template <class Read>
  Body coded(const std::string& key, Coding coding, Read read) {
    if (Body found = find(key, coding)) return found;
    return keep(key, {}, coding, read());
  }

 private:
  struct Entry {
    std::string key;
    std::weak_ptr<const std::string> source;
    Coding coding;
    Body body;
  };
  Body find(const std::string& key, Coding coding) const;
  Body keep(std::string key, std::weak_ptr<const std::string> source, Coding coding, std::string_view plain);

  std::deque<Entry> entries_;  // oldest first
  std::size_t bytes_ = 0;
};

}  // namespace fluxgate::http
