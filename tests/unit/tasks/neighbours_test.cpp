// What nodes say to each other, and what they make of it: two engines on one board, none of which has to run.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/ids.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

// Carries words to the others and nothing else.
class SpeakingDatabase final : public db::Database {
 public:
  explicit SpeakingDatabase(std::vector<SpeakingDatabase*>& board) : board_(board) { board_.push_back(this); }
  db::Dialect dialect() const override { return db::Dialect::postgresql; }
  void announce(const std::string& word) override {
    said.push_back(word);
    for (SpeakingDatabase* other : board_)
      if (other != this && other->heard_) other->heard_(word);
  }
  void on_announced(std::function<void(const std::string&)> heard) override { heard_ = std::move(heard); }
  void hear(const std::string& word) { heard_(word); }
  void stop() override {}

  std::vector<std::string> said;
  int reads = 0;

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override { refuse(*job); }
  void enqueue_read(std::shared_ptr<db::Job> job) override {
    ++reads;
    refuse(*job);
  }
  bool reads_inline() const override { return false; }
  void run_read(const std::function<void(db::Tx&)>&) override { throw db::Failure("not here"); }

 private:
  static void refuse(db::Job& job) { job.finish(std::make_exception_ptr(db::Failure("not here"))); }

  std::vector<SpeakingDatabase*>& board_;
  std::function<void(const std::string&)> heard_;
};

struct Node {
  Node(std::vector<SpeakingDatabase*>& board, boost::asio::io_context& io, const std::string& folder, bool works)
      : database(board),
        neighbours(database),
        client(net::make_http_client(io, {})),
        files(files::make_files({.directory = folder, .link_secret = std::string(32, 'k')}, system_clock())),
        engine(io.get_executor(),
               EngineParts{database, *files, *client, hub, catalogue, accounts, health, progress, system_clock(), {}, &neighbours},
               EngineOptions{.node_id = works ? "worker" : "api", .hook_secret = std::string(32, 'h'), .works = works}) {
    neighbours.listen(hub, progress, engine);
  }

  SpeakingDatabase database;
  Neighbours neighbours;
  notify::Hub hub;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<files::Files> files;
  catalogue::Holder catalogue{nullptr};
  crypto::Sealer sealer{std::string(32, 'm')};
  AccountStore accounts{sealer};
  AccountHealth health;
  ProgressBoard progress;
  Engine engine;
};

class NeighboursTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // Runs whatever was posted.
  void settle() {
    io_.restart();
    io_.poll();
  }

  const std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("fluxgate-neighbours-" + new_id());
  std::vector<SpeakingDatabase*> board_;
  boost::asio::io_context io_;
  Node api_{board_, io_, folder_.string(), false}, worker_{board_, io_, folder_.string(), true};
};

TEST_F(NeighboursTest, ANodeThatTakesNoTasksTellsThoseThatDo) {
  worker_.engine.wake();
  EXPECT_TRUE(worker_.database.said.empty()) << "it takes what waits itself";
  api_.engine.wake();
  EXPECT_EQ(api_.database.said, std::vector<std::string>{"w"});
  settle();
  EXPECT_TRUE(worker_.database.said.empty()) << "what was heard is not said again";
}

TEST_F(NeighboursTest, WhatIsAtAnotherNodeIsPassedOnOnce) {
  api_.engine.attend("some-task");
  settle();
  EXPECT_EQ(api_.database.said, std::vector<std::string>{"task some-task"});
  EXPECT_TRUE(worker_.database.said.empty()) << "not there either: the word ends here";
}

TEST_F(NeighboursTest, ProgressIsKnownAtEveryNodeUntilTheTaskLeaves) {
  const auto listener = api_.hub.subscribe("ann", io_.get_executor());
  worker_.neighbours.tell_progress("ann", {{"id", "t1"}, {"rev", 3}, {"running", true}, {"progress", 0.25}});
  settle();
  EXPECT_EQ(api_.progress.get("t1").fraction, 0.25);
  EXPECT_TRUE(api_.progress.get("t1").upstream_running);
  EXPECT_FALSE(api_.progress.get("t1").queue_position.has_value());
  const auto events = listener->take_progress();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, "task.progress");
  EXPECT_NE(events[0].data.find("\"t1\""), std::string::npos);

  worker_.neighbours.tell_progress("ann", {{"id", "t1"}, {"rev", 3}, {"running", false}, {"queue_position", 7}});
  EXPECT_EQ(api_.progress.get("t1").queue_position, 7);
  worker_.neighbours.tell_no_progress("t1");
  EXPECT_FALSE(api_.progress.get("t1").queue_position.has_value());
}

awaitable<void> wait_for_news(std::shared_ptr<notify::Subscription> listener, int& woken) {
  co_await listener->wakeup().wait_for(std::chrono::hours(1));
  ++woken;
}

TEST_F(NeighboursTest, NewsWakeTheStreamsOfTheirUserAndAGapWakesAll) {
  int woken = 0;
  CoroGroup group(io_.get_executor());
  for (const char* user : {"ann", "bob"}) group.spawn(user, wait_for_news(api_.hub.subscribe(user, io_.get_executor()), woken));
  settle();
  worker_.neighbours.tell_news("ann");
  settle();
  EXPECT_EQ(woken, 1);
  api_.database.hear("*");
  settle();
  EXPECT_EQ(woken, 2);
}

TEST_F(NeighboursTest, AfterAGapAWorkerLooksForCancelsItMayHaveMissed) {
  api_.database.hear("*");
  settle();
  EXPECT_EQ(api_.database.reads, 0) << "it has no tasks";
  worker_.database.hear("*");
  settle();
  EXPECT_EQ(worker_.database.reads, 1);
}

TEST_F(NeighboursTest, NonsenseIsLeftAlone) {
  for (const char* word : {"", "?", "p", "pann", "pann {", "pann {}", "pann {\"id\":3}", "q"}) api_.database.hear(word);
  settle();
  EXPECT_TRUE(api_.database.said.empty());
}

TEST(ProgressBoard, IsBounded) {
  ProgressBoard board;
  for (std::size_t i = 0; i < ProgressBoard::kMost; ++i) board.put(std::to_string(i), {.fraction = 0.5});
  EXPECT_TRUE(board.get("0").fraction.has_value());
  board.put("one more", {.fraction = 0.5});
  EXPECT_FALSE(board.get("0").fraction.has_value());
  EXPECT_TRUE(board.get("one more").fraction.has_value());
  EXPECT_TRUE(board.erase("one more"));
  EXPECT_FALSE(board.erase("one more"));
}

}  // namespace
}  // namespace fluxgate::tasks
