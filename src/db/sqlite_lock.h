// The lock beside a SQLite file, held for the life of a server, and by whoever changes its tables or puts a backup in
// its place.
#pragma once

#include <string>

namespace fluxgate::db {

class ServerLock {
 public:
  // `database`: the file; the lock is "<database>.lock". Throws CareFailure when another process has it, or when it
  // cannot be made.
  explicit ServerLock(const std::string& database);
  ~ServerLock();
  ServerLock(const ServerLock&) = delete;
  ServerLock& operator=(const ServerLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace fluxgate::db
