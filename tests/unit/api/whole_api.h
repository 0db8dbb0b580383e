// Every endpoint on real parts: a database in memory's place, the built-in catalogue, an engine that is
// never started. Nothing listens.
#pragma once

#include "api/routes.h"
#include "net/http_client.h"
#include "people_fixture.h"
#include "tasks/service.h"

namespace fluxgate::api {

class WholeApiTest : public PeopleTest {
 protected:
  void SetUp() override {
    PeopleTest::SetUp();
    files::Options options;
    options.directory = (folder_ / "files").string();
    options.link_secret = std::string(32, 'k');
    files_ = files::make_files(options, clock_);
    auto loaded = catalogue::load("");
    ASSERT_TRUE(loaded.catalogue);
    catalogue_ = std::make_unique<catalogue::Holder>(loaded.catalogue);
    client_ = net::make_http_client(io_, {});
    engine_ = std::make_unique<tasks::Engine>(
        io_.get_executor(),
        tasks::EngineParts{
            *database_, *files_, *client_, hub_, *catalogue_, accounts_, health_, progress_, clock_, {}},
        tasks::EngineOptions{.node_id = "test", .hook_secret = std::string(32, 'h')});
    const tasks::ServiceParts service{*database_, *files_, hub_, *catalogue_, accounts_, progress_, clock_, *engine_, waiting_, draining_, {}};
    tasks_ = tasks::make_tasks(service);
    batches_ = tasks::make_batches(service);
    depot_ = std::make_unique<files::Depot>(io_.get_executor(), *client_, *database_, sealer_, clock_,
                                            files::DepotOptions{.directory = options.directory, .node_id = "test"});
    files_->attach(*depot_);
    router_ = http::Router();
    Parts parts{*tasks_, *batches_, *files_, *database_, hub_, *catalogue_, accounts_, health_, *identity_, clock_, *engine_, *depot_, sealer_};
    uploads_ = std::make_unique<files::Uploads>(files::UploadOptions{.directory = options.directory + "/uploads"}, *files_, *database_,
                                                clock_, *client_, io_.get_executor());
    parts.uploads = uploads_.get();
    parts.info.version = "1.2.3";
    parts.catalogue_changed = [this]() -> awaitable<void> {
      const auto settings =
          co_await database_->read([this](db::Tx& tx) { return accounts_.settings(tx, "flux"); });
      catalogue_->set(catalogue::load("", settings->model_credits).catalogue);
    };
    add_routes(router_, std::move(parts));
  }
  void TearDown() override {
    router_ = http::Router();
    uploads_.reset();
    batches_.reset();
    tasks_.reset();
    engine_.reset();
    depot_.reset();
    client_.reset();
    files_.reset();
    PeopleTest::TearDown();
  }

  boost::asio::io_context io_;
  crypto::Sealer sealer_{std::string(32, 'm')};
  tasks::AccountStore accounts_{sealer_};
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  tasks::Waiting waiting_{accounts_, clock_};
  std::atomic<bool> draining_{false};
  std::unique_ptr<files::Files> files_;
  std::unique_ptr<catalogue::Holder> catalogue_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<files::Depot> depot_;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<tasks::Tasks> tasks_;
  std::unique_ptr<tasks::Batches> batches_;
  std::unique_ptr<files::Uploads> uploads_;
};

}  // namespace fluxgate::api
