// What lies beyond the local disk: the configured store, those that held files before it, and the work of getting
// objects there. Every result and upload is published on the local disk first, where its link works at once; the
// mover then brings it to the store, with patience, and only when the store has it whole do the rows say so. Links
// to such files are answered with a link of the store, or by way of a copy here.
//
// The disk is a spool only where every node sees the same folder, which a marker file proves. Where one does not,
// objects go to the store before anything refers to them (deposit), and what cannot go there waits with its task.
//
// Made on the engine's thread's io_context: the loops run there. Everything else may be called from any thread;
// coroutines continue on their own executor. The depot outlives them all, and the HTTP client the depot's loops.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/coro.h"
#include "base/crypto.h"
#include "db/database.h"
#include "files/blob_store.h"
#include "files/files.h"
#include "files/objects.h"
#include "files/store_table.h"
#include "files/work_pool.h"

namespace fluxgate::files {

// What marks a folder of files (…/files) as one; "" = it is not marked.
std::string folder_marker(const std::string& directory);

struct DepotOptions {
  std::string directory;  // DATA_DIR/files
  std::string node_id;
  int at_once = 4;        // objects on their way
  std::uint64_t copies_bytes = 2ull << 30;  // of objects fetched from stores, kept to be sent again
  Millis first_pause_ms = 1'000;            // after a store failed; doubled up to …
  Millis longest_pause_ms = 60'000;         // … this
  std::uint64_t least_room = 0;             // bytes free in `directory`, below which administrators get an alert
};

// A store as it is configured, ready for use.
struct OpenStore {
  StoreRow row;
  std::shared_ptr<Store> store;  // null: its settings cannot be used, see `broken`
  std::optional<Error> broken;
};
using OpenStorePtr = std::shared_ptr<const OpenStore>;

struct Stores {
  std::map<std::string, OpenStorePtr> by_id;
  OpenStorePtr current;       // null: the local disk
  bool disk_is_shared = true; // every node sees this folder
  std::string home;           // the marker of the folder whose objects the database knows
};

// What became of moving objects.
struct MoveResult {
  enum class What { moved, kept, failed, busy };  // kept: it was there, or is not to go there; busy: another node has it
  What what = What::kept;
  std::optional<Error> error;
};

// A store that clients may put bytes into themselves, below `folder` ("" or ending in a slash); `id` as store_table.h.
struct DirectStore {
  std::shared_ptr<Store> store;
  std::string folder;
  std::string id = {};
};
// conflict, direct_upload_unsupported: names the ways that are open.
std::unexpected<Error> no_direct_store();
// unavailable, store_unavailable: the words for those who can do nothing about it; the log has the store's own.
Error store_away(const Error& why);

class Depot final : public Remote {
 public:
  Depot(boost::asio::any_io_executor executor, net::HttpClient& client, db::Database& database, const crypto::Sealer& sealer,
        const Clock& clock, DepotOptions options);
  ~Depot() override;

  // The settings as they are now, read again. On any thread; at the start before anything else.
  awaitable<void> refresh();
  std::shared_ptr<const Stores> stores() const;
  // After refresh(): whether this is a folder to work with, the one whose files the database knows or, where nodes share a
  // database and a store, one of this node's own. folder_not_shared, for the operator: it names the folder and the ways on.
  Result<void> check_folder() const;

  // ---- on the engine's thread ----
  void start();
  void stop();  // the loops end soon; what is under way is put back
  // From any thread: there is something to move.
  void wake();

  // ---- from any thread ----
  awaitable<Result<void>> deposit(Stored& stored) override;
  awaitable<Result<std::string>> bring(std::string key) override;
  // The store's own link to an object, for a redirect; `row.place` is not local. The depot sets its lifetime and, but of
  // processed pictures, its type.
  Result<SignedRequest> link(const FileRow& row, LinkOptions options) const;
  // How the store is to make that preview (LinkOptions::image_process); "" where we make it.
  std::string preview_by_store(const FileRow& row, int side, PreviewFormat as) const;
  // Where clients may put uploads themselves: the current store, unless its files go through this server, which then
  // may be the only one that reaches it. conflict (direct_upload_unsupported), unavailable (store_unavailable).
  Result<DirectStore> direct_store() const;
  // Any that is known, by its id. not_found (store_unknown), unavailable (store_unavailable).
  Result<std::shared_ptr<Store>> store_named(const std::string& id) const;
  // Whether its place is the disk or a store that can be asked.
  bool can_read(const FileRow& row) const;
  // Whether files of that place go through this server instead; those that are to be `saved` under a name also where the
  // store's links cannot carry one.
  bool proxies(const FileRow& row, bool saved) const;

