#include "db/sqlite_path.h"

#include <filesystem>
#include <string_view>

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;

constexpr int kLinks = 40;  // as many as Linux follows

// A link may lead to a file that is still to be made.
fs::path followed(fs::path path) {
  std::error_code failed;
  for (int links = 0; links < kLinks && fs::is_symlink(path, failed); ++links) {
    const fs::path target = fs::read_symlink(path, failed);
    if (failed) break;
    path = path.parent_path() / target;
  }
  return path;
}

}  // namespace

std::optional<std::string> sqlite_path(const std::string& url) {
  constexpr std::string_view kScheme = "sqlite:///";
  if (!url.starts_with(kScheme)) return std::nullopt;
  std::error_code failed;
  const fs::path path = followed(fs::absolute(url.substr(kScheme.size()), failed));
  const fs::path canonical = fs::weakly_canonical(path, failed);
  return (failed ? path : canonical).string();  // opening it says why
}

}  // namespace fluxgate::db
