#include "sandbox/cos_faults.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "sandbox/cos_documents.h"
#include "sandbox/cos_operations.h"

namespace fluxgate::sandbox::cos {
namespace {

constexpr std::string_view kOtherFaults[] = {"lost", "reset", "hang", "truncated", "damaged"};

}  // namespace

void CosFaults::add(std::string_view text) {
  Fault fault;
  const std::size_t dash = std::min(text.find('-'), text.size()), options = std::min(text.find(';'), text.size());
  fault.operation = text.substr(0, dash);
  fault.what = dash < options ? text.substr(dash + 1, options - dash - 1) : std::string_view();
  const auto number = [&](std::string_view name, int& into) {
    const std::size_t at = text.find(name);
    if (at != text.npos) std::from_chars(text.data() + at + name.size(), text.data() + text.size(), into);
  };
  number(";times=", fault.times);
  number(";after=", fault.after);
  const bool known_operation = fault.operation == "any" || is_operation(fault.operation);
  const std::string_view word = std::string_view(fault.what).substr(fault.what.starts_with("200-") ? 4 : 0);
  const bool known_what = std::ranges::count(kOtherFaults, fault.what) > 0 || status_of(word);
  if (!known_operation || !known_what)
    throw std::invalid_argument(fmt::format("there is no COS fault \"{}\"", text));
  const std::scoped_lock lock(mutex_);
  faults_.push_back(std::move(fault));
}

std::string CosFaults::due(std::string_view operation) {
  const std::scoped_lock lock(mutex_);
  for (Fault& fault : faults_) {
    if ((fault.operation != operation && fault.operation != "any") || fault.times == 0) continue;
    if (fault.after > 0) {
      --fault.after;
      continue;
    }
    if (fault.times > 0) --fault.times;
    return fault.what;
  }
  return {};
}

}  // namespace fluxgate::sandbox::cos
