#include "app/file_limit.h"

#include <cerrno>
#include <cstring>

#include <sys/resource.h>

#include "base/log.h"

namespace fluxgate::app {

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  }
  log::warn("the limit of open files stays as it is: {}", std::strerror(errno));
}

}  // namespace fluxgate::app
