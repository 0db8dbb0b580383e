#include "credits/ledger.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/schema.h"

namespace fluxgate::credits {
namespace {

class Ledger : public testing::Test {
 protected:
  void SetUp() override {
    crypto::initialise();
    database_ = db::open(":memory:");
    database_->write_now([](db::Tx& tx) {
      db::create_missing(tx, 1);
      open_account(tx, "ann", Credits::whole(100), make_stamp(1));
    });
  }
  // A task of that price, as submit stores it.
  Result<Account> hold_for(const std::string& task, Credits price) {
    return database_->write_now([task, price](db::Tx& tx) {
      auto held = hold(tx, "ann", task, price, make_stamp(2));
      if (held)
        tx.exec("INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, params, quote, quote_rev, "
                "created_at, updated_at) VALUES ($1, 'ann', 'flux', 'text_to_image', 'm', 'running', '{}', $2, 1, 1, 1)",
                {task, price});
      return held;
    });
  }
  Account settle_for(const std::string& task, Credits captured) {
    return database_->write_now([task, captured](db::Tx& tx) {
      Account after = settle(tx, "ann", task, captured, make_stamp(3));
      auto charged = -tx.number("SELECT COALESCE(SUM(amount), 0) FROM fg_credit_entry WHERE task_id = $1 AND kind = 'capture'", {task});
      tx.exec("UPDATE fg_task SET status = 'failed', charged = $1 WHERE id = $2", {charged, task});
      return after;
    });
  }
  Account account() {
    return *database_->read_now([](db::Tx& tx) { return find_account(tx, "ann"); });
  }
  void expect_books_in_order() {
    auto findings = database_->read_now([](db::Tx& tx) { return audit(tx); });
    EXPECT_TRUE(findings.empty()) << findings.front();
  }

  std::unique_ptr<db::Database> database_;
};

TEST_F(Ledger, HoldsThenCapturesWhatWasDeliveredAndReleasesTheRest) {
  ASSERT_TRUE(hold_for("t", Credits::whole(40)));
  EXPECT_EQ(account().available(), Credits::whole(60));
  Account after = settle_for("t", Credits::whole(10));
  EXPECT_EQ(after.balance, Credits::whole(90));
  EXPECT_EQ(after.held, Credits{});
  expect_books_in_order();
}

TEST_F(Ledger, RefusesOneThousandthMoreThanIsAvailableAndChangesNothing) {
  EXPECT_TRUE(hold_for("a", Credits::whole(60)));
  auto refused = hold_for("b", Credits::whole(40) + Credits::thousandths(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), "insufficient_credits");
  EXPECT_EQ(refused.error().context().at("balance").as_double(), 40.0);
  EXPECT_TRUE(hold_for("c", Credits::whole(40)));
  EXPECT_EQ(account().available(), Credits{});
  expect_books_in_order();
}

TEST_F(Ledger, SettlesATaskOnce) {
  ASSERT_TRUE(hold_for("t", Credits::whole(40)));
  settle_for("t", Credits::whole(40));
  settle_for("t", Credits{});
  settle_for("t", Credits::whole(40));
  EXPECT_EQ(account().balance, Credits::whole(60));
  expect_books_in_order();
}

TEST_F(Ledger, ReleasesAllOfAFailedTask) {
  ASSERT_TRUE(hold_for("t", Credits::whole(40)));
  settle_for("t", Credits{});
  EXPECT_EQ(account().available(), Credits::whole(100));
  expect_books_in_order();
}

TEST_F(Ledger, OpensAnAccountOnce) {
  database_->write_now([](db::Tx& tx) { open_account(tx, "ann", Credits::whole(7), make_stamp(1)); });
  EXPECT_EQ(account().balance, Credits::whole(100));
}

TEST_F(Ledger, GrantsAndTakesButNotWhatIsHeld) {
  ASSERT_TRUE(hold_for("t", Credits::whole(30)));
  auto give = [this](Credits amount) {
    return database_->write_now([amount](db::Tx& tx) { return grant(tx, "ann", amount, "admin", "why", make_stamp(4)); });
  };
  EXPECT_TRUE(give(Credits::whole(5)));
  EXPECT_FALSE(give(-Credits::whole(76)));
  EXPECT_TRUE(give(-Credits::whole(75)));
  EXPECT_EQ(account().available(), Credits{});
  expect_books_in_order();
}

TEST_F(Ledger, NeverSpendsACreditTwiceUnderManyHands) {
  std::vector<std::thread> hands;
  std::atomic<int> granted = 0;
  for (int i = 0; i < 16; ++i)
    hands.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k)
        if (hold_for("t" + std::to_string(i * 100 + k), Credits::whole(3))) ++granted;
    });
  for (auto& hand : hands) hand.join();
  EXPECT_EQ(granted, 33);
  EXPECT_EQ(account().available(), Credits::whole(1));
}

TEST_F(Ledger, AuditFindsWhatWasTamperedWith) {
  ASSERT_TRUE(hold_for("t", Credits::whole(40)));
  expect_books_in_order();
  database_->write_now([](db::Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = balance + 1"); });
  EXPECT_FALSE(database_->read_now([](db::Tx& tx) { return audit(tx); }).empty());
}

// Random sequences against a model of ten lines.
TEST_F(Ledger, AgreesWithASimpleModelOverRandomSequences) {
  std::uint64_t seed = crypto::random_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::int64_t balance = 100'000, held = 0;
  std::map<std::string, std::int64_t> open;
  for (int step = 0; step < 2'000; ++step) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    std::int64_t amount = static_cast<std::int64_t>((seed >> 33) % 20'000);
    if ((seed >> 60) % 2 == 0 || open.empty()) {
      std::string task = "r" + std::to_string(step);
      bool fits = balance - held >= amount;
      ASSERT_EQ(hold_for(task, Credits::thousandths(amount)).has_value(), fits);
      if (fits) open[task] = amount, held += amount;
    } else {
      auto [task, quote] = *open.begin();
      std::int64_t captured = std::min(amount, quote);
      settle_for(task, Credits::thousandths(captured));
      balance -= captured, held -= quote;
      open.erase(task);
    }
    ASSERT_EQ(account().balance.in_thousandths(), balance);
    ASSERT_EQ(account().held.in_thousandths(), held);
  }
}

TEST_F(Ledger, ATakenOverBalanceMayBeNegativeButNeverGetMoreSo) {
  database_->write_now([](db::Tx& tx) {
    tx.exec("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('old', -3000, 0, 1, 1)");
    tx.exec("INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, created_at) "
            "VALUES ('e1', 'old', 'open', -3000, -3000, 0, 1)");
  });
  expect_books_in_order();
  auto topped_up = database_->write_now([](db::Tx& tx) { return grant(tx, "old", Credits::whole(1), "", "", make_stamp(2)); });
  ASSERT_TRUE(topped_up);
  expect_books_in_order();
  database_->write_now([](db::Tx& tx) {
    tx.exec("UPDATE fg_credit_account SET balance = -3001 WHERE user_id = 'old'");
    tx.exec("INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, created_at) "
            "VALUES ('e3', 'old', 'grant', -1001, -3001, 0, 3)");
  });
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return audit(tx); }).size(), 1u);
}

}  // namespace
}  // namespace fluxgate::credits
