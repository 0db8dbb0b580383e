// What a row of the fork's credit_log says (spec/seed-db.md §10.5, §16.3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace fluxgate::db::adopt {

struct LogDetail {
  std::string desc;
  std::optional<std::int64_t> amount;  // thousandths; negative takes. Absent where the entry does not tell.
  bool refund = false;                 // gives back what was taken before
  std::string service, task_id;        // "" where it names none; service: a provider of ours
};
LogDetail read_detail(const boost::json::value& detail);

// The ledger's word for an imported entry: capture, redeem, grant or adjust. Never hold or release: the fork had none.
std::string_view entry_kind(std::string_view desc, std::int64_t amount);

}  // namespace fluxgate::db::adopt
