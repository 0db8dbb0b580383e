// Files in a store that is another process: the sandbox's COS bucket, which comes and goes.
#include <fstream>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kFiles = "/api/v1/storage/files/generated";
const ServerProcess::Environment kPeople{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "1000"}};
const std::vector<std::string> kServer{"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0"};

std::string free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return std::to_string(ntohs(address.sin_port));
}

// A bucket on one address, whose process can end and come again (empty then).
class Bucket {
 public:
  explicit Bucket(std::vector<std::string> faults = {}) { start(std::move(faults)); }
  void start(std::vector<std::string> faults = {}) {
    std::vector<std::string> words{"--cos-port", port_};
    for (std::string& fault : faults) words.insert(words.end(), {"--cos-fault", std::move(fault)});
    process_ = std::make_unique<SandboxProcess>(words);
  }
  void end() { process_.reset(); }
  std::string endpoint() const { return "http://127.0.0.1:" + port_; }

 private:
  const std::string port_ = free_port();
  std::unique_ptr<SandboxProcess> process_;
};

// A server of its own with an admin, whose files go to `bucket`.
class House {
 public:
  explicit House(std::vector<std::string> arguments = kServer) : server(folder.path(), std::move(arguments), kPeople) {
    server.start();
    const json::value made = client().post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}}).json();
    ann = {std::string(made.at("id").as_string()), "ann@example.org", std::string(made.at("token").as_string())};
  }
  Client client() const { return Client(server.base_url(), &contract()); }
  Answer store_in(const Bucket& bucket, json::object change = {}) {
    json::object form{{"provider", "tencent-cos"}, {"enabled", true}, {"secret_id", "AKIDsandbox"}, {"secret_key", "sandboxSecretKey"},
                      {"region", "ap-guangzhou"}, {"bucket", "studio-1250000000"}, {"endpoint", bucket.endpoint()}};
    for (auto& [name, value] : change) form[name] = value;
    return client().post("/api/v1/storage/config", ann.token, form);
  }
  // The link of a result.
  std::string made(const std::string& prompt) {
    const json::object task = ended(client(), ann, submitted(prompt));
    EXPECT_EQ(task.at("status"), "SUCCESS") << json::serialize(task);
    return std::string(task.at("image_url").as_string());
  }
  std::string submitted(const std::string& prompt) {
    const Answer answer = client().post("/api/v1/flux/text-to-image", ann.token, text_body(prompt));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return std::string(answer.json().at("id").as_string());
  }
  std::int64_t waiting() {
    return client().get("/api/v1/storage/stats", ann.token).json().at("stats").at("summary").at("pending_files").to_number<std::int64_t>();
  }
  bool has_alert(const std::string& kind) {
    const json::value open = client().get("/api/v1/admin/alerts", ann.token).json();
    for (const auto& alert : open.at("data").as_array())
      if (alert.at("kind") == json::value(kind)) return true;
    return false;
  }
  Finished run(std::vector<std::string> words) {
    words.insert(words.end(), {"--data-dir", folder.path().string(), "--log-level", "error"});
    return run_program(words);
  }
  int files_here() const {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "files"))
      count += entry.is_regular_file() && entry.path().extension() != "" && entry.path().string().find("/thumbs/") == std::string::npos;
    return count;
  }

  TempFolder folder;
  ServerProcess server;
  Person ann;
};

// Follows our link to the store's.
Answer followed(const House& house, const std::string& link) {
  const Answer first = house.client().get(link);
  if (first.status != 302) return first;
  const std::string there = first.header("location");
  const auto path = there.find('/', there.find("://") + 3);
  return Client(there.substr(0, path), nullptr).get(there.substr(path));
}

TEST(RemoteStorage, TakesWhatWasMadeAndServesIt) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket).status, 200);
  const Answer tested = house.client().send({.method = "POST", .path = "/api/v1/storage/test", .token = house.ann.token});
  EXPECT_EQ(tested.json().at("success"), json::value(true)) << tested.body;
  const std::string link = house.made("a cat in a bucket");
  const Answer here = house.client().get(link);
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  const Answer first = house.client().get(link);
  ASSERT_EQ(first.status, 302) << first.body;
  EXPECT_NE(first.header("cache-control").find("max-age="), std::string::npos);
  const Answer there = followed(house, link);
  EXPECT_EQ(there.status, 200);
  EXPECT_TRUE(there.header("content-type").starts_with("image/")) << there.header("content-type");
  if (here.status == 200) EXPECT_EQ(there.body, here.body);
  EXPECT_EQ(house.files_here(), 0) << "the copy here is gone";
  EXPECT_EQ(house.client().get(link + "&w=320").status, 200) << "previews are made from the store's";

  // The same way, but through this server.
  ASSERT_EQ(house.store_in(bucket, {{"delivery", "proxy"}}).status, 200);
  const Answer proxied = house.client().get(link);
  EXPECT_EQ(proxied.status, 200);
  EXPECT_EQ(proxied.body, there.body);

  const json::value listed = house.client().get(kFiles, house.ann.token).json();
  const std::string id(listed.at("data").at(0).at("id").as_string());
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);

  // Deleted, it goes from the store too.
  json::object rules = house.client().get("/api/v1/admin/files", house.ann.token).json().as_object();
  rules["grace_s"] = 0;
  ASSERT_EQ(house.client().put("/api/v1/admin/files", house.ann.token, rules).status, 200);
  const std::string store_link = [&] {
    house.store_in(bucket, {{"delivery", "redirect"}});
    return house.client().get(link).header("location");
  }();
  ASSERT_EQ(house.client().del(std::string(kFiles) + "/" + id, house.ann.token).status, 200);
  EXPECT_EQ(house.client().get(link).status, 404);
  const auto path = store_link.find('/', store_link.find("://") + 3);
  EXPECT_TRUE(eventually([&] { return Client(store_link.substr(0, path), nullptr).get(store_link.substr(path)).status == 404; }));
  EXPECT_EQ(house.run({"db", "verify"}).exit_code, 0);
}

