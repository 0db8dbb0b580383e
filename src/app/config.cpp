#include "app/config.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <unistd.h>

#include <CLI/CLI.hpp>

namespace fluxgate::app {
namespace {

// CLI11 wants a sentence for a refusal, "" for agreement.
std::string is_credits(const std::string& text) {
  auto amount = Credits::parse(text);
  return amount && *amount >= Credits{} ? "" : "must be a number of credits ≥ 0 with at most three decimals, received: " + text;
}

std::string is_url_or_empty(const std::string& text) {
  return text.empty() || text.starts_with("http://") || text.starts_with("https://")
             ? ""
             : "must start with http:// or https://, received: " + text;
}

std::string is_plain(const std::string& text) {
  return std::ranges::none_of(text, [](unsigned char c) { return std::iscntrl(c); }) ? "" : "must have no control characters, such as the end of a line";
}

}  // namespace

void trim_environment() {
  std::vector<std::pair<std::string, std::string>> trimmed;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const auto equals = variable.find('='), last = variable.find_last_not_of("\r\n");
    if (equals != std::string_view::npos && last + 1 < variable.size())
      trimmed.emplace_back(variable.substr(0, equals), variable.substr(equals + 1, std::max(last, equals) - equals));
  }
  for (const auto& [name, value] : trimmed) ::setenv(name.c_str(), value.c_str(), 1);
}

void add_common_options(CLI::App& app, Config& config) {
  app.add_option("--data-dir", config.data_dir, "Folder of database, files and keys")->envname("DATA_DIR")->check(is_plain)->capture_default_str();
  app.add_option("--database-url", config.database_url,
                 "Database, e.g. postgresql://user:password@host/name (default: the file DATA_DIR/webui.db)")
      ->envname("DATABASE_URL")->check(is_plain);
  app.add_option("--database-connections", config.database_connections, "Connections of this node to PostgreSQL; 0 = 8")
      ->envname("DATABASE_POOL_SIZE")->check(CLI::Range(0, 500))->capture_default_str();
  app.add_option("--master-key", config.master_key, "Seals stored secrets (default: DATA_DIR/master.key, made when missing)")
      ->envname("FLUXGATE_MASTER_KEY");
  app.add_option("--log-level", config.log_level, "How much to log")
      ->envname("LOG_LEVEL")->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}, CLI::ignore_case))->capture_default_str();
  app.add_option("--log-format", config.log_format, "Log as text or JSON lines")
      ->envname("LOG_FORMAT")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
}

