// The closures of the depot. It moves objects to a store and removes them, as it does in a server: once while each of
// its lines fails at every statement in turn, and once as sixty-four nodes.
#include <fstream>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "files/objects.h"
#include "files/rows.h"
#include "house.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace fs = std::filesystem;

// An S3 store behind a client: it keeps lengths, for whoever looks whether all arrived.
class Shelf final : public net::HttpClient {
 public:
  std::atomic<bool> refuses = false;

  awaitable<net::Reply> call(HttpRequest request, net::CallOptions options) override {
    if (refuses) co_return HttpResponse{403, {}, ""};
    if (request.method == "PUT") lengths_[request.url] = options.upload ? options.upload->size : request.body.size();
    if (request.method == "DELETE") co_return HttpResponse{204, {}, ""};
    co_return HttpResponse{200, {{"etag", "\"e\""}, {"content-length", std::to_string(lengths_[request.url])}}, ""};
  }

 private:
  std::map<std::string, std::uint64_t> lengths_;
};

// A node's depot, on the thread that turns it.
class Node {
 public:
  Node(House& house, const std::string& id, std::uint64_t least_room = 0)
      : depot(io_.get_executor(), shelf, house.database, house.sealer, house.clock,
              {.directory = house.files_folder(), .node_id = id, .first_pause_ms = 1, .longest_pause_ms = 1, .least_room = least_room}) {}
  // False when it has failed.
  template <class F>
  bool did(F work) {
    auto done = boost::asio::co_spawn(io_, work(), boost::asio::use_future);
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) turn();
    try {
      done.get();
      return true;
    } catch (const db::Failure&) {
      return false;
    }
  }
  void start() {
    while (!did([&] { return depot.refresh(); })) {
    }
    depot.start();
  }
  void turn() {
    if (turns_++ % 8 == 0) depot.wake();
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(2));  // its disk works on threads of its own
  }
  void stop() {
    depot.stop();
    io_.restart();
    io_.run();
  }

 private:
  boost::asio::io_context io_;
  int turns_ = 0;

 public:
  Shelf shelf;
  files::Depot depot;
};

class DepotAtWork : public testing::TestWithParam<db::Dialect> {
 protected:
  DepotAtWork() {
    const auto saved = house.send("POST", "/api/v1/storage/config", ann.token,
                                  {{"provider", "s3"}, {"enabled", true}, {"secret_id", "AKIDEXAMPLE"}, {"secret_key", "secret"},
                                   {"bucket", "studio"}, {"region", "us-east-1"}, {"endpoint", "http://store.example"}});
    EXPECT_EQ(saved.status, 200);
    // Where nodes share a database, there is one that has a folder of its own: files cannot stay on a disk for the others.
    if (GetParam() == db::Dialect::postgresql)
      house.write([&](db::Tx& tx) {
        tasks::store::renew_lease(tx, "elsewhere", 3'600'000, now());
        tx.exec("INSERT INTO fg_node_folder (node_id, folder) VALUES ('elsewhere', 'another')");
      });
  }
  void TearDown() override {
    EXPECT_EQ(house.database.left(), "") << "left of closures that failed";
    EXPECT_EQ(house.audit(), "");
  }

