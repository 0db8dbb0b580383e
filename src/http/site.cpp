#include "http/site.h"

#include "base/clock.h"
#include "base/crypto.h"

namespace fluxgate::http {

Lane::Lane(Site& site) : site_(site), id_prefix_(crypto::random_hex(8) + "-") {}

std::string_view Lane::date_line() {
  const std::time_t now = std::time(nullptr);
  if (now != second_) {
    second_ = now;
    date_line_ = "Date: " + http_date(static_cast<Millis>(now) * 1000) + "\r\n";
  }
  return date_line_;
}

void Lane::make_id(std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char counted[8];
  std::uint64_t rest = ++ids_;
  for (std::size_t i = sizeof counted; i-- > 0; rest >>= 4) counted[i] = kDigits[rest & 15];
  out.assign(id_prefix_).append(counted, sizeof counted);
}

}  // namespace fluxgate::http
