#include "files/intake.h"

#include <atomic>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/log.h"
#include "files/film.h"
#include "files/imaging.h"
#include "files/purposes.h"

namespace fluxgate::files {
namespace {

constexpr std::uint64_t kHashBehind = 256 * 1024;

// Pictures from users. All else is kept byte for byte.
bool is_written_anew(Purpose purpose, Format format) { return purpose != Purpose::result && is_picture(format); }

// Handed from pool to pool. While a decoder looks at the bytes, others hash and flush them: nobody changes them then.
struct Piece {
  std::shared_ptr<Staged> staged, poster;  // poster: of films, null when there is none
  Format format = Format::unknown;
  Stored stored;
};

Result<void> clean(const Workshop& shop, Piece& piece) {
  auto cleaned = shop.store.stage();
  FLUX_TRY(kept, clean_image(piece.staged->path(), piece.format, cleaned->path(), shop.limits));
  FLUX_CHECK(cleaned->adopt_content());
  piece.staged = std::move(cleaned);
  piece.format = kept;
  return {};
}

// A film's first picture is kept beside the thumbnails that are made from it.
Result<ImageFacts> look_at_film(const Workshop& shop, Piece& piece) {
  FLUX_TRY(film, inspect_film(piece.staged->path(), piece.format));
  piece.stored.duration_ms = film.duration_ms;
  std::shared_ptr<Staged> poster = shop.store.stage();
  auto facts = write_poster(film.poster, poster->path(), shop.limits);
  if (facts)
    piece.poster = std::move(poster);
  else
    log::warn("files: a poster cannot be made: {} {}", facts.error().code(), facts.error().internal());
  ImageFacts known = facts.value_or(ImageFacts{});
  known.width = film.width;
  known.height = film.height;
  return known;
}

Result<void> look_at(const Workshop& shop, Piece& piece) {
  Stored& stored = piece.stored;
  if (is_sound(piece.format)) {
    FLUX_TRY(duration, inspect_sound(piece.staged->path(), piece.format));
    stored.duration_ms = duration;
    return {};
  }
  FLUX_TRY(facts, is_film(piece.format) ? look_at_film(shop, piece)
                                        : inspect_image(piece.staged->path(), piece.format, shop.limits));
  stored.width = facts.width;
  stored.height = facts.height;
  stored.dominant_color = std::move(facts.dominant_color);
  stored.thumbhash = std::move(facts.thumbhash);
  return {};
}

Result<void> hash(Piece& piece) {
  FLUX_TRY(sha256, piece.staged->sha256());
  piece.stored.sha256 = sha256;
  return {};
}

Result<void> publish(const Workshop& shop, Piece& piece) {
  Stored& stored = piece.stored;
  FLUX_TRY(key, shop.store.publish(*piece.staged, extension_of(piece.format)));
  stored.key = key;
  stored.size = piece.staged->size();
  stored.mime = mime_of(piece.format);
  if (piece.poster) static_cast<void>(shop.store.place(*piece.poster, shop.store.poster_path(stored.sha256)));  // made again when missing
  piece.staged.reset();
  return {};
}

// The first work for a decoder is where people are turned away when too much is going on; what is behind it is
// finished. Uploads are refused unless a decoder can read them; a result is kept as it is: it was paid for.
awaitable<Result<Stored>> keep(Workshop shop, Purpose purpose, std::shared_ptr<Piece> piece) {
  using boost::asio::experimental::awaitable_operators::operator&&;
  WhenFull when_full = purpose == Purpose::result ? WhenFull::wait : WhenFull::refuse;
  if (is_written_anew(purpose, piece->format)) {
    auto cleaned = co_await shop.media.run(when_full, "", [shop, piece] { return clean(shop, *piece); });
    FLUX_CO_CHECK(std::move(cleaned));
    when_full = WhenFull::wait;
  }
  auto [looked, hashed, flushed] =
      co_await (shop.media.run(when_full, "", [shop, piece] { return look_at(shop, *piece); }) &&
                shop.disk.run(WhenFull::wait, "", [piece] { return hash(*piece); }) &&
                shop.disk.run(WhenFull::wait, "", [piece] { return piece->staged->flush(); }));
  if (!looked && purpose != Purpose::result) co_return fail(std::move(looked).error());
  FLUX_CO_CHECK(std::move(hashed));
  FLUX_CO_CHECK(std::move(flushed));
  if (!looked)
    log::warn("files: {} cannot be decoded: {} {}", piece->stored.sha256, looked.error().code(), looked.error().internal());
  auto published = co_await shop.disk.run(WhenFull::wait, "", [shop, piece] { return publish(shop, *piece); });
  FLUX_CO_CHECK(std::move(published));
  if (shop.remote != nullptr) {
    auto deposited = co_await shop.remote->deposit(piece->stored);
    FLUX_CO_CHECK(std::move(deposited));
  }
  co_return std::move(piece->stored);
}

class LocalIncoming final : public Incoming {
 public:
  LocalIncoming(Workshop shop, Purpose purpose, const Options& options)
      : shop_(shop), purpose_(purpose), options_(options), staged_(shop.store.stage()) {}

