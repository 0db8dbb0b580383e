#include "register.h"

#include <map>
#include <mutex>

namespace fluxgate::closures {
namespace {

struct Book {
  std::mutex mutex;
  std::map<db::Dialect, Seen> seen;
  bool together = false;
};
Book& book() {
  static Book one;
  return one;
}

}  // namespace

Seen seen(db::Dialect engine) {
  const std::lock_guard lock(book().mutex);
  return book().seen[engine];
}

void note_failed(db::Dialect engine, const db::Job& job) {
  const std::lock_guard lock(book().mutex);
  book().seen[engine].failed.insert(job.place());
}

void note_run(db::Dialect engine, const db::Job& job) {
  const std::lock_guard lock(book().mutex);
  if (book().together) book().seen[engine].together.insert(job.place());
}

Together::Together(int threads) {
  const std::lock_guard lock(book().mutex);
  book().together = threads >= kSideBySide;
}
Together::~Together() {
  const std::lock_guard lock(book().mutex);
  book().together = false;
}

}  // namespace fluxgate::closures
