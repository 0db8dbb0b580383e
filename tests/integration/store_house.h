// A bucket that is a process of its own, and a server whose files go there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "suite.h"

namespace fluxgate::integration {

// The sandbox's COS bucket on one address; its process can end and come again (empty then).
class Bucket {
 public:
  // Faults as src/sandbox/cos.h has them.
  explicit Bucket(std::vector<std::string> faults = {});
  void start(std::vector<std::string> faults = {});
  void end() { process_.reset(); }
  // What it was asked so far (src/sandbox/cos.h); requests of one operation: "put", "part" …
  boost::json::value stats() const;
  std::int64_t count(const std::string& operation) const;
  std::string endpoint() const { return "http://127.0.0.1:" + port_; }

 private:
  const std::string port_;
  std::unique_ptr<SandboxProcess> process_;
};

// A server of its own with an admin, Ann.
class House {
 public:
  explicit House(std::vector<std::string> arguments = {"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0"},
                 ServerProcess::Environment more = {});
  Client client() const { return Client(server.base_url(), &contract()); }
  // From now on files go to the bucket; `change` are other members of the configuration.
  Answer store_in(const Bucket& bucket, boost::json::object change = {});
  // What the connection test says of the configuration as it is.
  boost::json::object tried();
  // The link of a result.
  std::string made(const std::string& prompt);
  std::string submitted(const std::string& prompt);
  std::int64_t waiting();  // objects that are to be moved
  bool has_alert(const std::string& kind);
  Finished run(std::vector<std::string> words);
  int files_here() const;  // objects on the disk

  TempFolder folder;
  ServerProcess server;
  Person ann;
};

// A request to a whole URL.
Answer fetched(const std::string& url, const std::string& method = "GET");
// Follows our link to the store's.
Answer followed(const House& house, const std::string& link);

}  // namespace fluxgate::integration
