// The local disk as a store: a key is a path below one directory, written under tmp/, flushed, and renamed to
// its name, so that a name, once there, holds all its bytes, also after a crash. Several processes may share
// it.
//
// The first segments "tmp" and "thumbs" are not objects: the file store keeps its own things there.
#pragma once

#include "files/stores/settings.h"

namespace fluxgate::files {

Result<std::unique_ptr<Store>> make_local_store(LocalSettings settings, const StoreParts& parts);

}  // namespace fluxgate::files
