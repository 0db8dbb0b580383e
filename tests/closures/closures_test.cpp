// Every write closure of the product (DESIGN §5.1): 64 at once, and failing at each of its statements in turn, on
// both engines. Afterwards the books balance and what must be unique is; of a closure that failed nothing stays.
#include <barrier>
#include <thread>

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "faulty_database.h"
#include "house.h"
#include "support/postgres_server.h"

namespace fluxgate::closures {
namespace {

constexpr int kAtOnce = 64;

class Closures : public testing::TestWithParam<std::tuple<db::Dialect, std::size_t>> {
 protected:
  void SetUp() override {
    crypto::initialise();
    log::configure(log::Level::off, log::Format::text);
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-closures-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = fresh();
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  const Act& act() const { return acts().at(std::get<1>(GetParam())); }

  std::unique_ptr<db::Database> fresh() {
    const bool sqlite = std::get<0>(GetParam()) == db::Dialect::sqlite;
    auto made = db::open(sqlite ? "sqlite:///" + (folder_ / (new_id() + ".db")).string() : test::PostgresServer::shared().new_database(),
                         {.connections = 16});
    House::furnish(*made);
    House house(*made, folder_);
    if (act().before) act().before(house);
    return made;
  }

  void expect_books_in_order(db::Database& database) {
    for (const std::string& finding : database.read_now([](db::Tx& tx) { return credits::audit(tx); })) ADD_FAILURE() << finding;
    const auto wrong = database.read_now([](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_user_counter c WHERE n <> (SELECT COUNT(*) FROM fg_task t WHERE t.user_id = c.user_id "
                       "AND t.provider = c.provider AND t.status = c.status)") +
             tx.number("SELECT COUNT(*) FROM fg_credit_account WHERE balance < held OR held < 0") +
             tx.number("SELECT COUNT(*) FROM fg_user u WHERE EXISTS (SELECT 1 FROM fg_event e WHERE e.user_id = u.user_id) AND "
                       "event_seq <> (SELECT MAX(seq) FROM fg_event e WHERE e.user_id = u.user_id)");
    });
    EXPECT_EQ(wrong, 0);
  }

  // Everything that is stored, as one text.
  static std::string dump(db::Database& database) {
    return database.read_now([](db::Tx& tx) {
      std::string all;
      for (const db::Table& table : db::tables()) {
        std::vector<std::string> rows;
        tx.each(fmt::format("SELECT * FROM \"{}\"", table.name), {}, [&](const db::Row& row) {
          std::string line;
          for (int i = 0; i < static_cast<int>(table.columns.size()); ++i) line += row.str(i) + "|";
          rows.push_back(std::move(line));
        });
        std::ranges::sort(rows);
        all += fmt::format("== {}\n", table.name);
        for (const std::string& row : rows) all += row + "\n";
      }
      return all;
    });
  }

  std::filesystem::path folder_;
  std::unique_ptr<db::Database> database_;
};

TEST_P(Closures, HoldSixtyFourAtOnce) {
  std::barrier together(kAtOnce);
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<House>> houses;
  for (int i = 0; i < kAtOnce; ++i) houses.push_back(std::make_unique<House>(*database_, folder_));
  for (int i = 0; i < kAtOnce; ++i)
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      try {
        act().act(*houses[static_cast<std::size_t>(i)], i);
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(database_->read_now([this](db::Tx& tx) { return tx.number(act().query); }), act().expected) << act().query;
  expect_books_in_order(*database_);
}

TEST_P(Closures, LeaveNothingBehindWhereverTheyFail) {
  int statements = 0;
  {
    FaultyDatabase counting(*database_, 0);
    House house(counting, folder_);
    act().act(house, 0);
    statements = counting.statements();
  }
  ASSERT_GT(statements, 0);
  database_ = fresh();
  const std::string before = dump(*database_);
  for (int at = 1; at <= statements; ++at) {
    FaultyDatabase failing(*database_, at);
    House house(failing, folder_);
    EXPECT_ANY_THROW(act().act(house, 0)) << "statement " << at << " of " << statements;
    ASSERT_EQ(dump(*database_), before) << "statement " << at << " of " << statements;
  }
  // And after all that it still can be done.
  House house(*database_, folder_);
  act().act(house, 0);
  expect_books_in_order(*database_);
}

std::string name_of(const testing::TestParamInfo<std::tuple<db::Dialect, std::size_t>>& info) {
  std::string name = std::get<0>(info.param) == db::Dialect::sqlite ? "sqlite_" : "postgresql_";
  for (char c : acts().at(std::get<1>(info.param)).name) name += c == ' ' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, Closures,
                         testing::Combine(testing::Values(db::Dialect::sqlite, db::Dialect::postgresql),
                                          testing::Range<std::size_t>(0, acts().size())),
                         name_of);

}  // namespace
}  // namespace fluxgate::closures
