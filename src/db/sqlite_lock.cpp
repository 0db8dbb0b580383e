#include "db/sqlite_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "db/database.h"

namespace fluxgate::db {

ServerLock::ServerLock(const std::string& database) {
  const std::string path = database + ".lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) throw Failure("cannot write the lock file " + path + ": check that the data folder exists and is writable");
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(file_);
    throw Failure("another fluxgate serves this database (" + path +
                  " is locked). Stop it, or use PostgreSQL to run several nodes.");
  }
}

ServerLock::~ServerLock() { ::close(file_); }

}  // namespace fluxgate::db
