// What is told of every closure, whichever engine runs it.
#include <chrono>
#include <exception>

#include "base/log.h"
#include "db/database.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;

// An open transaction keeps others waiting: on SQLite all that write, on PostgreSQL whoever wants the same rows.
constexpr std::chrono::seconds kLong{1};

std::string reason(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& thrown) {
    return thrown.what();
  } catch (...) {
    return "something that is no exception was thrown";
  }
}

}  // namespace

// The compiler names files from wherever it was called.
std::string Job::place() const {
  const std::string_view file = given_by_.file_name();
  const auto source = file.rfind("/src/");
  return fmt::format("{}:{}", source == std::string_view::npos ? file : file.substr(source + 1), given_by_.line());
}

bool Job::run(Tx& tx) {
  const auto begun = Clock::now();
  const bool agreed = do_run(tx);
  const auto took = Clock::now() - begun;
  if (took >= kLong && given_by_.line() != 0)
    log::warn("the closure of {} kept its transaction open for {} ms", place(),
              std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  return agreed;
}

void Job::finish(std::exception_ptr error) {
  if (error && given_by_.line() != 0) log::error("the closure of {} failed: {}", place(), reason(error));
  do_finish(error);
}

}  // namespace fluxgate::db