  // On the engine's thread: whether long work should end soon.
  bool stopping() const { return group_.stopping(); }
  // On the engine's thread: moves one object to `to` (null = the local disk), wherever it is, and checks that it arrived whole before the old
  // copy goes.
  awaitable<MoveResult> move(std::string key, OpenStorePtr to);
  // On the engine's thread: whether two stores are one bucket under two names, such as COS and its S3 side or a domain
  // of its own: what is removed from one is gone from the other. Found out by putting a small object into `a` and looking
  // for it in `b`, once for each pair; true also where that cannot be told.
  awaitable<bool> are_one_bucket(OpenStorePtr a, OpenStorePtr b);
  // Opens a store that is not saved, to try it.
  Result<std::shared_ptr<Store>> open(const StoreRow& row);
  const BlobStore& disk() const { return disk_; }

 private:
  struct Fetch;  // of an object, while it is under way

  // depot.cpp
  awaitable<Result<void>> deposit_in(OpenStorePtr to, Stored& stored);
  awaitable<Result<std::string>> fetch(std::string key);
  awaitable<Result<std::string>> fetch_from(OpenStorePtr from, objects::Object object, std::string path);
  std::string copy_path(const objects::Object& object) const;
  awaitable<Result<std::string>> path_of_bytes(const objects::Object& object);
  void trim_copies() const;

  // folder.cpp
  awaitable<void> learn_folder();
  awaitable<void> name_folder();
  awaitable<void> look_at_room();

  // mover.cpp
  awaitable<void> keep_moving();
  awaitable<void> keep_tidy();
  awaitable<void> attend(objects::Object object);
  awaitable<MoveResult> move_claimed(objects::Object object, OpenStorePtr to);
  awaitable<Result<ObjectFacts>> put_whole(OpenStorePtr to, const objects::Object& object, std::string path, std::string cloud_path,
                                           std::string mime);
  awaitable<void> clear(objects::Object object, OpenStorePtr to, std::string new_path);
  awaitable<void> remove(objects::Object object);
  awaitable<void> put_back(std::string key, std::optional<Millis> next_at, std::string error = {}, bool counted = false);
  awaitable<void> failed(objects::Object object, OpenStorePtr store, Error error);
  awaitable<void> worked(OpenStorePtr store);
  Millis now() const { return clock_.now_ms(); }

  net::HttpClient& client_;
  db::Database& database_;
  const crypto::Sealer& sealer_;
  const Clock& clock_;
  const DepotOptions options_;
  const BlobStore disk_;
  WorkPool pool_;

  mutable std::mutex mutex_;
  std::shared_ptr<const Stores> stores_ = std::make_shared<Stores>();  // under mutex_
  std::string folder_;         // the marker in this folder; written once, before the loops
  std::string seen_settings_;  // under mutex_: what stores_ was made from

  CoroGroup group_;
  Wakeup due_, tidy_due_;
  std::atomic<bool> woken_{false};
  std::set<std::string> under_way_;  // keys of objects that are attended to; on the engine's thread
  // A store that does not work rests, and everything with it.
  int failures_ = 0;
  Millis rest_until_ = 0;
  std::string resting_;        // its id and revision
  bool alerted_ = true;        // an alert may be open: of this life, or of the one before
  std::optional<bool> told_low_;  // of the room in the folder, by this life
  std::unordered_map<std::string, std::shared_ptr<Fetch>> fetches_;  // by path; on the engine's thread
  std::map<std::string, bool> one_bucket_;  // by both stores' ids and revisions; on the engine's thread
};

}  // namespace fluxgate::files
