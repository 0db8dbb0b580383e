// A file on its way in: judged by its first bytes, limited, staged, hashed while it comes, looked at by a decoder,
// published. What waits for different things (decoder, hash, disk) waits at the same time.
#pragma once

#include "files/blob_store.h"
#include "files/files.h"
#include "files/work_pool.h"

namespace fluxgate::files {

// What it takes. All of it outlives the coroutines that use it.
struct Workshop {
  const BlobStore& store;
  DecodeLimits limits;
  WorkPool& media;
  WorkPool& disk;
  Remote* remote;  // null: only this disk
};

std::unique_ptr<Incoming> make_incoming(const Workshop& shop, Purpose purpose, const Options& options);

}  // namespace fluxgate::files