  Millis now() const { return house.clock.now_ms(); }
  // On the disk; what it is.
  files::Stored put_on_disk(const std::string& bytes) {
    files::Stored stored{.sha256 = crypto::sha256_hex(bytes), .size = bytes.size(), .mime = "image/png"};
    stored.key = fmt::format("{}/{}/{}.png", stored.sha256.substr(0, 2), stored.sha256.substr(2, 2), stored.sha256);
    const fs::path path = house.files->path_of(stored.key);
    fs::create_directories(path.parent_path());
    std::ofstream(path) << bytes;
    return stored;
  }
  // A file of ann's; its key.
  std::string keep(const std::string& bytes) {
    const auto stored = put_on_disk(bytes);
    house.write([&](db::Tx& tx) {
      house.files->insert(tx, {.id = bytes, .user_id = ann.id, .filename = "a.png", .source_type = "upload", .created_at = now()}, stored);
    });
    return stored.key;
  }
  // So do the files, whose times are the machine's: a copy may still lie there after a move that nobody heard of.
  void grow_older(std::chrono::hours by) {
    house.clock.advance(std::chrono::milliseconds(by).count());
    for (const auto& file : fs::recursive_directory_iterator(house.files_folder()))
      if (file.is_regular_file()) fs::last_write_time(file, file.last_write_time() - by);
  }
  std::int64_t objects(std::string_view which = "") { return house.number(fmt::format("SELECT COUNT(*) FROM fg_file_object {}", which)); }
  // For people, when it never comes to an end.
  std::string story() {
    return house.read([&](db::Tx& tx) {
      std::string text = fmt::format("now {}\n", now());
      tx.each("SELECT key, refs, place, next_at, owner, tries, error FROM fg_file_object", {}, [&](const db::Row& row) {
        for (int i = 0; i < 7; ++i) text += row.is_null(i) ? "NULL " : row.str(i) + " ";
        text += "\n";
      });
      return text;
    }) + (alerted() ? "an alert is open" : "");
  }
  bool alerted() { return house.number("SELECT COUNT(*) FROM fg_alert WHERE resolved_at IS NULL") != 0; }
  bool is_shared() const { return GetParam() == db::Dialect::postgresql; }
  // "elsewhere" has no file: nothing of it is in the way of those that deposit.
  auto deposit(Node& node, const std::string& bytes) {
    return [&node, stored = put_on_disk(bytes)]() -> awaitable<void> {
      auto copy = stored;
      auto done = co_await node.depot.deposit(copy);
      EXPECT_TRUE(done && copy.place != files::kLocal);
    };
  }
  // The bytes of a file that lies on the disk come again. Done, unless another node is just moving it.
  auto deposit_again(Node& node, const std::string& bytes) {
    return [this, &node, stored = put_on_disk(bytes)]() -> awaitable<void> {
      auto copy = stored;
      auto done = co_await node.depot.deposit(copy);
      EXPECT_TRUE(done || done.error().code() == "store_unavailable");
      if (done) EXPECT_EQ(objects(fmt::format("WHERE key = '{}' AND place = 'local'", stored.key)), 0) << "the rows of the old one";
    };
  }
  auto move(Node& node, const std::string& key) {
    return [&node, key]() -> awaitable<void> { co_await node.depot.move(key, node.depot.stores()->current); };
  }

  House house{GetParam()};
  const Person ann = house.sign_up("ann@example.org");
};

