#include "api/docs_routes.h"

#include "api/docs_page.h"
#include "api/openapi.h"
#include "base/json_text.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

// The document changes with the catalogue alone, so one text serves everybody until it does.
class Documents {
 public:
  explicit Documents(ApiPtr api) : api_(std::move(api)) {}

  http::Response document() {
    read_once();
    const auto catalogue = api_->parts.catalogue.get();
    const std::string etag = fmt::format("\"{}-{}\"", api_->parts.info.version, catalogue->etag());
    std::lock_guard lock(mutex_);
    if (etag != etag_) {
      text_ = std::make_shared<const std::string>(
          json_text(served_document(source_, *catalogue, api_->parts.info.version)));
      etag_ = etag;
    }
    return {
        200, {{"Content-Type", "application/json"}, {"ETag", etag_}, {"Cache-Control", "no-cache"}}, text_};
  }

  http::Response page() {
    read_once();
    return {200,
            {{"Content-Type", "text/html; charset=utf-8"},
             {"Cache-Control", "no-cache"},
             {"Content-Security-Policy",
              "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'"}},
            page_};
  }

 private:
  // Not at start: a server should answer its first request soon, and few ask for this.
  void read_once() {
    std::call_once(read_, [this] {
      source_ = openapi_document();
      page_ = std::make_shared<const std::string>(docs_page(source_));
    });
  }

  const ApiPtr api_;
  std::once_flag read_;
  json::object source_;  // once read, like the page
  std::shared_ptr<const std::string> page_;
  std::mutex mutex_;
  std::string etag_;  // under mutex_, like the text it belongs to
  std::shared_ptr<const std::string> text_;
};

Answer document(const std::shared_ptr<Documents>& documents) { co_return documents->document(); }
Answer page(const std::shared_ptr<Documents>& documents) { co_return documents->page(); }

}  // namespace

void add_docs_routes(http::Router& router, const ApiPtr& api) {
  const auto documents = std::make_shared<Documents>(api);
  router.get("/api/openapi.json", [documents](http::Request&) { return document(documents); });
  router.get("/api/docs", [documents](http::Request&) { return page(documents); });
}

}  // namespace fluxgate::api
