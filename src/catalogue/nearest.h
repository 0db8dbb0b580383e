// Which known word somebody probably meant, for refusals that help.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::catalogue {

// The known word with the fewest typing slips (a letter changed, missing, too many, or two swapped), at most
// half of the word's length; else one of whose parts the word is ("steps" → "num_inference_steps"); "" when
// none is near. Longer than 100 bytes is never near: the cost stays bounded whatever a client sends.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace fluxgate::catalogue
