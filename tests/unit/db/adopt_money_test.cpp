// Money of an old database: balances, their log, what was taken for lost tasks, codes and payments.
#include <boost/json.hpp>

#include "old_database.h"

namespace fluxgate::db::adopt {
namespace {

class AdoptedMoney : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Engines, AdoptedMoney, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"; });

TEST_P(AdoptedMoney, TheLedgerExplainsTheBalance) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const std::string report = said(old.take_over());
  const auto balance = [&](std::string_view user) {
    return old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", user));
  };
  EXPECT_EQ(balance(test::kSeedAdmin), 100'000);
  EXPECT_EQ(balance(test::kSeedMember), 62'500);
  EXPECT_EQ(balance("33333333-3333-4333-8333-333333333333"), -3'250);
  EXPECT_EQ(balance("44444444-4444-4444-8444-444444444444"), 0);
  EXPECT_EQ(balance("55555555-5555-4555-8555-555555555555"), 0);  // never the default credit
  EXPECT_EQ(balance("gone-user"), 7'000);

  const auto entries = [&](std::string_view user) {
    std::string all;
    for (int i = 0;; ++i) {
      const auto entry = old.text(fmt::format("SELECT kind || ' ' || amount || ' ' || balance_after FROM fg_credit_entry WHERE user_id = '{}' "
                                              "ORDER BY id LIMIT 1 OFFSET {}", user, i));
      if (entry == "(none)") return all;
      all += entry + "; ";
    }
  };
  EXPECT_EQ(entries(test::kSeedMember),
            "open 100000 100000; capture -10000 90000; capture -2500 87500; redeem 25000 112500; capture -50000 62500; "
            "adjust 50000 112500; capture -50000 62500; ");
  EXPECT_EQ(entries(test::kSeedAdmin), "grant 500000 500000; capture -20000 480000; adjust -380000 100000; ");
  EXPECT_EQ(entries("33333333-3333-4333-8333-333333333333"), "open -3250 -3250; ");
  EXPECT_NE(old.text("SELECT reason FROM fg_credit_entry WHERE amount = -20000").find("the log says -30"), std::string::npos);
  for (const char* sentence : {"2 balances have fractions", "1 balances are negative", "1 entries name another amount"})
    EXPECT_NE(report.find(sentence), std::string::npos) << sentence << "\n" << report;
  EXPECT_EQ(old.number("SELECT amount FROM fg_redemption_code WHERE user_id IS NOT NULL"), 25'500);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_trade_ticket WHERE paid_at IS NOT NULL AND amount = 9900"), 1);
}

TEST_P(AdoptedMoney, GivesBackOnlyWhenAsked) {
  OldDatabase kept(GetParam(), test::seed_variant("A"));
  kept.take_over();
  EXPECT_EQ(task_field(kept, "k-2", "charged"), "50000");

  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.options.give_back = true;
  const std::string report = said(old.take_over());
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 122'500) << report;
  EXPECT_EQ(task_field(old, "k-2", "charged"), "0");
  EXPECT_NE(report.find("the 50 credits taken for them are given back"), std::string::npos) << report;
  EXPECT_EQ(task_field(old, "1755600000000003", "charged"), "2000");  // nobody to give it to
  EXPECT_NE(task_field(old, "1755600000000003", "error_message").find("an administrator can give them back"), std::string::npos);
  EXPECT_NE(report.find("60 credits were given back for 2 lost tasks"), std::string::npos) << report;
  expect_books_in_order(old);
}

TEST_P(AdoptedMoney, GivesBackLaterToo) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  EXPECT_EQ(old.owed().tasks, 2);
  EXPECT_EQ(old.owed().amount, 60'000);
  EXPECT_NE(task_field(old, "k-2", "error_message").find("an administrator can give them back"), std::string::npos);
  EXPECT_NE(said(old.give_back()).find("60 credits were given back for 2 lost tasks"), std::string::npos);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 122'500);
  EXPECT_NE(task_field(old, "k-2", "error_message").find("were given back"), std::string::npos);
  EXPECT_EQ(old.owed().tasks, 0);
  EXPECT_EQ(said(old.give_back()), "") << "once";
  expect_books_in_order(old);
}

// The old platform gave back what it took for d-2 (its log says so), k-2 (likewise) and s-1 (lip-sync's own list says so).
std::vector<std::string> refunded_by_the_fork(Dialect dialect) {
  const std::string_view json = dialect == Dialect::sqlite ? "" : "::json";
  return {
      fmt::format("INSERT INTO credit_log VALUES ('l09', '{}', 72.5, '{{\"desc\": \"DreamWork: DreamWork-IMAGE_TO_IMAGE-error-refund\", "
                  "\"api_params\": {{\"task_id\": \"d-2\"}}, \"usage\": {{\"service\": \"dreamwork\", \"credits\": 10}}}}', 1756123140)", test::kSeedMember),
      "UPDATE credit SET credit = 72.5 WHERE id = 'a2'",
      fmt::format("UPDATE credit_log SET detail = REPLACE(CAST(detail AS TEXT), 'k-9', 'k-2'){} WHERE id = 'l05'", json),
      "UPDATE kling_lip_sync_tasks SET status = 'submitted', video_url = NULL WHERE id = 's-1'",
      fmt::format("INSERT INTO kling_lip_sync_credits VALUES ('y2', '{}', 's-1', 50, 'refund', '2025-08-24 10:00:09')", test::kSeedMember)};
}

TEST_P(AdoptedMoney, GivesNothingBackThatTheForkGaveBackItself) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(refunded_by_the_fork(GetParam()));
  old.options.give_back = true;
  const std::string report = said(old.take_over());
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 72'500) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'grant' AND reason LIKE 'given back%'"), 0);
  for (const char* id : {"d-2", "k-2", "s-1"}) {
    EXPECT_EQ(task_field(old, id, "error_code"), "lost_by_previous_system") << id;
    EXPECT_EQ(task_field(old, id, "charged"), "0") << id;
    EXPECT_NE(task_field(old, id, "error_message").find("taken for it were given back"), std::string::npos) << id;
  }
  EXPECT_NE(report.find("dreamwork_tasks_legacy: 1 unfinished tasks were lost by the previous system and are shown as failed; what was taken for "
                        "them had been given back."), std::string::npos) << report;
  EXPECT_EQ(old.owed().tasks, 0);
  expect_books_in_order(old);
}

TEST_P(AdoptedMoney, GivesNothingBackTwiceOfWhatAnEarlierVersionTookOver) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(refunded_by_the_fork(GetParam()));
  old.run(fmt::format("UPDATE mj_tasks SET user_id = '{}' WHERE id = '1755600000000003'", test::kSeedAdmin));
  old.take_over();
  old.run("UPDATE fg_task SET charged = quote WHERE error_code = 'lost_by_previous_system'");  // as it left them: it did not look into the log
  EXPECT_EQ(old.owed().tasks, 1);
  EXPECT_EQ(old.owed().amount, 2'000);
  EXPECT_NE(said(old.give_back()).find("2 credits were given back for 1 lost tasks"), std::string::npos);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 72'500);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedAdmin)), 102'000);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task WHERE error_code = 'lost_by_previous_system' AND charged <> 0"), 0);
  expect_books_in_order(old);
}

// Money is never lost without a word: what cannot be taken over is named with its reason, before and after.
TEST_P(AdoptedMoney, MoneyThatCannotBeReadIsNamedInThePlan) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(std::vector<std::string>{
      // Without its keys and types, as after CREATE TABLE … AS SELECT.
      "CREATE TABLE plain AS SELECT user_id, CAST(credit AS TEXT) AS credit, created_at, updated_at FROM credit", "DROP TABLE credit",
      "ALTER TABLE plain RENAME TO credit",
      "UPDATE credit SET credit = '10000000000000' WHERE user_id = '33333333-3333-4333-8333-333333333333'",
      "UPDATE credit SET credit = '1000000000000000' WHERE user_id = '44444444-4444-4444-8444-444444444444'",
      "UPDATE credit SET credit = 'a lot' WHERE user_id = 'gone-user'",
      fmt::format("INSERT INTO credit VALUES ('{}', '1', 1755700000, 1755700000)", test::kSeedAdmin), "INSERT INTO credit VALUES (NULL, '1', 1, 1)",
      "CREATE TABLE plain AS SELECT code, purpose, user_id, CAST(amount AS TEXT) AS amount, created_at, expired_at, received_at FROM redemption_code",
      "DROP TABLE redemption_code", "ALTER TABLE plain RENAME TO redemption_code",
      "INSERT INTO redemption_code VALUES ('cc00000000000000', 'x', NULL, 'abc', 1, 1, NULL), ('', 'x', NULL, '5', 1, 1, NULL), "
      "('aa00000000000000000000000000000000000000000000000000000000000000', 'again', NULL, '5', 1, 1, NULL)",
      "INSERT INTO trade_ticket VALUES ('t-null', 'u', NULL, NULL, 1)",
      "INSERT INTO trade_ticket VALUES ('t-nobody', '', 5, NULL, 1)"});
  const Lines plan = old.plan(), report = old.take_over();
  EXPECT_EQ(promises(plan), promises(report));
  EXPECT_NE(promises(plan).find("credit 7 → 5\n"), std::string::npos) << promises(plan);
  EXPECT_NE(promises(plan).find("redemption_code 5 → 2\n"), std::string::npos) << promises(plan);
  EXPECT_NE(promises(plan).find("trade_ticket 4 → 2\n"), std::string::npos) << promises(plan);
  for (const std::string& told : {said(plan), said(report)})
    for (const char* line : {"2 balances are no numbers below 10^15 and count as 0: 44444444-4444-4444-8444-444444444444 (1000000000000000), gone-user (a lot).",
                             "1 rows are left out, as there is one with their user_id already: 11111111-1111-4111-8111-111111111111.",
                             "1 rows without a user_id are left out.", "1 rows without a code are left out.",
                             "1 rows are left out, as their amount is no number below 10^15: cc000000….",
                             "1 rows are left out, as there is one with their code already: aa000000….",
                             "1 rows are left out, as their amount is no number below 10^15: t-null.",
                             "1 rows are left out, as they name no user: t-nobody."})
      EXPECT_NE(told.find(line), std::string::npos) << line << " in:\n" << told;
  EXPECT_EQ(old.number("SELECT balance FROM fg_credit_account WHERE user_id = '33333333-3333-4333-8333-333333333333'"), 10'000'000'000'000'000);
  EXPECT_EQ(old.number("SELECT balance FROM fg_credit_account WHERE user_id = 'gone-user'"), 0);
  expect_books_in_order(old);
}

TEST_P(AdoptedMoney, OfMoneyThatComesBackThePlanPromisesNothing) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  old.make_views();
  old.run(std::vector<std::string>{"DROP VIEW credit", "CREATE TABLE credit AS SELECT * FROM credit_legacy", "UPDATE credit SET credit = 1000",
                                   "INSERT INTO credit (id, user_id, credit) VALUES ('new', 'somebody new', 3)", "DROP VIEW credit_log",
                                   "CREATE TABLE credit_log AS SELECT * FROM credit_log_legacy"});
  const Lines plan = old.plan(), report = old.take_over();
  EXPECT_EQ(promises(plan), "credit 6 → 1\ncredit_log 8 → 0\n") << said(plan);
  EXPECT_EQ(promises(report), promises(plan)) << said(report);
  for (const std::string& told : {said(plan), said(report)}) {
    EXPECT_NE(told.find("5 rows are left out, as there is one with their user_id already"), std::string::npos) << told;
    EXPECT_NE(told.find("8 entries of users whose ledger has begun already, or of nobody, are left out (11111111"), std::string::npos) << told;
  }
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 62'500);
  expect_books_in_order(old);
}

TEST_P(AdoptedMoney, EntriesWithoutADateFollowTheAccountOrTheEntryBefore) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run("UPDATE credit_log SET created_at = NULL WHERE user_id = '11111111-1111-4111-8111-111111111111' AND id = 'l07'");
  const std::string report = said(old.take_over());
  EXPECT_NE(report.find("1 entries have no date"), std::string::npos) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE reason = 'updated by Admin' AND created_at IN (1740000000000, 1755500100000)"), 1);
  expect_books_in_order(old);
}

TEST_P(AdoptedMoney, RefundsNameTheirTask) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  auto statements = refunded_by_the_fork(GetParam());
  statements.push_back("INSERT INTO credit_log SELECT 'again', user_id, credit, detail, created_at FROM credit_log WHERE id = 'l05'");
  old.run(statements);
  old.take_over();
  old.make_views();
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry e JOIN fg_task t ON t.id = e.task_id WHERE t.legacy_id = 'k-2' AND e.kind = 'adjust'"), 1);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'capture' AND task_id IS NOT NULL"), 0);  // would count as a hold
  const auto detail = boost::json::parse(old.text("SELECT CAST(detail AS TEXT) FROM credit_log WHERE CAST(detail AS TEXT) LIKE '%IMAGE_TO_IMAGE-error-refund%'"));
  EXPECT_EQ(detail.at("api_params").at("task_id"), "d-2");
  EXPECT_EQ(detail.at("usage").at("service"), "dreamwork");
  expect_books_in_order(old);
}

}  // namespace
}  // namespace fluxgate::db::adopt
