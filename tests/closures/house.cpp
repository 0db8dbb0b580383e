#include "house.h"

#include <fstream>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "catalogue/catalogue.h"
#include "db/schema.h"
#include "support/postgres_server.h"
#include "test_paths.h"
#include "tasks/audit.h"

namespace fluxgate::closures {
namespace {

std::filesystem::path new_folder() {
  crypto::initialise();
  log::configure(log::Level::off, log::Format::text);
  auto folder = std::filesystem::temp_directory_path() / ("fluxgate-closures-" + new_id());
  std::filesystem::create_directories(folder);
  return folder;
}

identity::IdentityOptions identity_options() {
  identity::IdentityOptions options;
  options.session_secret = "a secret that only this test knows";
  options.given.default_user_role = "user";
  options.cost = {1, 8192, 4};
  options.on_new_user = [](db::Tx& tx, const std::string& id, Millis now) {
    credits::open_account(tx, id, kOpening, credits::make_stamp(now));
  };
  return options;
}

tasks::UpstreamAccount default_account() {
  tasks::UpstreamAccount account;
  account.account = {"environment", "flux", "https://queue.example", "key", {}};
  return account;
}

}  // namespace

std::string Answer::code() const {
  const auto* object = body.if_object();
  const auto* value = object ? object->if_contains("code") : nullptr;
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

// Made once: most of the time of a test would go into its tables.
std::string new_database(db::Dialect engine, const std::filesystem::path& folder) {
  const auto furnished = [](const std::string& url) {
    const auto database = db::open(url, {.connections = 1});
    database->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
    database->stop();
    return url;
  };
  if (engine == db::Dialect::postgresql) {
    static const std::string model = furnished(test::PostgresServer::shared().new_database());
    return test::PostgresServer::shared().copy_of(model);
  }
  static const std::string model = [&] {
    const std::filesystem::path file = folder / "model.db";
    furnished("sqlite:///" + file.string());
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const auto file = folder / (new_id() + ".db");
  std::ofstream(file, std::ios::binary) << model;
  return "sqlite:///" + file.string();
}

House::House(db::Dialect engine)
    : folder_(new_folder()),
      sealer(std::string(32, 'm')),
      database(new_database(engine, folder_)),
      accounts(sealer),
      waiting_(accounts, clock) {
  accounts.set_default(default_account());
  files::Options options;
  options.directory = files_folder();
  options.link_secret = std::string(32, 'k');
  files = files::make_files(options, clock);
  catalogue = std::make_unique<catalogue::Holder>(catalogue::load("").catalogue);
  identity = another_identity();
  client_ = net::make_http_client(io_, {});
  engine_ = std::make_unique<tasks::Engine>(
      io_.get_executor(),
      tasks::EngineParts{database, *files, *client_, hub, *catalogue, accounts, health_, progress_, clock, {}},
      tasks::EngineOptions{.node_id = "house", .hook_secret = std::string(32, 'h')});
  const tasks::ServiceParts service{database, *files, hub, *catalogue, accounts, progress_, clock, *engine_, waiting_, draining_, {}};
  tasks = tasks::make_tasks(service);
  batches = tasks::make_batches(service);
  depot = std::make_unique<files::Depot>(io_.get_executor(), *client_, database, sealer, clock,
                                         files::DepotOptions{.directory = options.directory, .node_id = "house"});
  {
    boost::asio::io_context now;
    auto read = boost::asio::co_spawn(now, depot->refresh(), boost::asio::use_future);
    now.run();
    read.get();
  }
  files->attach(*depot);
  files::UploadOptions uploading;
  uploading.directory = folder_ / "files/uploads";
  uploading.direct_store = [this] { return Result<files::DirectStore>({direct, "generated/"}); };
  uploads = std::make_unique<files::Uploads>(uploading, *files, database, clock, *client_, io_.get_executor());
  api::Parts parts{*tasks, *batches, *files, database, hub, *catalogue, accounts, health_, *identity, clock, *engine_, *depot, sealer};
  parts.uploads = uploads.get();
  api::add_routes(router_, std::move(parts));
}

std::string a_sound() {
  std::ifstream file(std::string(FLUXGATE_SOURCE_DIR) + "/tests/fixtures/media/sound.mp3", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

House::~House() {
  router_ = http::Router();
  identity->stop();
  database.stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Answer House::send(std::string method, std::string path, const std::string& token, boost::json::value body,
                   const std::string& idempotency_key) {
  api::FakeRequest request(std::move(method), std::move(path), body.is_null() ? "" : boost::json::serialize(body));
  if (!token.empty()) request.headers["authorization"] = "Bearer " + token;
  if (!idempotency_key.empty()) request.headers["idempotency-key"] = idempotency_key;
  return send(request);
}

Answer House::upload(std::string path, const std::string& token, std::string_view part, std::string_view filename, std::string_view bytes) {
  api::FakeRequest request("POST", std::move(path),
                           fmt::format("--B\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\r\n{}\r\n--B--\r\n", part, filename, bytes));
  request.headers["content-type"] = "multipart/form-data; boundary=B";
  request.headers["authorization"] = "Bearer " + token;
  return send(request);
}

// Passwords are hashed one at a time, and few may wait; the others would be told to come again.
Answer House::send(api::FakeRequest& request) {
  const auto match = router_.match(request.method(), request.path());
  if (match.handler == nullptr) return {404, "no route"};
  for (const auto& [name, value] : match.params) request.params[name] = value;
  const bool hashes = request.path().starts_with("/api/v1/auths/sign") || request.path().ends_with("/password");
  if (hashes) hashing_.acquire();
  auto answer = run((*match.handler)(request));
  if (hashes) hashing_.release();
  const http::Response response = answer ? std::move(*answer) : api::render_error(&request, answer.error());
  const auto* text = std::get_if<std::string>(&response.body);
  boost::system::error_code none;
  return {response.status, boost::json::parse(text ? *text : "", none)};
}

std::unique_ptr<identity::Identity> House::another_identity() {
  return std::make_unique<identity::Identity>(database, clock, identity_options());
}

Person House::sign_up(const std::string& email) {
  const auto answer = send("POST", "/api/v1/auths/signup", "", {{"name", "Someone"}, {"email", email}, {"password", kPassword}});
  if (answer.status != 200) throw std::runtime_error("sign-up: " + boost::json::serialize(answer.body));
  return {std::string(answer.body.at("id").as_string()), email, std::string(answer.body.at("token").as_string())};
}

std::int64_t House::number(std::string_view sql, db::Params params) {
  return read([&](db::Tx& tx) { return tx.number(sql, params); });
}

std::string House::audit() {
  std::string text;
  for (const std::string& finding : read([](db::Tx& tx) { return tasks::audit(tx); })) text += finding + "\n";
  return text;
}

tasks::store::Move House::move_to(tasks::TaskState state) const {
  tasks::store::Move move{.to = state, .now = clock.now_ms()};
  move.stamp = credits::make_stamp(move.now);
  return move;
}

tasks::Task House::brought_to(tasks::Task task, tasks::TaskState state) {
  using tasks::TaskState;
  std::vector<TaskState> way;
  if (state != TaskState::queued) way.push_back(TaskState::submitting);
  if (state == TaskState::unknown) way.push_back(TaskState::unknown);
  if (state == TaskState::running || state == TaskState::storing) way.push_back(TaskState::running);
  if (state == TaskState::storing) way.push_back(TaskState::storing);
  for (TaskState next : way)
    write([&, move = move_to(next)](db::Tx& tx) { FLUX_ASSERT(tasks::store::move(tx, task, move)); });
  return task;
}

void House::deliver(db::Tx& tx, const tasks::Task& task, int position) {
  tasks::TaskFile file{.position = position, .file_id = fmt::format("{} of {}", position, task.id), .name = "a.png", .mime = "image/png",
                       .sha256 = "x"};
  files->insert(tx, {.id = file.file_id, .user_id = task.user_id, .filename = file.name, .key = "k", .source_type = "flux",
                     .source_task_id = task.id}, {});
  tasks::store::insert_file(tx, task.id, file);
}

identity::Console House::console() {
  identity::Console::Options options;
  options.cost = {1, 8192, 4};
  options.on_new_user = identity_options().on_new_user;
  return {database, clock, std::move(options)};
}

}  // namespace fluxgate::closures
