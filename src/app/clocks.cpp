#include "app/clocks.h"

#include <boost/asio/ip/host_name.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "db/turns.h"
#include "notify/alerts.h"

namespace fluxgate::app {

awaitable<void> compare_clocks(db::Database& database, const Clock& clock, std::optional<bool>& told) {
  if (database.dialect() == db::Dialect::sqlite) co_return;
  // The database answered at some moment between these two: only what is off at both is.
  const Millis before = clock.now_ms();
  const Millis shared = co_await database.read([](db::Tx& tx) { return db::shared_now(tx, 0); });
  const Millis after = clock.now_ms();
  const Millis ahead = before - shared, behind = shared - after;
  const bool off = std::max(ahead, behind) > kClockOff;
  if (told == off) co_return;
  const std::string machine = boost::asio::ip::host_name();
  const Millis seconds = std::max(ahead, behind) / 1000;
  const Text words{fmt::format("The clock of {} is {} s {} the database's. From 60 s on other nodes refuse the sign-ins of the one that is "
                               "ahead: set the clocks of all machines by NTP.", machine, seconds, ahead > behind ? "ahead of" : "behind"),
                   fmt::format("{} 的时钟比数据库{} {} 秒；相差 60 秒以上时，其他节点会拒绝时钟较快者签发的登录凭证：请用 NTP 为所有机器校时。", machine,
                               ahead > behind ? "快" : "慢", seconds)};
  co_await database.write([id = new_id(after), machine, off, words, after](db::Tx& tx) {
    if (off) notify::raise(tx, id, "clock_off", machine, words, after);
    else notify::resolve(tx, "clock_off", machine, after);
  });
  if (off) log::warn("{}", words.en);
  else if (told) log::info("the clock of this machine is right again");
  told = off;
}

}  // namespace fluxgate::app
