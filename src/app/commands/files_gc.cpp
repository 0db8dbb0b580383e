// What nobody needs: bytes without a row, copies of what was moved, files whose owner or task is gone, uploads to a store
// that were never ended or completed. Younger things than the grace period may belong to somebody who is just about to say so.
#include <functional>

#include <fmt/format.h>

#include "app/commands/files_check.h"
#include "files/incoming.h"
#include "files/objects.h"
#include "files/rows.h"

namespace fluxgate::app {
namespace {

constexpr int kPage = 1000;
constexpr Millis kUploadsLive = 24ll * 3600 * 1000;

struct Heap {
  std::string what;
  std::int64_t count = 0;
  std::uint64_t bytes = 0;
};

void tell(const Heap& heap, bool done) {
  fmt::print("{}: {} ({:.1f} MB){}\n", heap.what, heap.count, static_cast<double>(heap.bytes) / 1e6, done ? ", removed" : "");
}

Heap collect_disk(FilesTool& tool, const CollectOptions& options) {
  Heap heap{"files in the data folder without a row"};
  const std::chrono::seconds grace(options.older_than_s);
  const auto& disk = tool.depot().disk();
  std::vector<std::pair<std::string, std::uint64_t>> old;
  disk.each([&](const std::string& key, std::uint64_t size, std::chrono::milliseconds age) {
    if (age >= grace) old.emplace_back(key, size);
  });
  for (const auto& [key, size] : old) {
    const auto object = tool.database().read_now([key](db::Tx& tx) { return files::objects::find(tx, key); });
    if (object && object->is_local()) continue;
    if (options.yes && !disk.take_away(key, grace)) continue;
    ++heap.count;
    heap.bytes += size;
  }
  return heap;
}

// Whether the database knows the object that has this key in the store.
using Known = std::function<awaitable<bool>(std::string)>;

// Objects of a folder of the store, last written before then, that are not known.
awaitable<Result<Heap>> collect_listed(Heap heap, files::OpenStorePtr from, std::string folder, Millis before, bool remove, Known known) {
  std::string after;
  do {
    auto listing = co_await from->store->list(folder, after, kPage);
    if (!listing) co_return fail(std::move(listing).error());
    for (const files::Listed& found : listing->objects) {
      if (found.modified_at == 0 || found.modified_at >= before) continue;
      const bool wanted = co_await known(found.key);
      if (wanted) continue;
      if (remove) {
        auto gone = co_await from->store->remove(found.key);
        if (!gone) co_return fail(std::move(gone).error());
      }
      ++heap.count;
      heap.bytes += found.size;
    }
    after = listing->next;
  } while (!after.empty());
  co_return heap;
}

// Also wanted: what another store has under that name, when it is the same bucket.
awaitable<bool> is_wanted(FilesTool& tool, files::OpenStorePtr from, std::string path) {
  const std::string key(files::key_in(path));
  if (!files::is_key(key)) co_return true;  // only what has a name that we give is ours to judge
  const auto object = co_await tool.database().read([key](db::Tx& tx) { return files::objects::find(tx, key); });
  if (!object || object->is_local() || object->cloud_path != path) co_return false;
  const auto stores = tool.depot().stores();
  const auto has_it = stores->by_id.find(object->place);
  if (has_it == stores->by_id.end()) co_return true;
  const bool same = co_await tool.depot().are_one_bucket(from, has_it->second);
  co_return same;
}

awaitable<Result<Heap>> collect_store(FilesTool& tool, files::OpenStorePtr from, CollectOptions options) {
  const Millis before = system_clock().now_ms() - options.older_than_s * 1000ll;
  const Known known = [&tool, from](std::string path) { return is_wanted(tool, from, std::move(path)); };
  Heap heap{"objects in " + std::string(from->store->description()) + " without a row"};
  auto collected = co_await collect_listed(std::move(heap), from, from->row.base_path, before, options.yes, known);
  if (collected && options.yes) {
    auto swept = co_await from->store->sweep_uploads(from->row.base_path, system_clock().now_ms() - kUploadsLive);
    if (!swept) co_return fail(std::move(swept).error());
    if (*swept > 0) fmt::print("uploads to {} that were never ended: {}, removed\n", from->store->description(), *swept);
  }
  co_return collected;
}

struct Needless {
  std::string_view what, which;
};
// Accounts that are gone: closed by another program, or before the database was taken over; those closed here are looked
// after by the server (app/upkeep.h).
constexpr Needless kNeedless[] = {
    {"results whose task is gone",
     "g.source_task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM fg_task t WHERE t.id = g.source_task_id) AND NOT EXISTS (SELECT 1 "
     "FROM fg_task t WHERE t.legacy_id = g.source_task_id) AND NOT EXISTS (SELECT 1 FROM fg_task_file f WHERE f.file_id = g.id)"},
    {"files of accounts that are gone", "NOT EXISTS (SELECT 1 FROM \"user\" u WHERE u.id = g.user_id)"},
};

Heap collect_rows(FilesTool& tool, const CollectOptions& options, const Needless& needless) {
  struct Row {
    std::string id;
    std::uint64_t size;
  };
  Heap heap{std::string(needless.what)};
  const Millis now = system_clock().now_ms();
  const auto rows = tool.database().read_now([before = now - options.older_than_s * 1000ll, which = needless.which](db::Tx& tx) {
    return tx.all(fmt::format("SELECT g.id, COALESCE(g.file_size, 0) FROM generated_files g WHERE g.status = 'uploaded' AND "
                              "g.created_at < $1 AND {}", which),
                  {files::sql_time(before)}, [](const db::Row& row) { return Row{row.str(0), static_cast<std::uint64_t>(row.i64(1))}; });
  });
  for (const Row& row : rows) {
    if (options.yes) tool.database().write_now([id = row.id, now](db::Tx& tx) { return files::remove_row(tx, id, "", now); });
    ++heap.count;
    heap.bytes += row.size;
  }
  return heap;
}

// What clients put into a store themselves and nobody can complete any more.
awaitable<Result<Heap>> collect_incoming(FilesTool& tool, files::OpenStorePtr from, CollectOptions options) {
  const Millis before = system_clock().now_ms() - std::max<Millis>(options.older_than_s * 1000ll, kUploadsLive);
  const std::string folder = files::incoming_key(from->row.base_path, "");
  const Known known = [&tool, skip = folder.size()](std::string path) {
    return tool.database().read([id = path.substr(skip)](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_upload WHERE id = $1", {id}) > 0;
    });
  };
  Heap heap{"uploads to " + std::string(from->store->description()) + " that nobody completed"};
  auto collected = co_await collect_listed(std::move(heap), from, folder, before, options.yes, known);
  co_return collected;
}

// Removing was given up: the store refused too often, or was not known then. The server tries again.
Heap collect_given_up(FilesTool& tool, const CollectOptions& options) {
  Heap heap{"objects that nobody refers to and that could not be removed"};
  const auto found = tool.database().read_now([](db::Tx& tx) {
    return *tx.first("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM fg_file_object WHERE refs = 0 AND next_at IS NULL", {},
                     [](const db::Row& row) { return std::pair(row.i64(0), static_cast<std::uint64_t>(row.i64(1))); });
  });
  heap.count = found.first;
  heap.bytes = found.second;
  if (options.yes)
    tool.database().write_now([now = system_clock().now_ms()](db::Tx& tx) {
      tx.exec("UPDATE fg_file_object SET next_at = $1, tries = 0 WHERE refs = 0 AND next_at IS NULL", {now});
    });
  return heap;
}

}  // namespace

ExitCode collect_files(FilesTool& tool, const CollectOptions& options) {
  std::int64_t count = 0;
  bool all_seen = true;
  const auto add = [&](const Heap& heap) {
    count += heap.count;
    tell(heap, options.yes && heap.count > 0);
  };
  for (const Needless& needless : kNeedless) add(collect_rows(tool, options, needless));
  add(collect_disk(tool, options));
  for (const auto& [id, store] : tool.depot().stores()->by_id) {
    if (!store->store) {
      fmt::print(stderr, "{} {}: {} It was left out.\n", store->row.provider, store->row.bucket, store->broken->message().en);
      all_seen = false;
      continue;
    }
    for (auto* collect : {collect_store, collect_incoming}) {
      auto heap = tool.run(collect(tool, store, options));
      if (heap) {
        add(*heap);
        continue;
      }
      fmt::print(stderr, "{}: {} It was left out.\n", store->store->description(), heap.error().message().en);
      all_seen = false;
      break;
    }
  }
  add(collect_given_up(tool, options));
  if (!options.yes && count > 0) fmt::print("Nothing was changed; --yes removes these.\n");
  return all_seen ? ExitCode::ok : ExitCode::failed;
}

}  // namespace fluxgate::app
