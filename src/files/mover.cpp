// The depot's work: objects that are due are moved to the store, or removed when nobody refers to them any more.
#include <unistd.h>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "files/depot.h"
#include "files/rows.h"
#include "files/rules.h"
#include "files/stores/source.h"
#include "net/http_client.h"
#include "notify/alerts.h"

namespace fluxgate::files {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{500};       // for what is due
constexpr milliseconds kTidy{60'000};
constexpr Millis kSettingsRead = 2'000;
constexpr int kTriesOfAnObject = 5;      // that only it fails
constexpr Millis kDay = 24ll * 3600 * 1000;
constexpr int kFailuresToTell = 3;       // of the store in a row

Millis doubled(Millis first, int times, Millis most) {
  Millis pause = first;
  for (int i = 0; i < times && pause < most; ++i) pause *= 2;
  return std::min(pause, most);
}

std::string name_of_store(const OpenStore& store) {
  return store.store ? std::string(store.store->description()) : fmt::format("{} {}", store.row.provider, store.row.bucket);
}

std::string mime_of_object(db::Tx& tx, const objects::Object& object) {
  const auto read = [](const db::Row& row) { return row.str(0); };
  auto mime = object.is_local()
                  ? tx.first("SELECT mime_type FROM generated_files WHERE local_path = $1 LIMIT 1", {object.key}, read)
                  : tx.first("SELECT mime_type FROM generated_files WHERE cloud_path = $1 LIMIT 1", {object.cloud_path}, read);
  return mime && !mime->empty() ? *mime : "application/octet-stream";
}

}  // namespace

void Depot::start() {
  group_.spawn("the mover of files", keep_moving());
  group_.spawn("the tidying of files", keep_tidy());
}

void Depot::stop() {
  group_.stop();
  due_.notify();
  tidy_due_.notify();
}

void Depot::wake() {
  if (woken_.exchange(true)) return;
  boost::asio::post(group_.executor(), [this] { due_.notify(); });
}

awaitable<void> Depot::keep_moving() {
  Millis read_at = 0;
  while (!group_.stopping()) {
    co_await due_.wait_for(kLook);
    woken_ = false;
    if (group_.stopping()) co_return;
    try {
      if (now() - read_at >= kSettingsRead) {
        co_await refresh();
        read_at = now();
      }
      const auto known = stores();
      // Other settings deserve another try at once.
      const std::string current =
          known->current ? fmt::format("{} {}", known->current->row.id, known->current->row.updated_at) : "";
      if (current != resting_) rest_until_ = 0;
      const bool rests = now() < rest_until_;
      const int busy = static_cast<int>(under_way_.size());
      const int room = failures_ > 0 && !rests ? 1 - busy : options_.at_once - busy;  // one goes to try
      if (rests || room <= 0) continue;
      const bool any = co_await database_.read([at = now()](db::Tx& tx) { return objects::any_due(tx, at); });
      if (!any) continue;
      auto claimed = co_await database_.write([node = options_.node_id, at = now(), room, attended = under_way_](db::Tx& tx) {
        return objects::claim(tx, node, at, room, attended);
      });
      for (objects::Object& object : claimed)
        if (under_way_.insert(object.key).second) group_.spawn("moving " + object.key, attend(std::move(object)));
    } catch (const std::exception& e) {
      log::error("storage: the mover: {}", e.what());
    }
  }
}

awaitable<void> Depot::keep_tidy() {
  while (!group_.stopping()) {
    co_await pool_.run(WhenFull::wait, "", [this]() -> Result<void> {
      trim_copies();
      return {};
    });
    try {
      co_await name_folder();
      co_await look_at_room();
    } catch (const std::exception& e) {
      log::error("storage: the tidying: {}", e.what());
    }
    co_await tidy_due_.wait_for(kTidy);
  }
}

awaitable<void> Depot::attend(objects::Object object) {
  const std::string key = object.key;
  std::exception_ptr thrown;
  try {
    if (object.refs == 0) {
      co_await remove(std::move(object));
    } else if (!object.is_local()) {
      disk_.take_away(key, milliseconds(0));  // the same bytes came again
      co_await put_back(key, std::nullopt);
    } else {
      auto to = stores()->current;
      if (to) co_await move_claimed(std::move(object), std::move(to));
      else co_await put_back(key, std::nullopt);
    }
  } catch (const std::exception& e) {
    // Its claim ends with this node at the latest; a database that is back lets it go before.
    log::error("storage: {}: {}", key, e.what());
    thrown = std::current_exception();
  }
  if (thrown) {
    try {
      co_await put_back(key, now() + options_.longest_pause_ms);
    } catch (const std::exception& e) {
      log::error("storage: {}: {}", key, e.what());
    }
  }
  under_way_.erase(key);
  due_.notify();
}

awaitable<void> Depot::put_back(std::string key, std::optional<Millis> next_at, std::string error, bool counted) {
  co_await database_.write([node = options_.node_id, key = std::move(key), next_at, error = std::move(error), counted](db::Tx& tx) {
    objects::put_back(tx, node, key, next_at, error, counted);
  });
}

awaitable<MoveResult> Depot::move(std::string key, OpenStorePtr to) {
  if (!under_way_.insert(key).second) co_return MoveResult{MoveResult::What::busy, {}};
  struct Mark {
    std::set<std::string>& marked;
    const std::string& key;
    ~Mark() { marked.erase(key); }
  } const mark{under_way_, key};
  auto claimed = co_await database_.write([node = options_.node_id, key, at = now()](db::Tx& tx) {
    return objects::claim_one(tx, node, key, at);
  });
  if (!claimed) co_return MoveResult{MoveResult::What::busy, {}};
  auto result = co_await move_claimed(std::move(*claimed), std::move(to));
  co_return result;
}

// The old bytes go after the rows point to the new ones, and those were seen whole.
awaitable<MoveResult> Depot::move_claimed(objects::Object object, OpenStorePtr to) {
  using What = MoveResult::What;
  const std::string place = to ? to->row.id : std::string(kLocal);
  const std::string mime =
      co_await database_.read([object](db::Tx& tx) { return mime_of_object(tx, object); });
  if (object.place == place || (to && !takes(to->row, mime, object.size))) {
    co_await put_back(object.key, std::nullopt);
    co_return MoveResult{What::kept, {}};
  }
  if (to && !to->store) {
    co_await failed(object, to, *to->broken);
    co_return MoveResult{What::failed, to->broken};
  }
  auto found = co_await path_of_bytes(object);
  if (!found) {
    log::error("storage: {} is to be moved, but its bytes are not at {}", object.key, object.place);
    co_await put_back(object.key, now() + kDay, found.error().code(), true);
    co_return MoveResult{What::failed, found.error()};
  }
  objects::Moved moved{place, std::string(kLocal), {}, {}, {}};
  std::optional<Error> refused;
  if (to) {
    moved.provider = to->row.provider;
    moved.cloud_path = path_in(to->row, object.key, mime);
    moved.cloud_url = public_url(to->row, moved.cloud_path);
    auto put = co_await put_whole(to, object, *found, moved.cloud_path, mime);
    if (put) moved.etag = put->etag;
    else refused = std::move(put).error();
  } else {
    auto kept = co_await pool_.run(WhenFull::wait, "", [this, from = *found, key = object.key] { return disk_.adopt_copy(from, key); });
    if (!kept) refused = std::move(kept).error();
  }
  if (refused) {
    co_await failed(object, to, *refused);
    co_return MoveResult{What::failed, refused};
  }
  const bool done = co_await database_.write([node = options_.node_id, object, moved, at = now()](db::Tx& tx) {
    return objects::moved(tx, node, object, moved, at);
  });
  if (!done) co_return MoveResult{What::busy, {}};
  if (object.is_local()) disk_.take_away(object.key, milliseconds(0));
  else co_await clear(object, to, moved.cloud_path);
  if (to) co_await worked(to);
  co_return MoveResult{What::moved, {}};
}

// The copy in the store it came from. What stays because that store fails is found by `files gc`.
awaitable<void> Depot::clear(objects::Object object, OpenStorePtr to, std::string new_path) {
  const auto known = stores();
  const auto from = known->by_id.find(object.place);
  if (from == known->by_id.end() || !from->second->store) co_return;
  if (to && new_path == object.cloud_path) {
    const bool same = co_await are_one_bucket(to, from->second);
    if (same) co_return;  // it is what was just put
  }
  const auto store = from->second->store;
  auto gone = co_await store->remove(object.cloud_path);
  if (!gone) log::warn("storage: {} was moved, but could not be removed from {}", object.key, store->description());
}

awaitable<bool> Depot::are_one_bucket(OpenStorePtr a, OpenStorePtr b) {
  if (a->row.id == b->row.id || !a->store || !b->store) co_return true;
  const std::string pair = fmt::format("{} {} {} {}", a->row.id, a->row.updated_at, b->row.id, b->row.updated_at);
  if (const auto told = one_bucket_.find(pair); told != one_bucket_.end()) co_return told->second;
  Put probe;
  probe.key = fmt::format("{}same-bucket-{}.txt", a->row.base_path, new_id(now()));
  probe.source = make_memory_source("Is this one bucket under two names?");
  probe.content_type = "text/plain";
  const std::string key = probe.key;
  auto put = co_await a->store->put(std::move(probe));
  if (!put) co_return true;
  auto seen = co_await b->store->head(key);
  auto removed = co_await a->store->remove(key);
  if (!removed) log::warn("storage: {} could not be removed from {}", key, a->store->description());
  const bool other = !seen && seen.error().errc() == Errc::not_found;
  if (!seen && !other) {
    log::warn("storage: cannot tell whether {} and {} are one bucket; what was moved stays there too: {}", a->store->description(),
              b->store->description(), seen.error().internal());
    co_return true;
  }
  one_bucket_[pair] = !other;
  co_return !other;
}

awaitable<Result<ObjectFacts>> Depot::put_whole(OpenStorePtr to, const objects::Object& object, std::string path,
                                                std::string cloud_path, std::string mime) {
  FLUX_CO_TRY(source, open_file_source(std::move(path)));
  Put put;
  put.key = cloud_path;
  put.source = source;
  put.content_type = std::move(mime);
  if (is_key(object.key)) put.sha256 = std::string(sha256_of(object.key));
  auto done = co_await to->store->put(std::move(put));
  if (!done) co_return fail(std::move(done).error());
  // Not taken on its word: what others are to be sent is looked at once.
  auto seen = co_await to->store->head(std::move(cloud_path));
  if (!seen) co_return fail(std::move(seen).error());
  if (seen->size != source->size())
    co_return fail(Error(Errc::unavailable, "object_incomplete", {"The store has not kept the whole file.", "存储未保存完整文件。"})
                       .log(fmt::format("{} of {} bytes", seen->size, source->size())));
  co_return *seen;
}

awaitable<void> Depot::remove(objects::Object object) {
  const Millis grace = co_await database_.read([](db::Tx& tx) { return load_rules(tx).grace_ms; });
  // A file that was published lately belongs to somebody whose row is still to come.
  if (!disk_.take_away(object.key, milliseconds(grace))) co_return co_await put_back(object.key, now() + grace);
  if (!object.is_local()) {
    const auto known = stores();
    const auto from = known->by_id.find(object.place);
    if (from == known->by_id.end() || !from->second->store) {
      co_await put_back(object.key, now() + kDay, "store_unknown", true);
      co_return;
    }
    const bool still = co_await database_.read([node = options_.node_id, key = object.key](db::Tx& tx) {
      return objects::may_remove(tx, node, key);
    });
    if (!still) co_return co_await put_back(object.key, now());
    const auto store = from->second;
    auto gone = co_await store->store->remove(object.cloud_path);
    if (!gone) co_return co_await failed(std::move(object), store, std::move(gone).error());
  }
  co_await database_.write([node = options_.node_id, key = object.key, at = now()](db::Tx& tx) {
    return objects::removed(tx, node, key, at);
  });
  if (is_key(object.key)) disk_.drop_thumbnails(sha256_of(object.key));
  ::unlink(copy_path(object).c_str());
}

// Whose fault it is decides how long it rests, and what.
awaitable<void> Depot::failed(objects::Object object, OpenStorePtr store, Error error) {
  const Decision decision = decision_of(error);
  const std::string said = fmt::format("{}: {} {}", error.code(), error.message().en, error.internal());
  log::warn("storage: {} and {}: {}", object.key, store ? name_of_store(*store) : "the disk", said);
  if (decision == Decision::final || !store) {
    const bool again = object.tries + 1 < kTriesOfAnObject;
    const Millis at = now() + doubled(options_.first_pause_ms, static_cast<int>(object.tries) + 3, kDay);
    co_return co_await put_back(object.key, again ? std::optional(at) : std::nullopt, said, true);
  }
  const Millis pause = doubled(options_.first_pause_ms, failures_, options_.longest_pause_ms);
  ++failures_;
  rest_until_ = now() + pause;
  resting_ = fmt::format("{} {}", store->row.id, store->row.updated_at);
  co_await put_back(object.key, rest_until_, said);
  if (decision != Decision::alert && failures_ < kFailuresToTell) co_return;
  alerted_ = true;
  const Text words = decision == Decision::alert
                         ? Text{fmt::format("The file storage refuses: {} Files wait on this server.", error.message().en),
                                fmt::format("文件存储拒绝访问：{}文件暂存于本服务器。", error.message().zh)}
                         : Text{fmt::format("The file storage cannot be reached: {} Files wait on this server.", error.message().en),
                                fmt::format("无法连接文件存储：{}文件暂存于本服务器。", error.message().zh)};
  co_await database_.write([id = new_id(now()), kind = decision == Decision::alert ? "storage_refused" : "storage_unreachable",
                            subject = name_of_store(*store), words, at = now()](db::Tx& tx) {
    notify::raise(tx, id, kind, subject, words, at);
  });
}

awaitable<void> Depot::worked(OpenStorePtr store) {
  failures_ = 0;
  rest_until_ = 0;
  if (!alerted_) co_return;
  co_await database_.write([subject = name_of_store(*store), at = now()](db::Tx& tx) {
    for (const char* kind : {"storage_refused", "storage_unreachable"}) notify::resolve(tx, kind, subject, at);
  });
  alerted_ = false;
}

}  // namespace fluxgate::files
