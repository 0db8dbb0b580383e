// `fluxgate generate`: a client of the server, with a progress bar. Without --server it uses the one that
// runs on the data folder, or starts a node of its own on a free port and stops it again.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "app/blocking_client.h"
#include "app/commands/commands.h"
#include "app/commands/people.h"
#include "app/keys.h"
#include "app/node.h"
#include "base/crypto.h"
#include "credits/ledger.h"
#include "identity/tokens.h"

namespace fluxgate::app {
namespace {

namespace json = boost::json;

struct GenerateWords {
  std::string prompt, model = "fal-ai/flux-1/schnell", server, token, out = ".";
  std::vector<std::string> params;
  int count = 1;
};

class ServerApi {
 public:
  ServerApi(std::string base, std::string token) : base_(std::move(base)), token_(std::move(token)) {}

  Result<json::object> ask(std::string method, const std::string& path, std::string body = {}) {
    HttpRequest request{std::move(method), base_ + path, {{"Authorization", "Bearer " + token_}}, std::move(body)};
    if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    if (terminal_language() == Language::zh) request.headers.emplace_back("Accept-Language", "zh-CN");
    auto reply = client_.call(std::move(request), {});
    if (!reply) return unreachable(reply.error().detail);
    boost::system::error_code error;
    auto value = json::parse(reply->body, error);
    if (reply->status >= 300) return refused(reply->status, value);
    if (error || !value.is_object()) return unreachable("its answer is no JSON object");
    return value.as_object();
  }

  bool healthy() {
    auto reply = client_.call({"GET", base_ + "/health", {}, {}}, {.timeout = std::chrono::seconds(2)});
    return reply && reply->status == 200;
  }
  void pause(std::chrono::milliseconds time) { client_.pause(time); }

  Result<void> save(const std::string& link, const std::filesystem::path& file) {
    std::ofstream out(file, std::ios::binary);
    net::CallOptions options;
    options.max_body = 1ull << 33;
    options.sink = [&out](std::string_view piece) { return static_cast<bool>(out.write(piece.data(), static_cast<std::streamsize>(piece.size()))); };
    HttpRequest request;
    request.url = link.starts_with("/") ? base_ + link : link;
    auto reply = client_.call(std::move(request), std::move(options));
    out.close();
    if (!reply || reply->status != 200 || !out) {
      const bool written = static_cast<bool>(out);
      std::string why = !reply ? reply.error().detail : written ? fmt::format("status {}", reply->status) : "it cannot be written there";
      return fail(Errc::upstream, "save", {fmt::format("{} could not be saved: {}", file.string(), why),
                                           fmt::format("无法保存 {}：{}", file.string(), why)});
    }
    return {};
  }

 private:
  std::unexpected<Error> unreachable(const std::string& why) const {
    return fail(Errc::upstream, "server", {fmt::format("The server at {} does not answer as it should: {}", base_, why),
                                           fmt::format("服务器 {} 响应异常：{}", base_, why)});
  }
  static std::unexpected<Error> refused(int status, const json::value& body) {
    std::string why = fmt::format("status {}", status);
    auto* object = body.if_object();
    auto* detail = object ? object->if_contains("detail") : nullptr;
    if (detail && detail->is_string()) why = std::string(detail->as_string());
    if (detail && detail->is_array()) {
      why.clear();
      for (const auto& item : detail->as_array())
        if (auto* message = item.is_object() ? item.as_object().if_contains("msg") : nullptr; message && message->is_string())
          why += (why.empty() ? "" : " ") + std::string(message->as_string());
    }
    return fail(Errc::invalid, "refused", {why, why});
  }

