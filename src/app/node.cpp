#include "app/node.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include "api/routes.h"
#include "app/common_secrets.h"
#include "app/engine_thread.h"
#include "app/keys.h"
#include "app/live_catalogue.h"
#include "app/opening_credit.h"
#include "app/upkeep.h"
#include "app/workspace.h"
#include "base/ids.h"
#include "base/log.h"
#include "credits/ledger.h"
#include "identity/identity.h"
#include "net/closing_client.h"
#include "providers/fal/fal_adapter.h"
#include "sandbox/sandbox.h"
#include "tasks/service.h"
#include "version.h"

namespace fluxgate::app {
namespace {

using std::chrono::milliseconds;

// Each may hold a picture of 100 million pixels (docs/uploads.md has what that takes).
constexpr int kMediaThreadsMax = 2;

tasks::UpstreamAccount fal_account(const Config& config) {
  tasks::UpstreamAccount account;
  account.account = {"environment", "flux", config.fal_base_url, config.fal_key, {}};
  account.max_concurrent = config.fal_max_concurrent;
  return account;
}

tasks::UpstreamAccount sandbox_account(const std::string& base_url) {
  tasks::UpstreamAccount account;
  account.account = {"sandbox", "flux", base_url, "sandbox:sandbox", {}};
  account.max_concurrent = 100'000;
  account.timeout_s = 60;
  return account;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size() && !text.empty()) {
    auto to = std::min(text.find(separator, from), text.size());
    if (to > from) parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

class NodeImpl final : public Node {
 public:
  explicit NodeImpl(const Config& config) : config_(config) {}
  ~NodeImpl() override { stop(); }

  Result<void> build();
  void start() override;
  std::uint16_t port() const override { return server_->port(); }
  void stop() override;

 private:
  Result<void> check_role() const;
  Result<void> build_accounts();
  void build_engine();
  Result<void> build_depot();
  void build_server();
  void announce() const;

  Config config_;
  const Clock& clock_ = system_clock();
  const std::string node_id_ = new_id();
  std::string master_key_, session_secret_;
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  Workspace workspace_;
  std::unique_ptr<crypto::Sealer> sealer_;
  std::unique_ptr<tasks::AccountStore> accounts_;
  std::unique_ptr<LiveCatalogue> catalogue_;
  std::unique_ptr<files::Files> files_;
  std::unique_ptr<identity::Identity> identity_;
  notify::Hub hub_;
  std::unique_ptr<tasks::Neighbours> neighbours_;
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  std::unique_ptr<tasks::Waiting> waiting_;
  std::atomic<bool> draining_{false};
  EngineThread engine_thread_;
  std::unique_ptr<net::ClosingClient> client_;
  std::unique_ptr<providers::Adapter> fal_;
  std::unique_ptr<files::Depot> depot_;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<CoroGroup> upkeep_;
  std::unique_ptr<Wakeup> upkeep_due_, places_due_, catalogue_due_;
  std::unique_ptr<tasks::Tasks> tasks_;
  std::unique_ptr<tasks::Batches> batches_;
  std::unique_ptr<files::Uploads> uploads_;
  std::unique_ptr<http::Server> server_;
  bool running_ = false;
};

Result<void> NodeImpl::build() {
  FLUX_TRY(workspace, open_workspace(config_, Access::serve));
  workspace_ = std::move(workspace);
  FLUX_CHECK(check_role());
  FLUX_TRY(master, app::master_key(config_, *workspace_.database));
  FLUX_TRY(secret, app::session_secret(config_, *workspace_.database));
  master_key_ = master;
  session_secret_ = secret;
  FLUX_CHECK(build_accounts());
  catalogue_ = std::make_unique<LiveCatalogue>(*workspace_.database, *accounts_, config_.data_dir + "/catalogue");
  FLUX_CHECK(catalogue_->load());

  files::Options files;
  files.directory = config_.data_dir + "/files";
  files.link_secret = crypto::derive_key(session_secret_, "file links");
  if (!config_.public_url.empty()) files.own_origins = {without_slash(config_.public_url)};
  const auto mebibytes = [](int count) { return static_cast<std::uint64_t>(count) * 1024 * 1024; };
  files.upload_limit = mebibytes(config_.upload_image_mb);
  files.video_limit = mebibytes(config_.upload_video_mb);
  files.audio_limit = mebibytes(config_.upload_audio_mb);
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  files.media_threads = config_.media_threads != 0 ? config_.media_threads : std::min(cores, kMediaThreadsMax);
  files_ = files::make_files(files, clock_);
  files_->sweep();

  identity::IdentityOptions people;
  people.session_secret = session_secret_;
  people.given.enable_signup = config_.enable_signup;
  people.given.default_user_role = config_.default_user_role;
  people.given.jwt_expires_in = config_.jwt_expires_in;
  if (!config_.public_url.empty()) people.given.webui_url = config_.public_url;
  people.scheme = identity::hash_scheme_of(*workspace_.database);
  people.on_new_user = [given = config_.default_credit](db::Tx& tx, const std::string& user_id, Millis now) {
    credits::open_account(tx, user_id, opening_credit(tx, given), credits::make_stamp(now));
  };
  identity_ = std::make_unique<identity::Identity>(*workspace_.database, clock_, std::move(people));
  build_engine();
  FLUX_CHECK(build_depot());
  FLUX_CHECK(join_nodes(*workspace_.database, *sealer_, session_secret_, node_id_, config_, clock_));  // now that all seals were opened
  build_server();
  return {};
}

// Where files are. Nodes that keep them on the disk must all see the same one.
Result<void> NodeImpl::build_depot() {
  files::DepotOptions options;
  options.directory = config_.data_dir + "/files";
  options.node_id = node_id_;
  options.least_room = static_cast<std::uint64_t>(config_.disk_low_mb) << 20;
  depot_ = std::make_unique<files::Depot>(engine_thread_.context().get_executor(), *client_, *workspace_.database, *sealer_, clock_, options);
  boost::asio::io_context now;
  auto read = boost::asio::co_spawn(now, depot_->refresh(), boost::asio::use_future);
  now.run();
  read.get();
  files_->attach(*depot_);
  const auto stores = depot_->stores();
  for (const auto& [id, store] : stores->by_id)
    if (store->broken && store->broken->code() == "secret_unreadable") return fail(*store->broken);
  return depot_->check_folder();
}

Result<void> NodeImpl::build_accounts() {
  sealer_ = std::make_unique<crypto::Sealer>(master_key_);
  accounts_ = std::make_unique<tasks::AccountStore>(*sealer_);
  auto unreadable = workspace_.database->read_now([this](db::Tx& tx) { return accounts_->unreadable_key(tx); });
  if (unreadable) return fail(Errc::internal, "secret_unreadable", {*unreadable, *unreadable});
  if (!config_.fal_key.empty()) accounts_->set_default(fal_account(config_));
  if (config_.sandbox) {
    sandbox::Options options;
    options.folder = config_.data_dir + "/sandbox";
    options.latency_scale = config_.sandbox_latency;
    options.tiny_images = config_.sandbox_tiny;
    options.faults = config_.sandbox_faults;
    sandbox_ = std::make_unique<sandbox::Sandbox>(options, clock_);
    sandbox_->start();
    accounts_->set_sandbox(sandbox_account(sandbox_->base_url()));
  }
  return {};
}

// An SQLite file belongs to one server, which has to do everything.
Result<void> NodeImpl::check_role() const {
  if (config_.role == "all" || workspace_.database->dialect() == db::Dialect::postgresql) return {};
  return fail(Errc::internal, "role_needs_postgresql",
              {fmt::format("--role {} needs a database that several nodes share: name a PostgreSQL in DATABASE_URL, or leave the role at all.", config_.role),
               fmt::format("--role {} 需要多个节点共享的数据库：请在 DATABASE_URL 中指定 PostgreSQL，或将角色保留为 all。", config_.role)});
}

void NodeImpl::build_engine() {
  client_ = std::make_unique<net::ClosingClient>(net::make_http_client(engine_thread_.context(), {.fetch_proxy = config_.fetch_proxy}));
  fal_ = providers::make_fal_adapter();
  tasks::EngineOptions options;
  options.node_id = node_id_;
  options.works = config_.role != "api";
  // A server has an SQLite file to itself, by its lock.
  options.sole_node = workspace_.database->dialect() == db::Dialect::sqlite;
  options.public_url = config_.sandbox ? "" : without_slash(config_.public_url);
  options.hook_secret = crypto::derive_key(session_secret_, "webhooks");
  options.policy.status_calls_per_s = config_.sandbox ? 100'000 : config_.status_calls_per_s;
  options.policy.unknown_wait_ms = config_.unknown_wait_s * 1000ll;
  options.policy.resubmit_up_to = Credits::parse(config_.resubmit_up_to).value_or(Credits{});
  neighbours_ = std::make_unique<tasks::Neighbours>(*workspace_.database);
  engine_ = std::make_unique<tasks::Engine>(
      engine_thread_.context().get_executor(),
      tasks::EngineParts{*workspace_.database, *files_, *client_, hub_, catalogue_->holder(), *accounts_, health_, progress_,
                         clock_, {fal_.get()}, neighbours_.get()},
      options);
  waiting_ = std::make_unique<tasks::Waiting>(*accounts_, clock_);
  const tasks::ServiceParts service{*workspace_.database, *files_, hub_, catalogue_->holder(), *accounts_, progress_, clock_, *engine_,
                                    *waiting_, draining_, split(without_slash(config_.public_url), ';'), options.public_url.empty()};
  tasks_ = tasks::make_tasks(service);
  batches_ = tasks::make_batches(service);
  files::UploadOptions uploads;
  uploads.directory = config_.data_dir + "/files/uploads";
  uploads.direct_store = [this] { return depot_->direct_store(); };  // asked once the server runs
  uploads.store_named = [this](const std::string& id) { return depot_->store_named(id); };
  uploads_ = std::make_unique<files::Uploads>(uploads, *files_, *workspace_.database, clock_, *client_,
                                              engine_thread_.context().get_executor());
  upkeep_ = std::make_unique<CoroGroup>(engine_thread_.context().get_executor());
  upkeep_due_ = std::make_unique<Wakeup>(engine_thread_.context().get_executor());
  places_due_ = std::make_unique<Wakeup>(engine_thread_.context().get_executor());
  catalogue_due_ = std::make_unique<Wakeup>(engine_thread_.context().get_executor());
}

void NodeImpl::build_server() {
  http::ServerOptions options;
  options.host = config_.host;
  options.port = static_cast<std::uint16_t>(config_.port);
  if (config_.role == "worker") options.threads = 1;
  else options.threads = config_.threads != 0 ? config_.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.cors_origins = split(config_.cors_allow_origin, ';');
  // What scripts of other sites may read: those of resumable uploads most of all.
  options.cors_expose = {"Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata", "Upload-Concat", "Tus-Resumable", "Tus-Version", "Tus-Extension",
                         "Tus-Max-Size", "Tus-Checksum-Algorithm", "ETag", "Content-Disposition", "Retry-After", "X-Request-Id",
                         "Idempotency-Replayed"};
  options.tls_certificate = config_.tls_certificate;
  options.tls_key = config_.tls_key;

  api::Parts parts{.tasks = *tasks_, .batches = *batches_, .files = *files_, .database = *workspace_.database, .hub = hub_,
                   .catalogue = catalogue_->holder(), .accounts = *accounts_, .health = health_, .identity = *identity_, .clock = clock_,
                   .engine = *engine_, .depot = *depot_, .sealer = *sealer_};
  parts.info.version = kVersion;
  parts.info.sandbox = config_.sandbox;
  parts.info.public_url = without_slash(config_.public_url);
  parts.uploads = uploads_.get();
  parts.catalogue_changed = [this] { return catalogue_->refresh(); };
  http::Router router;
  if (config_.role == "worker") api::add_worker_routes(router, std::move(parts));
  else api::add_routes(router, std::move(parts));
  server_ = std::make_unique<http::Server>(options, std::move(router), api::render_error);
}

void NodeImpl::start() {
  hub_.relay_to([this](const std::string& user) { neighbours_->tell_news(user); });
  engine_thread_.start();
  boost::asio::post(engine_thread_.context(), [this] {
    engine_->start();
    depot_->start();
    upkeep_->spawn("the places in the line",
                   tasks::tell_places(*upkeep_, *places_due_, *workspace_.database, hub_, *waiting_));
    upkeep_->spawn("the catalogue", keep_in_step(*upkeep_, *catalogue_due_, *catalogue_));
    upkeep_->spawn("the upkeep",
                   keep_up(*upkeep_, *upkeep_due_, *uploads_,
                           {*workspace_.database, *identity_, clock_, node_id_, config_.data_dir + "/archive"}));
  });
  server_->start();
  neighbours_->listen(hub_, progress_, *engine_);
  running_ = true;
  announce();
}

// Scripts that start a server on any free port find it here.
void NodeImpl::announce() const {
  std::filesystem::path file = std::filesystem::path(config_.data_dir) / "fluxgate.port";
  std::ofstream(file.string() + ".new") << port() << '\n';
  std::filesystem::rename(file.string() + ".new", file);
  log::info("Fluxgate {} listens on http://{}:{}", kVersion, config_.host, port());
  if (config_.sandbox) log::info("SANDBOX: pictures are made by the built-in emulator; no real provider is contacted");
  else if (config_.fal_key.empty()) log::info("upstream keys come from the database; none is taken from the environment");
}

void NodeImpl::stop() {
  if (!running_) {
    engine_thread_.join();
    return;
  }
  running_ = false;
  draining_ = true;
  log::info("stopping: requests in flight get {} s", config_.drain_s);
  server_->drain();
  uploads_->stop();
  auto grace = milliseconds(config_.drain_s * 1000 / 2);
  auto stopped = boost::asio::co_spawn(engine_thread_.context(), engine_->stop(grace), boost::asio::use_future);
  boost::asio::post(engine_thread_.context(), [this] {
    upkeep_->stop();
    depot_->stop();
    upkeep_due_->notify();
    places_due_->notify();
    catalogue_due_->notify();
  });
  server_->stop(milliseconds(config_.drain_s * 1000));
  stopped.wait();
  // Flights that outlasted their grace still hold it: their calls end now, and the thread with them.
  boost::asio::post(engine_thread_.context(), [this] { client_->close(); });
  engine_thread_.join();
  identity_->stop();
  if (sandbox_) sandbox_->stop();
  workspace_.database->stop();
  log::info("stopped");
}

}  // namespace

Result<std::unique_ptr<Node>> Node::build(const Config& config) {
  auto node = std::make_unique<NodeImpl>(config);
  FLUX_CHECK(node->build());
  return node;
}

}  // namespace fluxgate::app
