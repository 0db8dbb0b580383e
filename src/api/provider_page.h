// What every signed-in page asks for again and again about one provider: can it be used, and which models
// does it have. Both are answered from memory; the settings behind them are read again after a second at
// most (another node may have changed them), and at once after a change here.
//
// Thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "api/routes.h"

namespace fluxgate::api {

// The models as the original listed them, with what a form needs beside the schema.
boost::json::array models_json(const catalogue::Catalogue& catalogue, std::string_view provider,
                               Language language);

class ProviderPage {
 public:
  // What `parts` refers to outlives this.
  ProviderPage(const Parts& parts, std::string provider);

  // Whether members may submit now, else why not (AccountStore::usable).
  awaitable<Result<void>> usable();
  // {"models": […], "enabled": …} with an ETag, shared between all who ask.
  http::Response models(bool enabled, Language language);
  void forget();

 private:
  struct Body {
    std::string etag;
    std::shared_ptr<const std::string> text;
  };

  db::Database& database_;
  const tasks::AccountStore& accounts_;
  const catalogue::Holder& catalogue_;
  const Clock& clock_;
  const std::string provider_;

  std::mutex mutex_;
  Millis usable_until_ = 0;  // under mutex_, like all that follows
  std::optional<Error> refusal_;
  std::array<std::array<Body, 2>, 2> bodies_;  // by enabled, by language
};

}  // namespace fluxgate::api