  std::string base_, token_;
  BlockingClient client_;
};

// "key=value": numbers, true, false and JSON as such, anything else as text.
Result<json::object> body_of(const GenerateWords& words) {
  json::object body{{"model", words.model}, {"prompt", words.prompt}};
  if (words.count != 1) body["num_images"] = words.count;
  for (const std::string& param : words.params) {
    auto equals = param.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Errc::invalid, "param", {"--param takes name=value, received: " + param, "--param 的格式为 name=value，收到：" + param});
    boost::system::error_code error;
    auto value = json::parse(param.substr(equals + 1), error);
    body[param.substr(0, equals)] = error ? json::value(param.substr(equals + 1)) : value;
  }
  return body;
}

std::string text_of(const json::object& object, std::string_view name) {
  auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

// One line on a terminal that is drawn over; nothing elsewhere.
void draw(const json::object& task, int tick) {
  if (!::isatty(STDERR_FILENO)) return;
  std::string state = text_of(task, "state");
  double done = state == "storing" ? 0.95 : state == "running" ? std::min(0.9, 0.1 + tick * 0.04) : 0.05;
  if (auto* progress = task.if_contains("progress"); progress && progress->is_double()) done = progress->as_double();
  constexpr int kWidth = 30;
  int filled = static_cast<int>(done * kWidth);
  std::fprintf(stderr, "\r[%s%s] %-10s", std::string(filled, '#').c_str(), std::string(kWidth - filled, ' ').c_str(), state.c_str());
}

Result<json::object> follow(ServerApi& api, const std::string& id) {
  for (int tick = 0;; ++tick) {
    FLUX_TRY(task, api.ask("GET", "/api/v1/flux/task/" + id));
    std::string status = text_of(task, "status");
    if (status == "SUCCESS" || status == "FAILED" || status == "CANCELLED") {
      if (::isatty(STDERR_FILENO)) std::fprintf(stderr, "\r%50s\r", "");
      return task;
    }
    draw(task, tick);
    api.pause(std::chrono::milliseconds(200));
  }
}

Result<void> make(ServerApi& api, const GenerateWords& words) {
  FLUX_TRY(body, body_of(words));
  FLUX_TRY(submitted, api.ask("POST", "/api/v1/flux/text-to-image", json::serialize(body)));
  FLUX_TRY(task, follow(api, text_of(submitted, "id")));
  if (text_of(task, "status") != "SUCCESS") {
    std::string why = text_of(task, "error_message");
    return fail(Errc::upstream, "task", {"No picture: " + why, "未能生成图片：" + why});
  }
  std::error_code error;
  std::filesystem::create_directories(words.out, error);
  for (const auto& value : task.at("images").as_array()) {
    const json::object& image = value.as_object();
    std::filesystem::path file = std::filesystem::path(words.out) / text_of(image, "file_name");
    FLUX_CHECK(api.save(text_of(image, "url"), file));
    fmt::print("{}\n", std::filesystem::absolute(file, error).lexically_normal().string());
  }
  return {};
}

// The account under which this command works on its own node. Whoever can write the data folder is the
// operator, so the command gives itself what the picture costs; the ledger shows it.
Result<std::string> local_token(const Config& config, db::Database& database) {
  auto console = open_console(config, database);
  auto user = console.find(std::string(identity::kLocalUser));
  if (!user) user = console.add({"generate", std::string(identity::kLocalUser), crypto::random_hex(16), ""}, identity::Role::user);
  if (!user) return fail(std::move(user).error());
  auto stamp = credits::make_stamp(system_clock().now_ms());
  auto granted = database.write_now([id = user->id, stamp](db::Tx& tx) {
    constexpr Credits kEnough = Credits::whole(1'000);
    credits::open_account(tx, id, Credits{}, stamp);
    return credits::set_available(tx, id, kEnough, "", "fluxgate generate", stamp);
  });
  if (!granted) return fail(std::move(granted).error());
  FLUX_TRY(secret, session_secret(config, database));
  identity::Tokens tokens(secret);
  FLUX_TRY(session, console.token(std::string(identity::kLocalUser), tokens, std::chrono::hours(1)));
  return session.token;
}

// The server that runs on this data folder, as it wrote down itself; "" = none answers.
std::string running_server(const Config& config) {
  int port = 0;
  std::ifstream(config.data_dir + "/fluxgate.port") >> port;
  if (port == 0) return "";
  std::string base = fmt::format("http://127.0.0.1:{}", port);
  return ServerApi(base, "").healthy() ? base : "";
}

Result<void> on_running_server(const Config& config, const std::string& base, const GenerateWords& words) {
  FLUX_TRY(workspace, open_workspace(config, Access::tool));
  FLUX_TRY(token, local_token(config, *workspace.database));
  ServerApi api(base, token);
  return make(api, words);
}

Result<void> on_own_node(Config config, const GenerateWords& words) {
  config.port = 0;
  config.host = "127.0.0.1";
  config.sandbox = config.sandbox || config.fal_key.empty();
  if (config.sandbox) std::fprintf(stderr, "No upstream key: the sandbox draws this picture.\n");
  FLUX_TRY(node, Node::build(config));
  node->start();
  auto done = on_running_server(config, fmt::format("http://127.0.0.1:{}", node->port()), words);
  node->stop();
  return done;
}

ExitCode generate(Config config, const GenerateWords& words) {
  if (config.log_level == "info") config.log_level = "warn";  // the path is the answer
  configure_log(config);
  Result<void> done;
  if (!words.server.empty()) {
    ServerApi api(words.server, words.token);
    done = make(api, words);
  } else if (std::string running = running_server(config); !running.empty()) {
    done = on_running_server(config, running, words);
  } else {
    done = on_own_node(config, words);
  }
  return done ? ExitCode::ok : report(done.error());
}

}  // namespace

void add_generate(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("generate", "Make a picture and save it; prints the file's path");
  auto words = std::make_shared<GenerateWords>();
  command->add_option("prompt", words->prompt)->required();
  command->add_option("--model", words->model, "See fluxgate models list")->capture_default_str();
  command->add_option("--count", words->count, "Number of pictures")->check(CLI::Range(1, 8))->capture_default_str();
  command->add_option("--param", words->params, "A parameter of the model as name=value; may be repeated");
  command->add_option("--out", words->out, "Folder for the files")->capture_default_str();
  command->add_option("--server", words->server, "A running server, e.g. http://localhost:8080 (default: one of its own)")->envname("FLUXGATE_SERVER");
  command->add_option("--token", words->token, "Sign-in token or access key for --server")->envname("FLUXGATE_TOKEN");
  command->add_flag("--sandbox", config.sandbox, "Use the built-in emulator even when a key is set")->envname("FLUXGATE_SANDBOX");
  command->add_option("--fal-key", config.fal_key)->envname("FAL_KEY");
  command->add_option("--fal-base-url", config.fal_base_url)->envname("FAL_BASE_URL")->capture_default_str();
  command->callback([&config, &exit_code, words] { exit_code = generate(config, *words); });
}

}  // namespace fluxgate::app
