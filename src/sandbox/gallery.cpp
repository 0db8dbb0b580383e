#include "sandbox/gallery.h"

#include <boost/asio/thread_pool.hpp>

namespace fluxgate::sandbox {
namespace {

constexpr std::size_t kKeptBytes = 16u << 20;
constexpr std::size_t kKeptCount = 256;
constexpr int kSmallPixels = 64 * 64;

awaitable<Result<std::string>> paint(PictureSpec spec) { co_return paint_picture(spec); }

}  // namespace

struct Gallery::Pool {
  boost::asio::thread_pool threads{1};
};

Gallery::Gallery() : pool_(std::make_unique<Pool>()) {}
Gallery::~Gallery() = default;

void Gallery::join() { pool_->threads.join(); }

awaitable<Result<std::shared_ptr<const std::string>>> Gallery::picture(PictureSpec spec) {
  const std::uint64_t digest = spec.digest();
  if (auto bytes = kept(digest)) co_return bytes;
  Result<std::string> painted;
  if (spec.size.width * spec.size.height <= kSmallPixels) {
    painted = paint_picture(spec);
  } else {
    painted = co_await boost::asio::co_spawn(pool_->threads, paint(std::move(spec)), use_awaitable);
  }
  if (!painted) co_return std::unexpected(std::move(painted).error());
  auto bytes = std::make_shared<const std::string>(std::move(*painted));
  keep(digest, bytes);
  co_return bytes;
}

std::shared_ptr<const std::string> Gallery::kept(std::uint64_t digest) {
  std::scoped_lock lock(mutex_);
  auto found = std::ranges::find(kept_, digest, &Kept::digest);
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front().bytes;
}

void Gallery::keep(std::uint64_t digest, std::shared_ptr<const std::string> bytes) {
  std::scoped_lock lock(mutex_);
  kept_bytes_ += bytes->size();
  kept_.push_front({digest, std::move(bytes)});
  while (kept_.size() > 1 && (kept_bytes_ > kKeptBytes || kept_.size() > kKeptCount)) {
    kept_bytes_ -= kept_.back().bytes->size();
    kept_.pop_back();
  }
}

}  // namespace fluxgate::sandbox
