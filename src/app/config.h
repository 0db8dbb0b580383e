// The configuration: declared once, with a sentence, a default and bounds for each value. A flag wins
// over the environment, the environment over the TOML file (--config). Names are Open WebUI's where it
// has one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/money.h"

namespace CLI {
class App;
}

namespace fluxgate::app {

struct Config {
  // where
  std::string data_dir = "./data";
  std::string database_url;              // "" = see app/database_url.h
  int database_connections = 0;          // 0 = the database's default
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string public_url;                // WEBUI_URL: under which upstreams and browsers reach us
  // people
  std::string secret_key;                // WEBUI_SECRET_KEY
  std::string master_key;                // FLUXGATE_MASTER_KEY
  // Unset: as the database's settings say (identity/admin_settings.h), else true, pending, 4w, 0.
  std::optional<bool> enable_signup;
  std::optional<std::string> default_user_role, jwt_expires_in;
  std::optional<std::string> default_credit;  // CREDIT_DEFAULT_CREDIT, see opening_credit.h
  // upstream
  bool sandbox = false;
  double sandbox_latency = 1.0;
  bool sandbox_tiny = false;
  std::vector<std::string> sandbox_faults;
  std::string fal_key;
  std::string fal_base_url = "https://queue.fal.run";
  int fal_max_concurrent = 20;
  std::string fetch_proxy;
  // uploads, MiB a file
  int upload_image_mb = 10, upload_video_mb = 100, upload_audio_mb = 5;
  int disk_low_mb = 1024;  // 0 = never
  int media_threads = 0;  // 0 = one per core, at most 2
  // engine
  int status_calls_per_s = 20;
  int unknown_wait_s = 20;
  std::string resubmit_up_to = "50";
  // server
  std::string role = "all";              // api, worker or all: node.h
  int threads = 0;                       // 0 = one per core
  std::string cors_allow_origin;         // ";"-separated, "" = none
  std::string tls_certificate, tls_key;
  std::string web_dir;                   // the studio's files; "" = none
  int drain_s = 8;
  // log
  std::string log_level = "info";
  std::string log_format = "text";
  // database care
  bool repair = false;
};

// Takes line ends from the end of every variable's value: a file of them that was written on Windows gives each a CR,
// and a path, a key or a host with one is another. Before the first thread.
void trim_environment();
// Adds the options every command knows (data folder, database, log) and those of `serve`.
void add_common_options(CLI::App& app, Config& config);
void add_serve_options(CLI::App& app, Config& config);

}  // namespace fluxgate::app
