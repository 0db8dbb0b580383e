#include "files/previews.h"

#include <unistd.h>

#include "base/crypto.h"
#include "files/film.h"

namespace fluxgate::files {
namespace {

std::string name_in(std::string_view key) { return is_key(key) ? std::string(sha256_of(key)) : crypto::sha256_hex(key); }

// Made when the film was stored; again when somebody has emptied the folder of previews.
Result<std::string> poster_of(const BlobStore& store, const PreviewOrder& order, const DecodeLimits& limits) {
  std::string path = store.poster_path(name_in(order.key));
  if (has_bytes(path)) return path;
  FLUX_TRY(facts, inspect_film(order.original, format_of(order.key)));
  const auto staged = store.stage();
  FLUX_CHECK(write_poster(facts.poster, staged->path(), limits));
  FLUX_CHECK(store.place(*staged, path));
  return path;
}

}  // namespace

std::string path_of_preview(const BlobStore& store, std::string_view key, int side, PreviewFormat as) {
  return store.thumbnail_path(name_in(key), side, as == PreviewFormat::avif ? "avif" : "webp");
}

Result<void> draw_preview(const BlobStore& store, const PreviewOrder& order, const DecodeLimits& limits) {
  const std::string path = path_of_preview(store, order.key, order.side, order.as);
  if (has_bytes(path)) return {};  // made between the caller's look and its turn
  if (::access(order.original.c_str(), R_OK) != 0) return no_such_object();
  Format format = format_of(order.key);
  std::string original = order.original;
  if (is_film(format)) {
    FLUX_TRY(poster, poster_of(store, order, limits));
    original = std::move(poster);
    format = Format::webp;
  }
  if (!is_picture(format))
    return fail(Errc::unsupported_media, "no_preview",
                {"There are no previews of this kind of file.", "此类文件没有预览图。"});
  const auto staged = store.stage();
  FLUX_CHECK(make_thumbnail(original, format, staged->path(), order.side, order.as, limits));
  return store.place(*staged, path);
}

Format format_of(std::string_view key) {
  using enum Format;
  const std::string_view extension = key.substr(key.rfind('.') + 1);
  for (const auto format : {png, jpeg, webp, gif, avif, heic, mp4, quicktime, webm, mp3, wav, m4a, aac})
    if (extension_of(format) == extension) return format;
  return unknown;
}

std::unexpected<Error> no_such_object() {
  return fail(Errc::not_found, "file_not_found", {"The file does not exist.", "文件不存在。"});
}

}  // namespace fluxgate::files
