// What root makes in the data folder of a service has to be the service's, not root's.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands/commands.h"
#include "app/database_url.h"
#include "db/sqlite_path.h"

namespace fluxgate::app {
namespace {

struct Owned {
  std::string path;
  uid_t user;
  gid_t group;
};

std::optional<Owned> owned(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Owned{path, info.st_uid, info.st_gid};
}

// Who serves: by what a server made, the database, or the folder that is there for it. A server that runs as root in the
// folder of another user keeps root's files there.
std::optional<Owned> place_of(const Config& config) {
  if (auto made = owned(config.data_dir + "/files")) return made;
  const auto url = database_url(config);  // what is wrong with it the command says
  const auto file = url ? db::sqlite_path(*url) : std::nullopt;
  if (auto database = file ? owned(*file) : std::nullopt) return database;
  return owned(config.data_dir);
}

// The groups of a user who is known here, else that of the place.
bool become(const Owned& place, const passwd* known) {
  const gid_t group = known ? known->pw_gid : place.group;
  const bool groups = known ? ::initgroups(known->pw_name, group) == 0 : ::setgroups(0, nullptr) == 0;
  return groups && ::setgid(group) == 0 && ::setuid(place.user) == 0;
}

}  // namespace

Result<void> work_as_owner(const Config& config) {
  if (::geteuid() != 0) return {};
  const auto place = place_of(config);
  if (!place || place->user == 0) return {};
  const passwd* known = ::getpwuid(place->user);
  const std::string name = known ? fmt::format("{} ({})", known->pw_name, place->user) : std::to_string(place->user);
  const std::string home = known ? known->pw_dir : "/";
  if (!become(*place, known)) {
    const std::string why = std::strerror(errno);
    return fail(Errc::internal, "owner",
                {fmt::format("{} belongs to the user {}, whom root may not become here: {}. Run the command as that user: sudo -u '#{}' …, or "
                             "docker exec -u {} …", place->path, name, why, place->user, place->user),
                 fmt::format("{} 属于用户 {}，而此处 root 无法切换为该用户：{}。请以该用户运行命令：sudo -u '#{}' …，或 docker exec -u {} …", place->path,
                             name, why, place->user, place->user)});
  }
  ::setenv("HOME", home.c_str(), 1);  // libpq looks for certificates there, and takes a folder it may not enter for a failure
  const Text said{fmt::format("Working as the user {}, to whom {} belongs.", name, place->path),
                  fmt::format("以用户 {} 的身份运行（{} 属于该用户）。", name, place->path)};
  fmt::print(stderr, "{}\n", said.in(terminal_language()));
  return {};
}

}  // namespace fluxgate::app
