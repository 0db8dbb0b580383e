// Input images that come inside the request. They are looked at once, when the request arrives, and
// replaced by a short note of what was found, so that the journal stays small.
#pragma once

#include <optional>
#include <string_view>

#include <boost/json.hpp>

#include "sandbox/input.h"

namespace fluxgate::sandbox {

// Replaces every data URI in the value, at any depth.
void replace_data_uris(boost::json::value& value);

// What the note of a replaced data URI says; nullopt for other links.
std::optional<ImageProbe> read_data_uri_note(std::string_view link);

}  // namespace fluxgate::sandbox
