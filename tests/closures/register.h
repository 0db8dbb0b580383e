// Which lines of the product's sources gave closures so far, "src/tasks/submit.cpp:117", over all tests of the program.
// Thread-safe.
#pragma once

#include <set>
#include <string>

#include "db/database.h"

namespace fluxgate::closures {

inline constexpr int kSideBySide = 64;

struct Seen {
  std::set<std::string> failed;    // at a statement, and nothing was left
  std::set<std::string> together;  // while sixty-four threads were at it
};
Seen seen(db::Dialect engine);

void note_failed(db::Dialect engine, const db::Job& job);
// Kept while a Together lives.
void note_run(db::Dialect engine, const db::Job& job);

// Lives while sixty-four threads run side by side.
class Together {
 public:
  explicit Together(int threads);
  ~Together();
  Together(const Together&) = delete;
};

}  // namespace fluxgate::closures
