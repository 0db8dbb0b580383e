// Small databases as the Python fork and Open WebUI leave them (tests/fixtures/seed).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::test {

struct SeedVariant {
  const char* tag;                    // of spec/seed-db.md §2; N = the newer Open WebUI of its §2.1
  const char* name;                   // for test names
  std::vector<const char*> scripts;   // in this order
  bool sqlite_only = false;           // has values that PostgreSQL's types refuse
};
const std::vector<SeedVariant>& seed_variants();
const SeedVariant& seed_variant(std::string_view tag);

// The statements of tests/fixtures/seed/<script>.sql below the repository's root. For PostgreSQL in its words.
enum class SeedDialect { sqlite, postgresql };
std::vector<std::string> seed_statements(const std::string& root, const std::string& script, SeedDialect dialect);
std::vector<std::string> seed_statements(const std::string& root, const SeedVariant& variant, SeedDialect dialect);

// Open WebUI's migrations from mid-2025 to mid-2026, one after the other (spec/seed-db.md §2.1).
std::vector<std::vector<std::string>> open_webui_upgrade(const std::string& root, SeedDialect dialect);

inline constexpr std::string_view kSeedAdmin = "11111111-1111-4111-8111-111111111111";
inline constexpr std::string_view kSeedMember = "22222222-2222-4222-8222-222222222222";
inline constexpr std::string_view kSeedKey = "sk-0123456789abcdef0123456789abcdef";

}  // namespace fluxgate::test
