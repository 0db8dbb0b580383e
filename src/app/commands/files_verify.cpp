#include <array>
#include <fstream>

#include <fmt/format.h>

#include "app/commands/files_check.h"
#include "files/objects.h"
#include "files/stock.h"

namespace fluxgate::app {
namespace {

using files::objects::Object;

constexpr int kAtOnce = 8;
constexpr int kPage = 500;

struct Verification {
  std::vector<Object> page;
  std::size_t next = 0;
  std::int64_t checked = 0, findings = 0;
  std::uint64_t bytes = 0;

  void finding(const std::string& key, const std::string& what) {
    ++findings;
    fmt::print("{}: {}\n", key, what);
  }
};

std::string hash_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 64 * 1024> buffer;
  crypto::Sha256 hash;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0)
    hash.update({buffer.data(), static_cast<std::size_t>(file.gcount())});
  return crypto::hex(hash.finish());
}

void check_local(const files::BlobStore& disk, const Object& object, bool quick, Verification& work) {
  const std::string path = disk.path_of(object.key);
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return work.finding(object.key, "is not in the data folder");
  if (size != object.size) return work.finding(object.key, fmt::format("has {} bytes, not {}", size, object.size));
  if (!quick && hash_of_file(path) != files::sha256_of(object.key)) work.finding(object.key, "has other content than its name says");
}

awaitable<void> check_remote(files::Depot& depot, Object object, Verification& work) {
  const auto stores = depot.stores();
  const auto from = stores->by_id.find(object.place);
  if (from == stores->by_id.end() || !from->second->store) co_return work.finding(object.key, "lies in a store that cannot be used");
  const auto store = from->second->store;
  auto seen = co_await store->head(object.cloud_path);
  if (!seen)
    co_return work.finding(object.key, fmt::format("{} in {}: {}", object.cloud_path, store->description(), seen.error().message().en));
  if (seen->size != object.size)
    work.finding(object.key, fmt::format("has {} bytes in {}, not {}", seen->size, store->description(), object.size));
  else if (!object.etag.empty() && !seen->etag.empty() && seen->etag != object.etag)
    work.finding(object.key, fmt::format("was changed in {}: its ETag is {}, not {}", store->description(), seen->etag, object.etag));
}

awaitable<void> check_some(files::Depot& depot, Verification& work, bool quick, ProgressLine& progress) {
  while (work.next < work.page.size()) {
    const Object object = work.page[work.next++];
    if (object.is_local()) check_local(depot.disk(), object, quick, work);
    else co_await check_remote(depot, object, work);
    ++work.checked;
    work.bytes += object.size;
    progress.show(work.checked, work.bytes);
  }
}

}  // namespace

ExitCode verify_files(FilesTool& tool, const VerifyOptions& options) {
  Verification work;
  for (const std::string& finding : tool.database().read_now([](db::Tx& tx) { return files::audit(tx); })) {
    ++work.findings;
    fmt::print("{}\n", finding);
  }
  const auto total = tool.database().read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_file_object WHERE refs > 0"); });
  ProgressLine progress("verifying", total);
  std::string after;
  do {
    work.next = 0;
    work.page = tool.database().read_now([after](db::Tx& tx) { return files::objects::page(tx, after, kPage); });
    std::vector<awaitable<void>> all;
    for (int i = 0; i < kAtOnce; ++i) all.push_back(check_some(tool.depot(), work, options.quick, progress));
    tool.run(std::move(all));
    if (!work.page.empty()) after = work.page.back().key;
  } while (!work.page.empty());
  progress.end();
  fmt::print("{}, {} bytes: {}\n", counted(work.checked, "object"), work.bytes,
             work.findings == 0 ? std::string("all there") : counted(work.findings, "finding"));
  return work.findings == 0 ? ExitCode::ok : ExitCode::failed;
}

}  // namespace fluxgate::app
