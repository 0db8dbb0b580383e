// Balances, redemption codes and payments: rows that have a key of their own (sieve.h says which of them are taken over).
#pragma once

#include <string_view>

#include "db/adopt/work.h"

namespace fluxgate::db::adopt {

// `table`: credit, redemption_code or trade_ticket.
void keyed_over(Work& work, std::string_view table);
void plan_keyed(Tx& tx, std::string_view table, Lines& lines);

}  // namespace fluxgate::db::adopt
