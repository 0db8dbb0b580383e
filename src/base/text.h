// A sentence in the product's two languages. Whoever raises an error or names a thing writes both
// beside each other; the edge that talks to a person picks one.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate {

enum class Language { en, zh };

struct Text {
  std::string en;
  std::string zh;

  const std::string& in(Language language) const {
    return language == Language::zh && !zh.empty() ? zh : en;
  }
  bool operator==(const Text&) const = default;
};

// The best of the two languages for an Accept-Language header (RFC 9110 §12.5.4). English when the
// header is empty or names neither.
Language preferred_language(std::string_view accept_language);

}  // namespace fluxgate
