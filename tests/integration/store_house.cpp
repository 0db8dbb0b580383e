#include "store_house.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

const ServerProcess::Environment kPeople{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "1000"}};

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

ServerProcess::Environment with(ServerProcess::Environment more) {
  more.insert(kPeople.begin(), kPeople.end());
  return more;
}

}  // namespace

Bucket::Bucket(std::vector<std::string> faults) : port_(free_port()) { start(std::move(faults)); }

void Bucket::start(std::vector<std::string> faults) {
  std::vector<std::string> words{"--cos-port", port_};
  for (std::string& fault : faults) words.insert(words.end(), {"--cos-fault", std::move(fault)});
  process_ = std::make_unique<SandboxProcess>(words);
}

json::value Bucket::stats() const { return Client(endpoint(), nullptr).get("/_sandbox/stats").json(); }

std::int64_t Bucket::count(const std::string& operation) const {
  const json::value all = stats();
  const auto* found = all.at("requests").as_object().if_contains(operation);
  return found == nullptr ? 0 : found->as_int64();
}

House::House(std::vector<std::string> arguments, ServerProcess::Environment more)
    : server(folder.path(), std::move(arguments), with(std::move(more))) {
  server.start();
  const json::value made = client().post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}}).json();
  ann = {std::string(made.at("id").as_string()), "ann@example.org", std::string(made.at("token").as_string())};
}

Answer House::store_in(const Bucket& bucket, json::object change) {
  json::object form{{"provider", "tencent-cos"}, {"enabled", true}, {"secret_id", "AKIDsandbox"}, {"secret_key", "sandboxSecretKey"},
                    {"region", "ap-guangzhou"}, {"bucket", "studio-1250000000"}, {"endpoint", bucket.endpoint()}};
  for (auto& [name, value] : change) form[name] = value;
  return client().post("/api/v1/storage/config", ann.token, form);
}

json::object House::tried() {
  const Answer answer = client().send({.method = "POST", .path = "/api/v1/storage/test", .token = ann.token});
  EXPECT_EQ(answer.status, 200) << answer.body;
  return answer.json().as_object();
}

std::string House::made(const std::string& prompt) {
  const json::value task = ended(client(), ann, submitted(prompt));
  EXPECT_EQ(task.at("status"), "SUCCESS") << json::serialize(task);
  return std::string(task.at("image_url").as_string());
}

std::string House::submitted(const std::string& prompt) {
  json::object body = text_body(prompt);
  body["seed"] = 1;  // there are few tiny pictures, and by chance two would be one object
  const Answer answer = client().post("/api/v1/flux/text-to-image", ann.token, body);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return std::string(answer.json().at("id").as_string());
}

std::int64_t House::waiting() {
  return client().get("/api/v1/storage/stats", ann.token).json().at("stats").at("summary").at("pending_files").to_number<std::int64_t>();
}

bool House::has_alert(const std::string& kind) {
  const json::value open = client().get("/api/v1/admin/alerts", ann.token).json();
  for (const auto& alert : open.at("data").as_array())
    if (alert.at("kind") == json::value(kind)) return true;
  return false;
}

Finished House::run(std::vector<std::string> words) {
  words.insert(words.end(), {"--data-dir", folder.path().string(), "--log-level", "error"});
  return run_program(words);
}

int House::files_here() const {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "files"))
    count += entry.is_regular_file() && entry.path().extension() != "" && entry.path().string().find("/thumbs/") == std::string::npos;
  return count;
}

Answer fetched(const std::string& url, const std::string& method) {
  const auto path = url.find('/', url.find("://") + 3);
  return Client(url.substr(0, path), nullptr).send({.method = method, .path = url.substr(path)});
}

Answer followed(const House& house, const std::string& link) {
  const Answer first = house.client().get(link);
  return first.status == 302 ? fetched(first.header("location")) : first;
}

}  // namespace fluxgate::integration
