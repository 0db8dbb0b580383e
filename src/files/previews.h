// Thumbnails and posters on the disk, made from a file that is there. Functions block: they run in the media pool.
#pragma once

#include "files/blob_store.h"
#include "files/imaging.h"

namespace fluxgate::files {

struct PreviewOrder {
  std::string key;       // of the object; imported ones have keys of other forms
  std::string original;  // the path of its bytes
  int side = 0;
  PreviewFormat as = PreviewFormat::webp;
};

// Where that preview lies once it is made. The names of an object's previews begin with its hash.
std::string path_of_preview(const BlobStore& store, std::string_view key, int side, PreviewFormat as);
// Makes it, unless somebody has. not_found, unsupported_media (no_preview), and as make_thumbnail and inspect_film.
Result<void> draw_preview(const BlobStore& store, const PreviewOrder& order, const DecodeLimits& limits);

Format format_of(std::string_view key);
std::unexpected<Error> no_such_object();

}  // namespace fluxgate::files
