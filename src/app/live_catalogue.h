// The catalogue in force: the descriptors, those of DATA_DIR/catalogue among them, with the prices an administrator
// set. Kept in step with both while the server runs, since another node or a person may change them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "base/coro.h"
#include "base/result.h"
#include "catalogue/holder.h"
#include "db/database.h"
#include "tasks/accounts.h"

namespace fluxgate::app {

class LiveCatalogue {
 public:
  // `folder`: of the installation's own descriptors; it may be missing.
  LiveCatalogue(db::Database& database, const tasks::AccountStore& accounts, std::string folder)
      : database_(database), accounts_(accounts), folder_(std::move(folder)) {}

  // At start; blocks. Names the first problem.
  Result<void> load();
  const catalogue::Holder& holder() const { return *holder_; }

  // Looks whether prices or files are others by now and takes them over. Descriptors that cannot be used are logged
  // once and change nothing. From any coroutine.
  awaitable<void> refresh();

 private:
  struct Prices {
    std::map<std::string, Credits> of;  // by model
    std::int64_t rev = 0;               // of the settings they stand in
  };
  // Path, size and last change of each file.
  using Files = std::vector<std::tuple<std::string, std::uintmax_t, std::filesystem::file_time_type>>;

  Prices read_prices(db::Tx& tx) const;
  Files look_at_files() const;

  db::Database& database_;
  const tasks::AccountStore& accounts_;
  const std::string folder_;
  std::unique_ptr<catalogue::Holder> holder_;
  std::mutex mutex_;  // guards what was looked at last
  Prices prices_;
  Files files_;
};

// Refreshes every two seconds until `group` stops; `due` cuts its waits short then.
awaitable<void> keep_in_step(CoroGroup& group, Wakeup& due, LiveCatalogue& catalogue);

}  // namespace fluxgate::app