  Result<void> write(std::string_view piece) override {
    if (failed_) return std::unexpected(*failed_);
    auto written = take(piece);
    if (!written) failed_ = written.error();
    return written;
  }

  awaitable<Result<Stored>> finish() override {
    if (!failed_ && !judged_) {
      if (auto judged = judge(); !judged) failed_ = judged.error();
    }
    auto piece = std::make_shared<Piece>();
    piece->staged = std::move(staged_);
    piece->format = format_;
    if (failed_) return refused(*failed_);
    piece->staged->seal();
    failed_ = Error(Errc::internal, "finished_twice", {"Our mistake.", "服务器内部错误。"});
    return keep(shop_, purpose_, std::move(piece));
  }

 private:
  static awaitable<Result<Stored>> refused(Error error) { co_return std::unexpected(std::move(error)); }

  Result<void> take(std::string_view piece) {
    if (!judged_) {
      head_.append(piece.substr(0, kSniffBytes - head_.size()));
      if (head_.size() == kSniffBytes) FLUX_CHECK(judge());
    }
    FLUX_CHECK(check_size(staged_->size() + piece.size()));
    FLUX_CHECK(staged_->append(piece));
    hash_behind();
    return {};
  }

  // Large files are hashed while they come, one piece of work at a time, so that little is left at the end. Not those
  // of which other bytes are kept.
  void hash_behind() {
    if (!judged_ || is_written_anew(purpose_, format_)) return;
    if (staged_->unhashed() < kHashBehind || hashing_->exchange(true)) return;
    shop_.disk.start([staged = staged_, hashing = hashing_]() -> Result<void> {
      auto hashed = staged->hash_some();
      *hashing = false;
      return hashed;
    });
  }

  // Until one knows what it is, any file is shorter than the head by which one knows.
  Result<void> check_size(std::uint64_t size) const {
    const std::uint64_t limit = limit_for(options_, format_, purpose_);
    if (!judged_ || size <= limit) return {};
    return fail(file_too_large(limit));
  }

  Result<void> judge() {
    judged_ = true;
    format_ = sniff(head_);
    FLUX_CHECK(check_format(format_, purpose_));
    return check_size(staged_->size());
  }

  const Workshop shop_;
  const Purpose purpose_;
  const Options& options_;
  std::shared_ptr<Staged> staged_;
  const std::shared_ptr<std::atomic<bool>> hashing_ = std::make_shared<std::atomic<bool>>(false);
  std::string head_;
  bool judged_ = false;
  Format format_ = Format::unknown;
  std::optional<Error> failed_;
};

}  // namespace

std::unique_ptr<Incoming> make_incoming(const Workshop& shop, Purpose purpose, const Options& options) {
  return std::make_unique<LocalIncoming>(shop, purpose, options);
}

}  // namespace fluxgate::files
