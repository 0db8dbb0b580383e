#include "db/write_group.h"

#include "base/log.h"

namespace fluxgate::db {
namespace {

void run(SqliteConnection& connection, const char* sql) {
  Tx& tx = connection;
  tx.exec(sql);
}

// False when the transaction must not be committed.
bool run_in_open_transaction(SqliteConnection& connection, Job& job) {
  const std::int64_t before = connection.total_changes();
  try {
    const bool agreed = job.run(connection);
    return connection.in_transaction() && (agreed || connection.total_changes() == before);
  } catch (const std::exception&) {
    return false;  // run_alone gives the exception to the one who caused it
  }
}

void run_alone(SqliteConnection& connection, Job& job) {
  std::exception_ptr error;
  try {
    run(connection, "BEGIN IMMEDIATE");
    if (job.run(connection)) run(connection, "COMMIT");
    else connection.rollback();
  } catch (...) {
    error = std::current_exception();
  }
  connection.rollback();
  job.finish(error);
}

}  // namespace

void run_group(SqliteConnection& connection, const std::function<std::shared_ptr<Job>()>& next) {
  std::vector<std::shared_ptr<Job>> group;
  bool intact = true;
  try {
    run(connection, "BEGIN IMMEDIATE");
    while (intact) {
      auto job = next();
      if (!job) break;
      group.push_back(job);
      intact = run_in_open_transaction(connection, *job);
    }
    if (intact) run(connection, "COMMIT");
  } catch (const std::exception& e) {
    log::error("a group of {} writes was rolled back: {}", group.size(), e.what());
    intact = false;
  }
  if (intact) {
    for (auto& job : group) job->finish(nullptr);
    return;
  }
  connection.rollback();
  if (group.empty()) {  // not even BEGIN worked: take one job, so that its caller hears why
    if (auto job = next()) group.push_back(job);
  }
  for (auto& job : group) run_alone(connection, *job);
}

}  // namespace fluxgate::db