class DepotFails : public DepotAtWork {
 protected:
  // Until nothing fails any more.
  void work_for_years(Failing failing) {
    int year = 0;
    const auto until = [this](Node& node, simulation::SimClock& clock, const std::function<bool()>& come) {
      for (int turn = 0; !come(); ++turn) {
        ASSERT_LT(turn, 6'000) << story();
        clock.advance(10);
        node.turn();
      }
    };
    for (int before = -1; house.database.failed_so() != before; ++year) {
      ASSERT_LT(year, 40) << "something fails for ever";
      before = house.database.failed_so();
      house.database.let_fail(Failing::not_at_all);
      keep(fmt::format("first of {}", year));
      const std::string key = keep(fmt::format("second of {}", year));
      house.database.let_fail(failing);
      Node node(house, "node");
      node.shelf.refuses = true;
      node.start();
      while (!node.did(move(node, key))) {
      }
      ASSERT_NO_FATAL_FAILURE(until(node, house.clock, [&] { return alerted(); }));
      node.shelf.refuses = false;
      while (is_shared() && !node.did(deposit(node, fmt::format("third of {}", year)))) {
      }
      while (is_shared() && !node.did(deposit_again(node, fmt::format("second of {}", year)))) {
      }
      // That it works again is told with an object that has moved: there is always another one.
      for (int more = 0;; ++more) {
        ASSERT_NO_FATAL_FAILURE(until(node, house.clock, [&] { return objects("WHERE place = 'local'") == 0; }));
        if (!alerted()) break;
        house.database.let_fail(Failing::not_at_all);
        keep(fmt::format("{} more of {}", more, year));
        house.database.let_fail(failing);
      }
      house.database.let_fail(Failing::not_at_all);
      house.write([&](db::Tx& tx) {
        for (const auto& id : tx.all("SELECT id FROM generated_files", {}, [](const db::Row& row) { return row.str(0); }))
          EXPECT_TRUE(files::remove_row(tx, id, "", now()));
      });
      grow_older(std::chrono::hours(2));
      house.database.let_fail(failing);
      ASSERT_NO_FATAL_FAILURE(until(node, house.clock, [&] { return objects() == 0; }));
      node.stop();
    }
    house.database.let_fail(Failing::not_at_all);
  }
};
using DepotSideBySide = DepotAtWork;
using DepotRoom = DepotAtWork;

TEST_P(DepotFails, AtEveryStatementAndGoesOn) { work_for_years(Failing::in_turn); }
TEST_P(DepotFails, ToHearOfItsCommitsAndGoesOn) { work_for_years(Failing::untold); }

// On both sides of the limit; a life that finds room resolves what one before it raised.
TEST_P(DepotRoom, IsToldOfWhenThereIsLittle) {
  const auto free = fs::space(house.files_folder()).available;
  const auto open = [&] { return house.number("SELECT COUNT(*) FROM fg_alert WHERE kind = 'disk_low' AND resolved_at IS NULL"); };
  for (const auto& [least_room, alerts] : {std::pair(free * 2, 1), std::pair(free / 2, 0)}) {
    Node node(house, "node", least_room);
    node.start();
    for (int turn = 0; open() != alerts; ++turn) {
      ASSERT_LT(turn, 6'000);
      node.turn();
    }
    node.stop();
  }
}

TEST_P(DepotSideBySide, SixtyFourNodesMoveAndRemoveEachObjectOnce) {
  std::vector<std::string> keys;
  for (int i = 0; i < kSideBySide; ++i) keys.push_back(keep(fmt::format("file {}", i)));
  // By time, not by turns: what is waited for is done by threads that a busy machine may keep waiting. The clock goes on
  // meanwhile: an object that the shelf has just refused rests, and one whose copy was still here when it was to go stays its hour.
  const auto until = [this](Node& node, const std::function<bool()>& come) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    for (int turn = 0; turn % 16 != 0 || !come(); ++turn) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error(story());
      house.clock.advance(1'000);
      node.turn();
    }
  };
  side_by_side(kSideBySide, [&](int i) {
    const std::string id = fmt::format("node{}", i);
    house.write([&](db::Tx& tx) { tasks::store::renew_lease(tx, id, 3'600'000'000, now()); });
    Node node(house, id);
    node.start();
    node.shelf.refuses = true;
    EXPECT_TRUE(node.did(move(node, keys[static_cast<std::size_t>(i)])));
    node.shelf.refuses = false;
    if (is_shared()) EXPECT_TRUE(node.did(deposit(node, fmt::format("deposit {}", i))));
    if (is_shared()) EXPECT_TRUE(node.did(deposit_again(node, fmt::format("file {}", i))));
    house.clock.advance(1'000);
    until(node, [&] { return objects("WHERE place = 'local'") == 0; });
    house.write([&](db::Tx& tx) { files::remove_row(tx, fmt::format("file {}", i), "", now()); });
    house.clock.advance(2 * 3'600'000);
    until(node, [&] { return objects("WHERE refs = 0") == 0; });
    node.stop();
    return 0;
  });
  EXPECT_EQ(objects(), 0);
}

FLUX_ON_BOTH_ENGINES(DepotFails);
FLUX_ON_BOTH_ENGINES(DepotRoom);
FLUX_ON_BOTH_ENGINES(DepotSideBySide);

}  // namespace
}  // namespace fluxgate::closures