void add_serve_options(CLI::App& app, Config& config) {
  app.add_option("--host", config.host, "Address to listen on")->envname("HOST")->capture_default_str();
  app.add_option("--port", config.port, "Port to listen on; 0 takes a free one")->envname("PORT")
      ->check(CLI::Range(0, 65535))->capture_default_str();
  app.add_option("--public-url", config.public_url, "Our address for upstreams and browsers; allows webhooks")
      ->envname("WEBUI_URL")->check(is_url_or_empty);
  app.add_option("--secret-key", config.secret_key, "Signs sign-in tokens (default: made once, kept in DATA_DIR)")
      ->envname("WEBUI_SECRET_KEY");
  app.add_option("--enable-signup", config.enable_signup, "Whether anybody may make an account (default: as stored, else true)")
      ->envname("ENABLE_SIGNUP");
  app.add_option("--default-user-role", config.default_user_role, "Role of a new account after the first (default: as stored, else pending)")
      ->envname("DEFAULT_USER_ROLE")->check(CLI::IsMember({"pending", "user", "admin"}));
  app.add_option("--jwt-expires-in", config.jwt_expires_in, "Life of a sign-in, e.g. 12h or 4w; -1 never ends (default: as stored, else 4w)")
      ->envname("JWT_EXPIRES_IN");
  app.add_option("--default-credit", config.default_credit, "Credits a new account opens with (default: as stored, else 0)")
      ->envname("CREDIT_DEFAULT_CREDIT")->check(is_credits);
  app.add_flag("--sandbox", config.sandbox, "Use the built-in emulator for every provider; nothing real is contacted")
      ->envname("FLUXGATE_SANDBOX");
  app.add_option("--sandbox-latency", config.sandbox_latency, "Scale of the emulator's waiting times; 0 = none")
      ->envname("SANDBOX_LATENCY")->check(CLI::Range(0.0, 100.0))->capture_default_str();
  app.add_flag("--sandbox-tiny", config.sandbox_tiny, "Emulate with tiny pictures")->envname("SANDBOX_TINY");
  app.add_option("--sandbox-fault", config.sandbox_faults, "Something to go wrong, e.g. submit-429;times=3; may be repeated");
  app.add_option("--fal-key", config.fal_key, "Key of the FLUX account, when none is stored")->envname("FAL_KEY");
  app.add_option("--fal-base-url", config.fal_base_url, "Where that account is: fal's queue or an aggregator")
      ->envname("FAL_BASE_URL")->check(is_url_or_empty)->capture_default_str();
  app.add_option("--fal-max-concurrent", config.fal_max_concurrent, "Tasks at once with that account")
      ->envname("FAL_MAX_CONCURRENT")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--fetch-proxy", config.fetch_proxy, "Proxy for fetching URLs that users give")->envname("FETCH_PROXY");
  app.add_option("--upload-image-mb", config.upload_image_mb, "Largest picture that users may upload, MiB")
      ->envname("UPLOAD_IMAGE_MB")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--upload-video-mb", config.upload_video_mb, "Largest video, MiB")
      ->envname("UPLOAD_VIDEO_MB")->check(CLI::Range(1, 102400))->capture_default_str();
  app.add_option("--upload-audio-mb", config.upload_audio_mb, "Largest sound, MiB")
      ->envname("UPLOAD_AUDIO_MB")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--media-threads", config.media_threads, "Pictures and videos decoded at once; 0 = one per core, at most 2")
      ->envname("MEDIA_THREADS")->check(CLI::Range(0, 64))->capture_default_str();
  app.add_option("--disk-low-mb", config.disk_low_mb, "Administrators are alerted when less is free where files are kept, MiB; 0 = never")
      ->envname("DISK_LOW_MB")->check(CLI::Range(0, 100'000'000))->capture_default_str();
  app.add_option("--status-calls", config.status_calls_per_s, "Status questions per second and account")
      ->envname("STATUS_CALLS_PER_SECOND")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--unknown-wait", config.unknown_wait_s, "Seconds before an unanswered submit is decided on")
      ->envname("UNKNOWN_WAIT_SECONDS")->check(CLI::Range(1, 86400))->capture_default_str();
  app.add_option("--resubmit-up-to", config.resubmit_up_to, "Such a task is sent again once when it costs at most this")
      ->envname("RESUBMIT_UP_TO")->check(is_credits)->capture_default_str();
  app.add_option("--role", config.role,
                 "api answers people and works on no task, worker the other way round; both need PostgreSQL")
      ->envname("FLUXGATE_ROLE")->check(CLI::IsMember({"all", "api", "worker"}))->capture_default_str();
  app.add_option("--threads", config.threads, "I/O threads; 0 = one per core")->envname("THREADS")->check(CLI::Range(0, 256));
  app.add_option("--cors-allow-origin", config.cors_allow_origin, "Origins that browsers may call from, ;-separated; * = any")
      ->envname("CORS_ALLOW_ORIGIN");
  app.add_option("--tls-certificate", config.tls_certificate, "PEM file; with --tls-key the server speaks TLS")->envname("TLS_CERTIFICATE");
  app.add_option("--tls-key", config.tls_key, "PEM file")->envname("TLS_KEY");
  app.add_option("--drain", config.drain_s, "Seconds that requests get to end at a stop")->envname("DRAIN_SECONDS")
      ->check(CLI::Range(0, 9))->capture_default_str();
  app.add_flag("--repair", config.repair, "Set up or repair the database before serving")->envname("FLUXGATE_REPAIR");
}

}  // namespace fluxgate::app
