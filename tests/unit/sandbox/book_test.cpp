// The book of requests: plan, queue, cancellation, and what survives a restart.
#include <fstream>

#include "base/ids.h"
#include "sandbox/answers.h"
#include "sandbox/book.h"
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

class BookTest : public testing::Test {
 protected:
  Book open(int slots = 0, Millis time_to_live_ms = 86'400'000) {
    return Book({folder_.path(), slots, time_to_live_ms, 1'000'000}, clock_);
  }
  static Record draft(std::string prompt = "a boat", std::string account = "team") {
    Record record;
    record.endpoint = "fal-ai/flux-1/dev";
    record.account = std::move(account);
    record.input = {{"prompt", std::move(prompt)}};
    record.seed = 18'446'744'073'709'551'615u;
    return record;
  }
  Phase phase(Book& book, const Record& record) { return phase_at(*book.find(record.id), clock_.now_ms()); }

  TempFolder folder_;
  ManualClock clock_;
};

constexpr Book::Plan kSecond{.wait_ms = 100, .run_ms = 1000};

TEST_F(BookTest, StartsAtMostSlotsAtOnceInTheOrderOfArrival) {
  Book book = open(2);
  std::vector<Record> records;
  for (int i = 0; i < 5; ++i) records.push_back(book.accept(draft(), kSecond));
  EXPECT_EQ(book.position(records[4]), 4);
  clock_.advance(150);
  EXPECT_EQ(phase(book, records[1]), Phase::running);
  EXPECT_EQ(phase(book, records[2]), Phase::queued);
  EXPECT_EQ(book.position(records[2]), 0);
  EXPECT_EQ(book.position(records[4]), 2);
  clock_.advance(1000);
  EXPECT_EQ(phase(book, records[1]), Phase::completed);
  EXPECT_EQ(phase(book, records[3]), Phase::running);
  EXPECT_EQ(book.position(records[4]), 0);
  clock_.advance(2000);
  EXPECT_EQ(phase(book, records[4]), Phase::completed);
}

TEST_F(BookTest, GivesEachAccountItsOwnSlots) {
  Book book = open(1);
  book.accept(draft("a", "one"), kSecond);
  Record other = book.accept(draft("a", "two"), kSecond);
  EXPECT_EQ(book.position(other), 0);
  clock_.advance(150);
  EXPECT_EQ(phase(book, other), Phase::running);
}

TEST_F(BookTest, LetsThoseBehindMoveUpWhenOneIsCancelled) {
  Book book = open(1);
  Record first = book.accept(draft(), kSecond);
  Record second = book.accept(draft(), kSecond);
  Record third = book.accept(draft(), kSecond);
  EXPECT_EQ(book.cancel(second.id), Book::CancelOutcome::accepted);
  EXPECT_EQ(book.position(third), 1);
  clock_.advance(1150);
  EXPECT_EQ(phase(book, third), Phase::running);
  EXPECT_EQ(book.find(second.id)->cancelled_ms, second.accepted_ms);
  EXPECT_EQ(book.cancel(first.id), Book::CancelOutcome::already_finished);
  EXPECT_EQ(book.cancel(new_id()), Book::CancelOutcome::unknown);
}

TEST_F(BookTest, GivesUpWaitingAfterTheStartLimit) {
  Book book = open(1);
  book.accept(draft(), kSecond);
  Record late = book.accept(draft(), {.wait_ms = 100, .run_ms = 1000, .start_limit_ms = 500});
  EXPECT_TRUE(late.start_timeout);
  clock_.advance(499);
  EXPECT_EQ(phase(book, late), Phase::queued);
  clock_.advance(1);
  EXPECT_EQ(phase(book, late), Phase::completed);
}

TEST_F(BookTest, AnswersTheSameAfterARestart) {
  Record kept, cancelled;
  {
    Book book = open(1);
    book.accept(draft(), kSecond);
    cancelled = book.accept(draft(), kSecond);
    kept = book.accept(draft("with \"quotes\"\nand lines"), kSecond);
    book.cancel(cancelled.id);
  }
  Book book = open(7);
  auto again = book.find(kept.id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->input, kept.input);
  EXPECT_EQ(again->seed, kept.seed);
  EXPECT_LT(again->start_ms, kept.start_ms) << "the new plan after the cancellation is kept too";
  EXPECT_TRUE(book.find(cancelled.id)->cancelled());
  EXPECT_EQ(book.position(*again), 1);
}

TEST_F(BookTest, SeesWhatAnotherSandboxOnTheFolderAccepts) {
  Book one = open();
  Book two = open();
  Record record = one.accept(draft(), kSecond);
  ASSERT_TRUE(two.find(record.id));
  EXPECT_EQ(two.cancel(record.id), Book::CancelOutcome::accepted);
  clock_.advance(300);
  EXPECT_TRUE(one.find(record.id)->cancelled());
}

TEST_F(BookTest, SkipsALineThatWasTornByACrash) {
  Record whole;
  {
    Book book = open();
    whole = book.accept(draft(), kSecond);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    std::ofstream(entry.path(), std::ios::app) << "A 0192f0c2-7b1e-7cc0-a5b0-112233445566 team 17";
  Book book = open();
  EXPECT_TRUE(book.find(whole.id));
  EXPECT_EQ(book.size(), 1u);
  EXPECT_TRUE(book.find(book.accept(draft(), kSecond).id));
}

TEST_F(BookTest, ForgetsWhatIsOlderThanTheTimeToLive) {
  Book book = open(0, 60'000);
  Record old = book.accept(draft(), kSecond);
  clock_.advance(3'700'000);  // beyond the age of a segment
  EXPECT_FALSE(book.find(old.id));
  book.accept(draft(), kSecond);
  EXPECT_EQ(book.size(), 1u);
}

TEST_F(BookTest, RemembersWhichWebhooksAreOpen) {
  Record draft_with_webhook = draft();
  draft_with_webhook.webhook = "http://127.0.0.1:1/hook";
  std::string open_id, done_id;
  {
    Book book = open();
    open_id = book.accept(draft_with_webhook, kSecond).id;
    done_id = book.accept(draft_with_webhook, kSecond).id;
    book.webhook_done(done_id);
  }
  EXPECT_THAT(open().open_webhooks(), testing::ElementsAre(open_id));
}

}  // namespace
}  // namespace fluxgate::sandbox
