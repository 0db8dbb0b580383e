#include "world.h"

#include <fmt/format.h>

#include "base/crypto.h"

namespace fluxgate::simulation {

namespace json = boost::json;
using providers::Decision;
using providers::Intent;

void SimDatabase::enqueue_write(std::shared_ptr<db::Job> job) {
  std::exception_ptr error;
  db::Tx& tx = connection_;
  try {
    tx.exec("BEGIN IMMEDIATE");
    if (job->run(connection_)) {
      if (fail_commit()) throw db::Failure("database or disk is full");
      tx.exec("COMMIT");
      ++commits;
    } else {
      connection_.rollback();
    }
  } catch (...) {
    error = std::current_exception();
    connection_.rollback();
  }
  job->finish(error);
}

// ---- the upstream ----

awaitable<net::Reply> SimUpstream::call(HttpRequest request, net::CallOptions options) {
  Millis latency = 20 + static_cast<Millis>(random_() % 200);
  if (chance(weather_.stall)) latency += 60'000;
  net::Reply reply = answer(request);
  auto executor = co_await boost::asio::this_coro::executor;
  co_await boost::asio::async_initiate<decltype(use_awaitable), void()>(
      [&](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        pending_.emplace(clock_.now_ms() + latency, [shared, executor] {
          boost::asio::post(executor, [shared] { std::move (*shared)(); });
        });
      },
      use_awaitable);
  if (reply && reply->status == 200 && options.sink && !options.sink(reply->body))
    co_return std::unexpected(net::Failure{net::Failure::Kind::sink, net::Failure::Sent::maybe, "sink"});
  co_return reply;
}

void SimUpstream::deliver_due() {
  while (!pending_.empty() && pending_.begin()->first <= clock_.now_ms()) {
    auto resume = std::move(pending_.begin()->second);
    pending_.erase(pending_.begin());
    resume();
  }
}

net::Reply SimUpstream::submit(const HttpRequest& request) {
  using Sent = net::Failure::Sent;
  using Kind = net::Failure::Kind;
  if (chance(weather_.no_connection)) return std::unexpected(net::Failure{Kind::connect, Sent::no, "refused"});
  if (chance(weather_.refuse)) return HttpResponse{503, {}, "busy"};
  if (chance(weather_.lost_before)) return std::unexpected(net::Failure{Kind::closed, Sent::maybe, "reset"});
  std::string id = fmt::format("job{}", next_job_++);
  UpstreamJob job;
  job.task_id = request.body;
  job.finishes_at = clock_.now_ms() + 500 + static_cast<Millis>(random_() % 20'000);
  job.fails = chance(weather_.fail_job);
  ++accepted_per_task[request.body];
  jobs[id] = job;
  if (chance(weather_.lost_after)) return std::unexpected(net::Failure{Kind::closed, Sent::maybe, "reset"});
  return HttpResponse{200, {}, id};
}

net::Reply SimUpstream::answer(const HttpRequest& request) {
  std::string path = request.url.substr(std::string("http://sim").size());
  if (request.method == "POST") return submit(request);
  if (path.starts_with("/file/")) {
    if (chance(weather_.bad_download)) return HttpResponse{404, {}, ""};
    return HttpResponse{200, {}, "picture " + path};
  }
  if (chance(weather_.status_error)) return HttpResponse{500, {}, ""};
  auto job = jobs.find(path.substr(path.rfind('/') + 1));
  if (job == jobs.end()) return HttpResponse{404, {}, ""};
  if (chance(weather_.forget)) jobs.erase(job);
  else if (request.method == "PUT") job->second.cancelled = clock_.now_ms() < job->second.finishes_at;
  else if (job->second.cancelled) return HttpResponse{200, {}, "cancelled"};
  else if (clock_.now_ms() < job->second.finishes_at) return HttpResponse{200, {}, "working"};
  else return HttpResponse{200, {}, job->second.fails ? "failed" : "done " + job->first};
  return HttpResponse{202, {}, ""};
}

// ---- its adapter ----

providers::Outcome SimAdapter::next(Intent intent, const providers::Job& job, const providers::Account&, const Moment&,
                                    std::string_view, const HttpResponse* response) const {
  std::string reference = job.reference.contains("id") ? std::string(job.reference.at("id").as_string()) : "";
  if (!response) {
    providers::Send send;
    send.paid = intent == Intent::submit;
    send.request.method = intent == Intent::submit ? "POST" : intent == Intent::cancel ? "PUT" : "GET";
    send.request.url = "http://sim/jobs/" + reference;
    if (intent == Intent::submit) send.request.body = std::string(job.body.at("task").as_string());
    return send;
  }
  providers::Failed failed;
  if (response->status == 503) return failed.decision = Decision::retry, failed.took = providers::Took::no, failed;
  if (response->status >= 500) return failed.decision = Decision::retry, failed;
  if (response->status == 404) return failed.decision = Decision::lost, failed;
  if (intent == Intent::submit) return providers::Accepted{{{"id", response->body}}, 0};
  if (intent == Intent::cancel) return providers::Accepted{};
  if (response->body == "working" || response->status == 202) return providers::Working{true, std::nullopt, std::nullopt};
  if (response->body == "cancelled") return failed.decision = Decision::cancelled, failed;
  if (response->body == "failed") return failed.decision = Decision::fail, failed.code = "model", failed;
  providers::Done done;
  done.outputs.push_back({.url = "http://sim/file/" + response->body.substr(5)});
  return done;
}

// ---- catalogue and files ----

namespace {

class SimModel final : public catalogue::Model {
 public:
  const std::string& id() const override { return id_; }
  const std::string& provider() const override { return provider_; }
  const std::string& kind() const override { return kind_; }
  const Text& title() const override { return text_; }
  const Text& description() const override { return text_; }
  int rev() const override { return 1; }
  const json::object& schema() const override { return schema_; }
  json::object descriptor() const override { return {}; }
  Result<catalogue::Normalised> validate(std::string_view, const json::object& input) const override {
    catalogue::Normalised normalised;
    normalised.params = input;
    return normalised;
  }
  catalogue::Quote quote(const json::object& params) const override { return quote_for(params, 1); }
  catalogue::Quote quote_for(const json::object&, int images) const override {
    return {Credits::whole(5) * images, 1, {}};
  }
  std::string upstream_path(std::string_view) const override { return "m"; }
  json::object upstream_body(std::string_view, const json::object& params, const std::vector<std::string>&) const override {
    return {{"task", params.at("prompt")}};
  }

 private:
  std::string id_ = "m", provider_ = "flux", kind_ = "text_to_image";
  Text text_;
  json::object schema_;
};

class SimCatalogue final : public catalogue::Catalogue {
 public:
  const catalogue::Model* find(std::string_view id) const override { return id == "m" ? &model_ : nullptr; }
  Result<const catalogue::Model*> require(std::string_view, std::string_view) const override { return &model_; }
  std::vector<const catalogue::Model*> models(std::string_view) const override { return {&model_}; }
  const std::string& etag() const override { return etag_; }

 private:
  SimModel model_;
  std::string etag_;
};

class SimIncoming final : public files::Incoming {
 public:
  Result<void> write(std::string_view piece) override {
    bytes_ += piece;
    return {};
  }
  awaitable<Result<files::Stored>> finish() override {
    files::Stored stored;
    stored.sha256 = crypto::sha256_hex(bytes_);
    stored.key = stored.sha256;
    stored.size = bytes_.size();
    stored.mime = "image/png";
    co_return stored;
  }

 private:
  std::string bytes_;
};

class SimFiles final : public files::Files {
 public:
  std::unique_ptr<files::Incoming> begin(files::Purpose) override { return std::make_unique<SimIncoming>(); }
  std::string link(std::string_view, std::string_view, Millis) const override { return {}; }
  Result<std::string> check_link(std::string_view, std::string_view, std::string_view, Millis) const override { return ""; }
  std::string file_id_of(std::string_view) const override { return {}; }
  void insert(db::Tx& tx, const files::FileRow& row, const files::Stored&) const override {
    tx.exec("INSERT INTO generated_files (id, user_id, filename, file_type, storage_provider, source_type, status, "
            "created_at, updated_at) VALUES ($1, $2, $3, 'image', 'local', 'flux', 'uploaded', '', '')",
            {row.id, row.user_id, row.filename});
  }
  std::optional<files::FileRow> find(db::Tx&, std::string_view, std::string_view) const override { return std::nullopt; }
  std::string path_of(std::string_view) const override { return {}; }
  awaitable<Result<std::string>> thumbnail_path(std::string_view, int) override { co_return ""; }
  awaitable<Result<std::string>> data_uri(std::string_view, std::uint64_t) override { co_return ""; }
  void sweep() override {}
};

}  // namespace

std::shared_ptr<const catalogue::Catalogue> sim_catalogue() { return std::make_shared<SimCatalogue>(); }
std::unique_ptr<files::Files> sim_files() { return std::make_unique<SimFiles>(); }

}  // namespace fluxgate::simulation
