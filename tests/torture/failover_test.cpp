// Three nodes on a PostgreSQL cluster whose primary dies, freezes and changes under load. scripts/ha-test makes the
// cluster and runs this; it names the cluster's URL, and the command that does something to the primary and comes back
// when the cluster is whole again.
#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "../integration/server_process.h"
#include "crowd.h"

namespace fluxgate::torture {
namespace {

using integration::run_program;
using integration::SandboxProcess;
using integration::ServerProcess;
using integration::TempFolder;
using std::chrono::milliseconds;

constexpr double kCredits = 1'000'000;
constexpr int kPeople = 8;
constexpr milliseconds kPace{100};         // between the requests of one client
constexpr milliseconds kUntilNext{5'000};  // of quiet load before each kill

std::string from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

double seconds(milliseconds time) { return static_cast<double>(time.count()) / 1'000; }

TEST(Failover, ThePrimaryMayDieAndNothingIsLost) {
  const std::string url = from_environment("FLUXGATE_HA_URL"), hook = from_environment("FLUXGATE_HA_HOOK");
  if (url.empty() || hook.empty()) GTEST_SKIP() << "scripts/ha-test runs this";
  const int kills = std::stoi(from_environment("FLUXGATE_HA_KILLS"));
  TempFolder folder;
  SandboxProcess upstream({"--latency", "0.1"});
  const std::vector<std::string> words{"--database-url", url, "--fal-key", "key:failover", "--fal-base-url", upstream.base_url(),
                                       "--fal-max-concurrent", "64", "--unknown-wait", "2", "--status-calls", "100000"};
  std::vector<std::unique_ptr<ServerProcess>> nodes;
  for (int i = 0; i < 3; ++i) {
    nodes.push_back(std::make_unique<ServerProcess>(
        folder.path(), words,
        ServerProcess::Environment{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", fmt::format("{}", kCredits)}, {"LOG_LEVEL", "error"}}));
    nodes.back()->start();
  }
  Crowd crowd(nodes[0]->base_url(), kPeople, kCredits, 1, 1'000'000);
  crowd.spread_over({nodes[0]->base_url(), nodes[1]->base_url(), nodes[2]->base_url()});
  crowd.begin(10, kPace);
  std::vector<double> pauses;
  for (int round = 1; round <= kills; ++round) {
    std::this_thread::sleep_for(kUntilNext);
    crowd.take_longest_pause();
    ASSERT_EQ(std::system(hook.c_str()), 0) << "the cluster did not come back";
    pauses.push_back(seconds(crowd.take_longest_pause()));
    fmt::print("  {}: {:.1f} s without an accepted submit\n", round, pauses.back());
    std::fflush(stdout);
  }
  crowd.rest();
  const Tally tally = crowd.judge();
  EXPECT_GT(tally.succeeded, 0);
  EXPECT_EQ(tally.lost_tasks, 0);
  EXPECT_EQ(tally.double_tasks, 0);
  EXPECT_EQ(tally.wrong_charges, 0);
  EXPECT_EQ(tally.unfinished, 0) << tally.open;
  EXPECT_EQ(tally.broken_pictures, 0);
  EXPECT_EQ(tally.lost_credits, 0);
  const auto verified = run_program({"db", "verify", "--data-dir", folder.path().string(), "--database-url", url, "--log-level", "error"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  for (auto& node : nodes) EXPECT_EQ(node->stop(), 0) << node->log();
  if (testing::Test::HasFailure())
    for (auto& node : nodes) fmt::print("{}\n", node->log());
  std::ranges::sort(pauses);
  fmt::print("  {} times, pause p50 {:.1f} s, max {:.1f} s; {} tasks ({} succeeded, {} failed, {} cancelled), {} requests repeated; "
             "lost {}, twice {}, charged wrongly {}, db verify {}\n",
             kills, pauses[pauses.size() / 2], pauses.back(), tally.tasks, tally.succeeded, tally.failed, tally.cancelled, tally.repeats,
             tally.lost_tasks, tally.double_tasks, tally.wrong_charges, verified.exit_code == 0 ? "ok" : "NOT ok");
}

}  // namespace
}  // namespace fluxgate::torture
