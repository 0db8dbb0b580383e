// A large object on its way in parts: the rest of an earlier attempt is looked for and gone on with, parts
// are hashed in order (so that the CRC of the whole falls out) and sent several at a time, the store's joined
// object is compared with what was sent. Nothing but the parts' numbers and ETags is held.
//
// Everything runs on the client's executor.
#pragma once

#include "files/stores/exchange.h"
#include "files/stores/xml.h"

namespace fluxgate::files {

// Reads a stretch on the disk's threads, for its digests. `before`: the CRC of the bytes in front of it.
awaitable<Result<Digests>> digest(const StoreParts& parts, Stretch stretch, bool with_sha256,
                                  std::uint64_t before);

// Headers that every object gets: type, caching, ACL, storage class.
HeaderList headers_of(const Put& object, const Dialect& dialect);

// 10000 parts at most, each but the last of the same whole number of MiB.
std::uint64_t part_size(std::uint64_t object_bytes, std::uint64_t wanted_bytes);

awaitable<Result<ObjectFacts>> put_in_parts(Exchange& exchange, const Dialect& dialect,
                                            const StoreParts& parts, Put object, std::string key);

// One page of the uploads that were begun and neither completed nor given up.
awaitable<Result<xml::UploadList>> open_uploads(Exchange& exchange, std::string prefix, std::string after_key,
                                                std::string after_id);
// Gives one up; success also when it is gone.
awaitable<Result<void>> give_up(Exchange& exchange, std::string key, std::string upload_id);

}  // namespace fluxgate::files
