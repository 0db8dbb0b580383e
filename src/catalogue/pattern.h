// A `pattern` of the schema subset: ECMAScript, matched on code points, so that "." is one character here and
// for the studio (its RegExp has the flag "u"). Look-around and back-references are refused (spec/studio.md
// §3): what remains is matched by libstdc++'s breadth-first executor, in time polynomial in the text and with
// bounded stack. std::regex's default executor recurses per character and explodes on nested repeats; Debian
// has RE2, but its syntax is not ECMAScript's.
//
// Immutable and thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fluxgate::catalogue {

class Pattern {
 public:
  static constexpr std::size_t kLongest = 200;        // bytes of a pattern
  static constexpr std::size_t kLongestText = 1'000;  // a schema with a pattern has a maxLength up to this

  // What is wrong with `source`, "" when nothing.
  std::string compile(std::string_view source);
  // Searches, as JSON Schema does: a pattern that means the whole text has ^ and $.
  bool matches(std::string_view utf8) const;
  const std::string& source() const { return source_; }

 private:
  struct Compiled;
  std::string source_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace fluxgate::catalogue
