// What a request to the fake COS bucket asks for (spec storage-cos §2, §4, §5), as a table.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sandbox/cos_auth.h"

namespace fluxgate::sandbox::cos {

struct Operation {
  std::string_view name;    // "put", "part" …
  std::string_view action;  // the permission it needs
  std::string key;          // "" = the bucket
};

// `method` in lower case. Nullopt = there is no such operation.
std::optional<Operation> operation_of(std::string_view method, const Target& target);
bool is_operation(std::string_view name);

// The way a picture is to be processed: a parameter without a value, whose name is all of it. "" = not at all.
std::string processing_of(const Target& target);

}  // namespace fluxgate::sandbox::cos
