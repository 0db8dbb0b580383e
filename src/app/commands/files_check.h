// `files verify` and `files gc`: what is missing, and what is too much.
#pragma once

#include "app/commands/commands.h"
#include "app/commands/files_tool.h"

namespace fluxgate::app {

struct VerifyOptions {
  bool quick = false;  // sizes only: files are not read
};
ExitCode verify_files(FilesTool& tool, const VerifyOptions& options);

struct CollectOptions {
  int older_than_s = 3600;
  bool yes = false;  // else only told
  bool dry_run = false;  // says so; changes nothing
};
ExitCode collect_files(FilesTool& tool, const CollectOptions& options);

}  // namespace fluxgate::app
