// Where in a request something stands, while it is looked at: a chain on the stack. It becomes a list only
// for a refusal, so that a request in which nothing is wrong pays nothing for it. A Path must not outlive
// `up`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace fluxgate::catalogue {

using Location = std::vector<std::variant<std::string, std::int64_t>>;

struct Path {
  const Path* up = nullptr;
  std::string_view name;    // of a member, or
  std::int64_t index = -1;  // of an entry of a list

  Path member(std::string_view of) const { return {this, of}; }
  Path entry(std::size_t of) const { return {this, {}, static_cast<std::int64_t>(of)}; }
  Location location() const;  // a name from outside is cut at 100 bytes
};

// Collects refusals, at most 50: a hostile body cannot grow the answer. Silent, it only learns whether there
// is one, which is all that `if` asks.
class Findings {
 public:
  static constexpr std::size_t kMost = 50;
  enum class Mode { listed, silent };

  explicit Findings(Mode mode = Mode::listed) : mode_(mode) {}
  bool any() const { return any_; }
  // `refusal` makes the FieldError; it is called only when it is wanted.
  template <class Refusal>
  void add(Refusal&& refusal) {
    any_ = true;
    if (mode_ == Mode::listed && list_.size() < kMost) list_.push_back(std::forward<Refusal>(refusal)());
  }
  void take(Findings&& other) {
    any_ |= other.any_;
    for (FieldError& error : other.list_)
      if (list_.size() < kMost) list_.push_back(std::move(error));
  }
  std::vector<FieldError> list() && { return std::move(list_); }

 private:
  Mode mode_;
  bool any_ = false;
  std::vector<FieldError> list_;
};

}  // namespace fluxgate::catalogue
