#include "identity/bounded_worker.h"

#include <latch>

#include "support.h"

namespace fluxgate::identity {
namespace {

// Starts `callers` pieces of work while the thread is held up, then lets go: how many were turned away?
int turned_away(BoundedWorker& worker, int callers) {
  boost::asio::io_context io;
  std::latch held(1);
  worker.prepare([&held] { held.wait(); });
  std::vector<std::future<bool>> ends;
  for (int i = 0; i < callers; ++i)
    ends.push_back(boost::asio::co_spawn(io, worker.run([] {}), boost::asio::use_future));
  io.poll();
  held.count_down();
  io.run();
  return static_cast<int>(std::ranges::count_if(ends, [](auto& end) { return !end.get(); }));
}

TEST(BoundedWorker, TakesOneAndItsQueueAndNoMore) {
  BoundedWorker worker(8);
  EXPECT_EQ(turned_away(worker, 9), 0);
  EXPECT_EQ(turned_away(worker, 10), 1);
  EXPECT_EQ(turned_away(worker, 30), 21);
  EXPECT_EQ(turned_away(worker, 9), 0);  // all places are free again
}

TEST(BoundedWorker, HandsOnWhatTheWorkThrows) {
  BoundedWorker worker(0);
  boost::asio::io_context io;
  auto end = boost::asio::co_spawn(io, worker.run([] { throw std::runtime_error("no memory"); }),
                                   boost::asio::use_future);
  io.run();
  EXPECT_THROW(end.get(), std::runtime_error);
  EXPECT_EQ(turned_away(worker, 1), 0);
}

TEST(BoundedWorker, SurvivesCallersThatAreGone) {
  BoundedWorker worker(8);
  std::latch held(1);
  worker.prepare([&held] { held.wait(); });
  auto ran = std::make_shared<bool>(false);
  {
    boost::asio::io_context io;
    boost::asio::co_spawn(io, worker.run([ran] { *ran = true; }), boost::asio::use_future);
    io.poll();
    held.count_down();
    worker.stop();  // before the executor of the waiting coroutine goes
  }
  EXPECT_TRUE(*ran);
}

}  // namespace
}  // namespace fluxgate::identity