TEST(RemoteStorage, ThatIsDownHoldsUpNobody) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket).status, 200);
  bucket.end();
  std::vector<std::string> links;
  for (int i = 0; i < 3; ++i) links.push_back(house.made(fmt::format("while it is away {}", i)));
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200) << "from the spool";
  EXPECT_EQ(house.waiting(), 3);
  EXPECT_TRUE(eventually([&] { return house.has_alert("storage_unreachable"); }, std::chrono::seconds(60))) << house.server.log();
  // Killed meanwhile, nothing is forgotten.
  house.server.kill();
  house.server.start();
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200);
  bucket.start();
  EXPECT_TRUE(eventually([&] { return house.waiting() == 0; }, std::chrono::seconds(90))) << house.server.log();
  EXPECT_TRUE(eventually([&] { return !house.has_alert("storage_unreachable"); }));
  for (const auto& link : links) EXPECT_EQ(followed(house, link).status, 200);
  EXPECT_EQ(house.files_here(), 0);
  const Finished verified = house.run({"files", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;

  // What it keeps cannot be had while it is away, and that is said.
  ASSERT_EQ(house.store_in(bucket, {{"delivery", "proxy"}}).status, 200);
  bucket.end();
  const Answer away = house.client().get(links.front());
  EXPECT_EQ(away.status, 503) << away.body;
  EXPECT_EQ(away.code(), "store_unavailable");
  bucket.start();  // and empty: it has lost everything
  const Finished lost = house.run({"files", "verify"});
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_NE(lost.output.find("3 findings"), std::string::npos) << lost.output;
}

TEST(RemoteStorage, AMoveThatIsKilledIsDoneAgain) {
  Bucket bucket;
  House house;
  std::vector<std::string> links;
  for (int i = 0; i < 12; ++i) links.push_back(house.made(fmt::format("to be moved {}", i)));
  ASSERT_EQ(house.store_in(bucket).status, 200);
  for (int round = 0; round < 3; ++round) {
    // The command is killed with the server's own moves under way.
    for (int i = 0; i < 4; ++i) links.push_back(house.made(fmt::format("round {} {}", round, i)));
    house.server.kill();
    house.server.start();
    for (const auto& link : links) {
      const Answer answer = followed(house, link);
      EXPECT_EQ(answer.status, 200) << link;
    }
  }
  const Finished moved = house.run({"files", "migrate", "--from", "local", "--to", "cos"});
  EXPECT_EQ(moved.exit_code, 0) << moved.output;
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  for (const auto& link : links) EXPECT_EQ(followed(house, link).status, 200);
  EXPECT_EQ(house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate", .token = house.ann.token}).json().at("remaining"), 0);
  const Finished verified = house.run({"files", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;

  // And home again.
  const Finished back = house.run({"files", "migrate", "--from", "cos", "--to", "local"});
  EXPECT_EQ(back.exit_code, 0) << back.output;
  bucket.end();
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200);
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);
}

TEST(RemoteStorage, ThatRefusesTheKeyIsAnAlert) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket, {{"secret_key", "another"}}).status, 200);
  const Answer tested = house.client().send({.method = "POST", .path = "/api/v1/storage/test", .token = house.ann.token});
  EXPECT_EQ(tested.json().at("success"), json::value(false)) << tested.body;
  const std::string link = house.made("kept here");
  EXPECT_TRUE(eventually([&] { return house.has_alert("storage_refused"); })) << house.server.log();
  EXPECT_EQ(house.client().get(link).status, 200);
  const Answer moved = house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate", .token = house.ann.token});
  EXPECT_EQ(moved.json().at("success"), json::value(false)) << moved.body;
  EXPECT_EQ(moved.json().at("failed_count"), 1);
  // The right one is in force without a restart.
  ASSERT_EQ(house.store_in(bucket).status, 200);
  EXPECT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  EXPECT_TRUE(eventually([&] { return !house.has_alert("storage_refused"); }));
  EXPECT_EQ(followed(house, link).status, 200);
}

TEST(RemoteStorage, GarbageIsShownAndThenRemoved) {
  House house;
  const std::string link = house.made("kept");
  const std::string hash(64, 'a');
  const auto stray = house.folder.path() / "files" / "aa" / "aa" / (hash + ".png");
  std::filesystem::create_directories(stray.parent_path());
  std::ofstream(stray) << "stray";
  const auto collect = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"files", "gc"};
    words.insert(words.end(), more.begin(), more.end());
    return house.run(words);
  };
  EXPECT_NE(collect({"--yes"}).output.find("without a row: 0"), std::string::npos) << "it is young";
  const Finished shown = collect({"--older-than", "0"});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_NE(shown.output.find("without a row: 1"), std::string::npos) << shown.output;
  EXPECT_TRUE(std::filesystem::exists(stray)) << "only shown";
  EXPECT_EQ(collect({"--older-than", "0", "--yes"}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_EQ(house.client().get(link).status, 200);
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(house.folder.path() / "files"))
    if (entry.is_regular_file() && entry.path().extension() != "" && entry.path().string().find("/thumbs/") == std::string::npos)
      std::ofstream(entry.path(), std::ios::app) << "damaged";
  const Finished damaged = house.run({"files", "verify", "--quick"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.output.find("1 findings"), std::string::npos) << damaged.output;
}

}  // namespace
}  // namespace fluxgate::integration
