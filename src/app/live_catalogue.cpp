#include "app/live_catalogue.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"

namespace fluxgate::app {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kEvery{2'000};
constexpr std::size_t kFilesMax = 1'000;  // the loader refuses more

std::string describe(const catalogue::Loaded& loaded) {
  const auto& first = loaded.problems.front();
  return fmt::format("{} {}: {} (fluxgate models check lists all {} problems)", first.file, first.where, first.what,
                     loaded.problems.size());
}

}  // namespace

LiveCatalogue::Prices LiveCatalogue::read_prices(db::Tx& tx) const {
  const auto settings = accounts_.settings(tx, "flux");
  return settings ? Prices{settings->model_credits, settings->rev} : Prices{};
}

LiveCatalogue::Files LiveCatalogue::look_at_files() const {
  Files files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder_, error), end; !error && entry != end && files.size() <= kFilesMax;
       entry.increment(error)) {
    std::error_code gone;
    if (entry->path().extension() == ".json")
      files.emplace_back(entry->path().string(), entry->file_size(gone), entry->last_write_time(gone));
  }
  std::ranges::sort(files);
  return files;
}

Result<void> LiveCatalogue::load() {
  prices_ = database_.read_now([this](db::Tx& tx) { return read_prices(tx); });
  files_ = look_at_files();
  auto loaded = catalogue::load(folder_, prices_.of);
  if (!loaded.catalogue) return fail(Errc::internal, "catalogue", {describe(loaded), describe(loaded)});
  holder_ = std::make_unique<catalogue::Holder>(loaded.catalogue);
  return {};
}

awaitable<void> LiveCatalogue::refresh() {
  auto prices = co_await database_.read([this](db::Tx& tx) { return read_prices(tx); });
  auto files = look_at_files();
  // Held until it is done: whoever changed a price finds it in force then.
  std::lock_guard lock(mutex_);
  const bool older = prices.rev < prices_.rev;  // somebody who read later was quicker
  if (older || (prices.of == prices_.of && files == files_)) co_return;
  auto loaded = catalogue::load(folder_, prices.of);
  if (loaded.catalogue) holder_->set(loaded.catalogue);
  else log::error("the changed catalogue is not used: {}", describe(loaded));
  prices_ = std::move(prices);
  files_ = std::move(files);
}

awaitable<void> keep_in_step(CoroGroup& group, Wakeup& due, LiveCatalogue& catalogue) {
  while (!group.stopping()) {
    co_await due.wait_for(kEvery);
    try {
      co_await catalogue.refresh();
    } catch (const std::exception& e) {
      log::error("prices could not be looked at: {}", e.what());
    }
  }
}

}  // namespace fluxgate::app
