// The real server under load, with an upstream that fails at random, killed again and again; then disks and
// upstreams that fail. FLUXGATE_TORTURE_ROUNDS and FLUXGATE_TORTURE_SEED make it longer, or other.
#include <fstream>

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../integration/server_process.h"
#include "crowd.h"
#include "support/postgres_server.h"

namespace fluxgate::torture {
namespace {

using integration::eventually;
using integration::run_program;
using integration::SandboxProcess;
using integration::ServerProcess;
using integration::TempFolder;
using std::chrono::milliseconds;

constexpr double kCredits = 100'000;
constexpr int kPeople = 8;

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// A picture of one pixel.
constexpr const char* kDot =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

// Then only results are on the small disk.
bool on_postgresql() {
  const char* engine = std::getenv("FLUXGATE_TEST_ENGINE");
  return engine != nullptr && std::string_view(engine) == "postgresql";
}

// A server whose upstream is a sandbox of its own, which outlives it.
class Torture : public testing::Test {
 protected:
  static std::vector<std::string> words(const SandboxProcess& upstream) {
    return {"--fal-key", "key:torture", "--fal-base-url", upstream.base_url(), "--fal-max-concurrent", "64", "--unknown-wait", "2",
            "--status-calls", "100000", "--drain", "1"};
  }
  static ServerProcess::Environment environment() {
    return {{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", fmt::format("{}", kCredits)}, {"LOG_LEVEL", "error"}};
  }

  void verify(const std::filesystem::path& folder) {
    const auto verified = run_program({"db", "verify", "--data-dir", folder.string(), "--log-level", "error"});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
  }

  // Everything that has to be 0 is.
  void expect_clean(const Tally& tally) {
    EXPECT_GT(tally.answered, 0);
    EXPECT_GT(tally.succeeded, 0);
    EXPECT_EQ(tally.lost_tasks, 0) << "an answered task is gone";
    EXPECT_EQ(tally.double_tasks, 0) << "one key made two tasks";
    EXPECT_EQ(tally.wrong_charges, 0) << "a success not charged its price, or anything else charged";
    EXPECT_EQ(tally.unfinished, 0) << "did not end: " << tally.open;
    EXPECT_EQ(tally.broken_pictures, 0) << "a delivered link does not give its bytes";
    EXPECT_EQ(tally.lost_credits, 0) << "balances and charges do not add up";
    fmt::print("  {} keys, {} answered, {} repeated, {} tasks ({} succeeded, {} failed, {} cancelled), {} pictures; lost 0, twice 0\n",
               tally.keys, tally.answered, tally.repeats, tally.tasks, tally.succeeded, tally.failed, tally.cancelled, tally.pictures);
  }
  // Nothing was wrong with the upstream.
  void expect_nothing_failed(const Tally& tally) { EXPECT_EQ(tally.failed, 0) << testing::PrintToString(tally.whys); }
};

TEST_F(Torture, KilledAgainAndAgainUnderLoadItLosesNothing) {
  const std::uint64_t rounds = from_environment("FLUXGATE_TORTURE_ROUNDS", 5), seed = from_environment("FLUXGATE_TORTURE_SEED", 1);
  std::mt19937_64 random(seed);
  TempFolder folder;
  SandboxProcess upstream({"--latency", "0.1"});
  ServerProcess server(folder.path(), words(upstream), environment());
  server.start();
  Crowd crowd(server.base_url(), kPeople, kCredits, seed, 150 + 15 * rounds);
  crowd.begin(30);
  for (std::uint64_t round = 1; round <= rounds && !HasFailure(); ++round) {
    // The moment is what is random here; waiting for a condition would make all kills alike.
    std::this_thread::sleep_for(milliseconds(200 + random() % 1'300));
    if (random() % 4 == 0) upstream.start_again({"--latency", "0.1"});
    server.kill();
    verify(folder.path());
    server.start();
    crowd.go_to(server.base_url());
    if (round % 10 == 0) fmt::print("  {} kills survived\n", round);
  }
  crowd.rest();
  expect_clean(crowd.judge());
  verify(folder.path());
  EXPECT_EQ(server.stop(), 0) << server.log();
  fmt::print("  {} kills survived, seed {}\n", rounds, seed);
}

TEST_F(Torture, AFrozenServerAndAStalledUpstreamDelayAndLoseNothing) {
  TempFolder folder;
  SandboxProcess upstream({"--latency", "0.1"});
  ServerProcess server(folder.path(), words(upstream), environment());
  server.start();
  Crowd crowd(server.base_url(), 4, kCredits, 2);
  crowd.begin(10);
  std::this_thread::sleep_for(milliseconds(500));
  upstream.freeze();
  std::this_thread::sleep_for(milliseconds(2'000));
  upstream.thaw();
  server.freeze();
  std::this_thread::sleep_for(milliseconds(11'000));  // longer than the lease
  server.thaw();
  std::this_thread::sleep_for(milliseconds(500));
  upstream.start_again({"--latency", "0.1"});  // gone and back
  crowd.rest();
  expect_clean(crowd.judge());
  verify(folder.path());
  EXPECT_EQ(server.stop(), 0) << server.log();
}

// Three processes on one PostgreSQL and one data folder, one of each role: any of them is killed or stands still for
// longer than its lease at any moment, and clients go to those that answer with the same keys.
TEST_F(Torture, ThreeNodesOnOneDatabaseLoseNothing) {
  const std::uint64_t rounds = from_environment("FLUXGATE_TORTURE_ROUNDS", 5), seed = from_environment("FLUXGATE_TORTURE_SEED", 1);
  std::mt19937_64 random(seed);
  TempFolder folder;
  const std::string url = test::PostgresServer::shared().new_database();
  SandboxProcess upstream({"--latency", "0.1"});
  auto arguments = words(upstream);
  arguments.insert(arguments.end(), {"--database-url", url});
  std::vector<std::unique_ptr<ServerProcess>> nodes;
  for (const char* role : {"all", "api", "worker"}) {
    auto own = arguments;
    own.insert(own.end(), {"--role", role});
    nodes.push_back(std::make_unique<ServerProcess>(folder.path(), own, environment()));
    nodes.back()->start();
  }
  Crowd crowd(nodes[0]->base_url(), kPeople, kCredits, seed, 100 + 15 * rounds);
  crowd.begin(20);
  for (std::uint64_t round = 1; round <= rounds && !HasFailure(); ++round) {
    ServerProcess& victim = *nodes[random() % nodes.size()];
    crowd.spread_over({nodes[0]->base_url(), nodes[1]->base_url()});
    std::this_thread::sleep_for(milliseconds(200 + random() % 800));
    if (round % 3 == 0) {
      victim.freeze();
      std::this_thread::sleep_for(milliseconds(11'000));  // longer than the lease: its tasks are taken over
      victim.thaw();
    } else {
      victim.kill();
      victim.start();
    }
  }
  crowd.go_to(nodes[0]->base_url());
  crowd.rest();
  expect_clean(crowd.judge());
  const auto verified = run_program({"db", "verify", "--data-dir", folder.path().string(), "--database-url", url, "--log-level", "error"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  for (auto& node : nodes) EXPECT_EQ(node->stop(), 0) << node->log();
}

// ---- disks ----

// A small file system of its own; only root can make one.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& place, const std::string& options) : place_(place) {
    std::filesystem::create_directories(place);
    mounted_ = ::mount("tmpfs", place.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() { unmount(); }
  bool mounted() const { return mounted_; }
  void unmount() {
    if (std::exchange(mounted_, false)) ::umount2(place_.c_str(), MNT_DETACH);
  }
  // Takes all the room there is but `left` bytes.
  void fill(std::size_t left) {
    std::ofstream file(place_ / "filler", std::ios::binary);
    const auto free = std::filesystem::space(place_).available;
    const std::string block(64 * 1024, 'x');
    for (std::size_t written = 0; free > left && written + block.size() <= free - left; written += block.size()) file << block;
  }
  void make_room() { std::filesystem::remove(place_ / "filler"); }

 private:
  const std::filesystem::path place_;
  bool mounted_ = false;
};

TEST_F(Torture, AFullDiskRefusesClearlyAndHarmsNothing) {
  TempFolder folder;
  SmallDisk disk(folder.path() / "data", "size=64m");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  SandboxProcess upstream({"--latency", "0.1"});
  ServerProcess server(folder.path() / "data", words(upstream), environment());
  server.start();
  Crowd crowd(server.base_url(), 4, kCredits, 3);
  const integration::Client client(server.base_url(), nullptr);
  const std::string ann(client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", "correct horse battery"}})
                            .json().at("token").as_string());
  crowd.begin(0);
  std::this_thread::sleep_for(milliseconds(500));
  disk.fill(0);
  int tries = 0;
  const auto signs_nobody_up = [&] {  // the log has some room of its own left
    const std::string email = fmt::format("late{}@example.org", ++tries);
    const auto answer = client.post("/api/v1/auths/signup", "", {{"name", "x"}, {"email", email}, {"password", "correct horse battery"}});
    return answer.status == 503 && answer.code() == "database_unavailable";
  };
  const auto keeps_no_picture = [&] {
    return client.post("/api/v1/uploads/import", ann, {{"source", kDot}}).code() == "storage_full";
  };
  EXPECT_TRUE(on_postgresql() ? eventually(keeps_no_picture) : eventually(signs_nobody_up)) << "there is no room, and it says so";
  EXPECT_EQ(client.get("/health").status, 200) << "it stays up";
  disk.make_room();
  crowd.rest();
  const Tally tally = crowd.judge();
  expect_clean(tally);
  expect_nothing_failed(tally);
  verify(folder.path() / "data");
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST_F(Torture, AStoreThatFailsDelaysResultsAndLosesNone) {
  TempFolder folder;
  SandboxProcess upstream({"--latency", "0.1"});
  ServerProcess server(folder.path(), words(upstream), environment());
  server.start();
  Crowd crowd(server.base_url(), 4, kCredits, 4);
  SmallDisk cover(folder.path() / "files", "size=1m,ro");
  if (!cover.mounted()) GTEST_SKIP() << "only root can cover a folder";
  crowd.begin(0);
  std::this_thread::sleep_for(milliseconds(1'500));
  cover.unmount();
  crowd.rest();
  const Tally tally = crowd.judge();
  expect_clean(tally);
  expect_nothing_failed(tally);
  verify(folder.path());
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST_F(Torture, AReadOnlyDiskIsRefusedAtTheStartWithASentence) {
  TempFolder folder;
  SmallDisk disk(folder.path() / "data", "size=1m,ro");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  const auto refused = run_program({"serve", "--port", "0", "--data-dir", (folder.path() / "data").string()});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.exit_code, -1) << "it ends by itself";
  EXPECT_NE(refused.output.find((folder.path() / "data").string()), std::string::npos) << refused.output;
}

}  // namespace
}  // namespace fluxgate::torture
