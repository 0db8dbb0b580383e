#include "app/commands/files_tool.h"

#include <unistd.h>

#include <cstdio>

#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include "app/keys.h"
#include "base/ids.h"

namespace fluxgate::app {

Result<std::unique_ptr<FilesTool>> FilesTool::open(const Config& config) {
  std::unique_ptr<FilesTool> tool(new FilesTool);
  FLUX_TRY(workspace, open_workspace(config, Access::look));
  tool->workspace_ = std::move(workspace);
  FLUX_TRY(master, master_key(config, *tool->workspace_.database));
  tool->sealer_ = std::make_unique<crypto::Sealer>(master);
  tool->client_ = net::make_http_client(tool->io_);
  files::DepotOptions options;
  options.directory = config.data_dir + "/files";
  options.node_id = "command-" + new_id();
  tool->depot_ = std::make_unique<files::Depot>(tool->io_.get_executor(), *tool->client_, *tool->workspace_.database, *tool->sealer_,
                                                system_clock(), options);
  std::vector<awaitable<void>> first;
  first.push_back(tool->depot_->refresh());
  tool->run(std::move(first));
  FLUX_CHECK(tool->depot_->check_folder());
  return tool;
}

void FilesTool::run(std::vector<awaitable<void>> all) {
  std::size_t left = all.size();
  std::exception_ptr thrown;
  for (auto& one : all)
    boost::asio::co_spawn(io_, std::move(one), [&](std::exception_ptr error) {
      if (error) thrown = error;
      --left;
    });
  while (left != 0) {
    if (io_.stopped()) io_.restart();
    io_.run_one();
  }
  if (thrown) std::rethrow_exception(thrown);
}

std::string_view provider_of_kind(std::string_view kind) { return kind == "cos" ? "tencent-cos" : kind; }

files::OpenStorePtr store_of_kind(const files::Stores& stores, std::string_view kind) {
  const std::string_view provider = provider_of_kind(kind);
  if (stores.current && stores.current->row.provider == provider) return stores.current;
  files::OpenStorePtr newest;
  for (const auto& [id, store] : stores.by_id)
    if (store->row.provider == provider && (!newest || store->row.updated_at > newest->row.updated_at)) newest = store;
  return newest;
}

ProgressLine::ProgressLine(std::string what, std::int64_t total)
    : what_(std::move(what)), total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::int64_t done, std::uint64_t bytes) {
  using std::chrono::duration;
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5'000);
  if (now - shown_ < pause) return;
  shown_ = now;
  const double seconds = std::max(0.001, duration<double>(now - begun_).count());
  const double megabytes = static_cast<double>(bytes) / 1e6;
  const std::string numbers = fmt::format("{}/{}  {:.1f} MB  {:.1f} MB/s", done, total_, megabytes, megabytes / seconds);
  if (!terminal_) {
    fmt::print(stderr, "{}: {}\n", what_, numbers);
    return;
  }
  constexpr int kWidth = 30;
  const int filled = total_ == 0 ? kWidth : static_cast<int>(std::min<std::int64_t>(kWidth, done * kWidth / total_));
  fmt::print(stderr, "\r{} [{}{}] {}\033[K", what_, std::string(static_cast<std::size_t>(filled), '#'),
             std::string(static_cast<std::size_t>(kWidth - filled), '.'), numbers);
  drawn_ = true;
}

void ProgressLine::end() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace fluxgate::app
