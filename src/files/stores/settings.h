// How to reach a store: plain values, checked before use. Secrets stand here in clear; they are sealed where
// they are kept, and never printed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <boost/asio/any_io_executor.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "files/stores/store.h"

namespace fluxgate::net {
class HttpClient;
}

namespace fluxgate::files {

class WorkPool;

struct Credentials {
  std::string id, secret;
  std::string token = {};  // of temporary credentials
  Millis expires_at = 0;   // of temporary credentials; 0 = not known
};

struct LocalSettings {
  std::string directory;  // absolute; created if missing
};

// How links for people are made.
enum class Links {
  signed_,              // a signature that covers the host
  signed_without_host,  // for a CDN that changes Host on its way to the store (COS only)
  plain,                // none: a public bucket, or a CDN with rules of its own
};

// spec: storage-cos part A.
struct CosSettings {
  std::string bucket;  // "<name>-<APPID>"
  std::string region;  // "ap-guangzhou"
  Credentials credentials;
  std::string prefix = {};     // before every key: "fluxgate/"
  std::string endpoint = {};   // origin of a custom origin domain: "https://img.example.com"; "" = the
                               // bucket's own host, with the backup host as the last attempt
  bool accelerate = false;     // the global acceleration host; must be switched on for the bucket
  std::string link_base = {};  // origin of links shown to people (custom or CDN domain); "" = the endpoint
  Links links = Links::signed_;
  std::string acl = {};            // "", private, public-read; "" = the bucket's
  std::string storage_class = {};  // "" = STANDARD; archive classes are refused, reads need a restore there
};

enum class Addressing { automatic, virtual_host, path };
enum class Payload { automatic, signed_, unsigned_ };

// spec: storage-cos part B.
struct S3Settings {
  std::string endpoint;  // "https://s3.eu-central-1.amazonaws.com", "http://minio.local:9000"
  std::string region = "us-east-1";
  std::string bucket;
  Credentials credentials;
  std::string prefix = {};
  Addressing addressing = Addressing::automatic;  // path for IP addresses, localhost, ports, dotted buckets
  Payload payload = Payload::automatic;           // signed over plain HTTP
  std::string link_base = {};                     // links are this + "/" + key, and plain
  std::string acl = {}, storage_class = {};       // sent when set
};

using StoreSettings = std::variant<LocalSettings, CosSettings, S3Settings>;

// invalid, one FieldError for each wrong member: loc {"body", "<member>"}.
Result<void> check(const StoreSettings& settings);

struct StoreParts {
  net::HttpClient& client;  // its calls are made on `client_executor`
  boost::asio::any_io_executor client_executor;
  WorkPool& disk;  // reads and hashes files
  const Clock& clock;
  // Objects larger than this go in parts of `part_bytes`, `parts_at_once` side by side.
  std::uint64_t multipart_above = 16ull << 20;
  std::uint64_t part_bytes = 8ull << 20;  // grows so that 10000 parts are enough
  int parts_at_once = 4;
  int attempts = 4;             // of each request, the first included
  Millis first_pause_ms = 300;  // back-off between attempts: full jitter, doubling; tests shorten it
  // Asked on client_executor before each try and while one waits: true when the client is about to go.
  std::function<bool()> ending = [] { return false; };
};

// Settings that do not pass check() give its error; a directory that cannot be made, unavailable
// (storage_failed).
Result<std::unique_ptr<Store>> make_store(StoreSettings settings, StoreParts parts);

}  // namespace fluxgate::files
