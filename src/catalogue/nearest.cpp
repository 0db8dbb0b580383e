#include "catalogue/nearest.h"

#include <algorithm>
#include <array>

namespace fluxgate::catalogue {
namespace {

constexpr std::size_t kLongest = 100;
constexpr std::size_t kShortestPart = 3;

// Optimal string alignment: Damerau-Levenshtein in which no pair is edited twice. Three rows are kept, since
// a swap looks two rows back.
std::size_t slips(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kLongest + 1>;
  Row before{}, last{}, now{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = last;
    last = now;
  }
  return last[b.size()];
}

// "steps" is a part of "num_inference_steps", "mage" none of "image_url".
bool is_part(std::string_view word, std::string_view of) {
  const auto ends_part = [&](std::size_t at) { return at == of.size() || of[at] == '_' || of[at] == '/'; };
  for (auto at = of.find(word); at != std::string_view::npos; at = of.find(word, at + 1))
    if ((at == 0 || ends_part(at - 1)) && ends_part(at + word.size())) return true;
  return false;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kLongest) return "";
  std::string_view best;
  std::size_t fewest = word.size() / 2 + 1;
  for (const std::string& candidate : known) {
    if (candidate.size() > kLongest) continue;
    const std::size_t count = slips(word, candidate);
    if (count < fewest) fewest = count, best = candidate;
  }
  if (best.empty() && word.size() >= kShortestPart)
    for (const std::string& candidate : known)
      if (best.empty() && is_part(word, candidate)) best = candidate;
  return std::string(best);
}

}  // namespace fluxgate::catalogue
