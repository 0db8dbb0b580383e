// How the fake COS bucket writes and reads: the codes of its errors and its XML (spec storage-cos §2, §8).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "sandbox/cos_shelf.h"

namespace fluxgate::sandbox::cos {

std::optional<int> status_of(std::string_view code);  // nullopt = COS has no such error

std::string element(std::string_view name, std::string_view text);
// Keys in lists, which are asked for with encoding-type=url.
std::string encoded(std::string_view key);
std::string iso(Millis time);
http::Response document(std::string_view root, std::string_view inside, int status = 200);

// `region` is where the bucket is, for those who signed for another.
http::Response refuse(std::string_view code, std::string_view message, std::string_view resource,
                      std::string_view region = {});

// The parts named by who completes an upload; what cannot be read is part 0.
std::vector<NamedEtag> read_parts(std::string_view xml);

}  // namespace fluxgate::sandbox::cos
