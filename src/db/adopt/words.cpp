#include "db/adopt/words.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace fluxgate::db::adopt {
namespace {

struct Word {
  std::string_view word;
  Ended ended;
};
constexpr Word kWords[] = {
    {"success", Ended::succeeded},   {"succeed", Ended::succeeded},  {"succeeded", Ended::succeeded},
    {"completed", Ended::succeeded}, {"done", Ended::succeeded},     {"finished", Ended::succeeded},
    {"failed", Ended::failed},       {"failure", Ended::failed},     {"fail", Ended::failed},
    {"error", Ended::failed},        {"cancel", Ended::cancelled},   {"cancelled", Ended::cancelled},
    {"canceled", Ended::cancelled},
};

}  // namespace

Ended ended_by(std::string_view status) {
  std::string word(status);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* found = std::ranges::find(kWords, std::string_view(word), &Word::word);
  return found == std::end(kWords) ? Ended::unfinished : found->ended;
}

}  // namespace fluxgate::db::adopt
