// Paints pictures on demand, on a thread of its own, and keeps the last few. Small ones are painted on
// the spot, because handing them over would cost more than painting.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/coro.h"
#include "base/result.h"
#include "sandbox/picture.h"

namespace fluxgate::sandbox {

class Gallery {
 public:
  Gallery();
  ~Gallery();

  awaitable<Result<std::shared_ptr<const std::string>>> picture(PictureSpec spec);
  // Lets paintings under way end. Call when nobody waits for one any more; their contexts must live.
  void join();

 private:
  struct Pool;
  struct Kept {
    std::uint64_t digest;
    std::shared_ptr<const std::string> bytes;
  };
  std::shared_ptr<const std::string> kept(std::uint64_t digest);
  void keep(std::uint64_t digest, std::shared_ptr<const std::string> bytes);

  std::unique_ptr<Pool> pool_;
  std::mutex mutex_;
  std::list<Kept> kept_;        // guarded; the latest first
  std::size_t kept_bytes_ = 0;  // guarded
};

}  // namespace fluxgate::sandbox
