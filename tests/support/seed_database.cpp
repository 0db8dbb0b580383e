#include "support/seed_database.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace fluxgate::test {

const std::vector<SeedVariant>& seed_variants() {
  static const std::vector<SeedVariant> all = {
      {"A", "Head", {"base", "credit", "media"}},
      {"B", "SeedDocument", {"base", "credit", "media", "media-seed"}},
      {"B'", "Between", {"base", "credit", "media", "media-between"}},
      {"C", "August18", {"base", "credit", "media", "media-august"}},
      {"D", "RepairedEmpty", {"base-early", "base-stuck", "repair-shared", "repair-media", "fallback", "awkward"}, true},
      {"E", "RepairedOlder", {"base", "no-phone", "credit", "repair-media", "older"}},
      {"F", "Orm", {"base-orm", "credit-orm", "media", "media-orm"}},
      {"G", "HelperScripts", {"base", "credit", "media", "media-scripts"}},
      {"H", "BeforeTheChain", {"base-early", "fallback-shared", "fallback-tasks", "fallback"}},
      {"U", "WithoutCredit", {"base", "redemption", "media"}},
      {"M", "May", {"base", "no-phone", "credit", "may", "fallback-tasks", "fallback"}},
      {"O", "OpenWebui", {"base", "no-phone", "plain"}},
      {"N", "OpenWebui2026", {"base-new"}},
  };
  return all;
}

const SeedVariant& seed_variant(std::string_view tag) {
  const auto found = std::ranges::find(seed_variants(), tag, [](const SeedVariant& variant) { return std::string_view(variant.tag); });
  if (found == seed_variants().end()) throw std::runtime_error("no such variant");
  return *found;
}

std::vector<std::string> seed_statements(const std::string& root, const std::string& script, SeedDialect dialect) {
  std::ifstream file(root + "/tests/fixtures/seed/" + script + ".sql");
  if (!file) throw std::runtime_error("no fixture " + script);
  std::vector<std::string> statements;
  std::string statement;
  for (std::string line; std::getline(file, line);) {
    statement += line + "\n";
    if (!line.ends_with(';')) continue;
    if (dialect == SeedDialect::postgresql && statement.starts_with("CREATE TABLE"))
      for (auto at = statement.find("DATETIME"); at != std::string::npos; at = statement.find("DATETIME"))
        statement.replace(at, 8, "TIMESTAMP");
    statements.push_back(std::move(statement));
    statement.clear();
  }
  return statements;
}

std::vector<std::string> seed_statements(const std::string& root, const SeedVariant& variant, SeedDialect dialect) {
  std::vector<std::string> statements;
  for (const char* script : variant.scripts)
    for (std::string& statement : seed_statements(root, script, dialect)) statements.push_back(std::move(statement));
  return statements;
}

std::vector<std::vector<std::string>> open_webui_upgrade(const std::string& root, SeedDialect dialect) {
  const char* own = dialect == SeedDialect::sqlite ? "upgrade-sqlite" : "upgrade-postgresql";
  std::vector<std::vector<std::string>> steps;
  for (std::string& statement : seed_statements(root, {"", "", {"upgrade", own, "upgrade-config"}}, dialect)) {
    if (statement.starts_with("--")) steps.emplace_back();  // the revision's number
    steps.back().push_back(std::move(statement));
  }
  return steps;
}

}  // namespace fluxgate::test
