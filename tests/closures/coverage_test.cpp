// No write closure of the product without a test here: the lines of src/ that give one are looked up, and when the
// whole program has run, each must have failed at its statements and run beside sixty-three others, on both engines.
// A part of the tests (--gtest_filter) proves nothing of that and is not asked.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "register.h"
#include "test_paths.h"

namespace fluxgate::closures {
namespace {

namespace fs = std::filesystem;

struct Exempt {
  std::string_view where;
  std::string_view why;
};
// Not asked to run sixty-four times at once.
constexpr Exempt kAlone[] = {
    {"src/identity/console.cpp", "given by one person at a command line"},
};
// Not asked at all.
constexpr Exempt kNever[] = {
    {"src/app/commands/", "given by one person at a command line, who sees the error; what is inside is given elsewhere, too"},
    {"src/app/common_secrets.cpp", "given by one process before it begins to serve, in turns; tests/integration has them meet"},
    {"src/app/workspace.cpp", "given by one process before it begins to serve, which does not begin when it fails"},
    {"src/db/postgresql_care.cpp", "runs the one closure of `fluxgate db repair`, given by one person at a command line"},
};
// Not asked on SQLite.
constexpr Exempt kShared[] = {
    {"src/app/clocks.cpp", "for nodes whose clock is not the database's"},
    {"src/files/folder.cpp", "for nodes that may have folders of their own"},
    {"src/files/depot.cpp", "for nodes that may have folders of their own"},
};

template <std::size_t N>
void leave_out(std::set<std::string>& lines, const Exempt (&list)[N]) {
  for (const Exempt& exempt : list)
    EXPECT_NE(std::erase_if(lines, [&](const auto& line) { return line.starts_with(exempt.where); }), 0u) << exempt.where << " gives none";
}

// "src/tasks/submit.cpp:117" of every closure given to Database::write or write_now: to something called database, or
// as a lambda to whatever it is called.
std::set<std::string> lines_that_give() {
  static const std::regex call(R"(\b(database|database_|database\(\))(\.|->)write(_now)?\(|(\.|->)write_now\(|(\.|->)write\(($|\[))");
  const fs::path root(FLUXGATE_SOURCE_DIR);
  std::set<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(root / "src")) {
    const std::string path = entry.path().lexically_relative(root).string();
    if (!path.ends_with(".cpp") && !path.ends_with(".h")) continue;
    if (path.starts_with("src/http/")) continue;  // it knows no database; what it writes are bytes
    std::ifstream in(entry.path());
    std::string line;
    for (int n = 1; std::getline(in, line); ++n)
      if (std::regex_search(line, call) && line.find("//") == std::string::npos)
        lines.insert(fmt::format("{}:{}", path, n));
  }
  return lines;
}

// Those of `lines` that are not in `been`.
std::string missing(const std::set<std::string>& lines, const std::set<std::string>& been) {
  std::string text;
  for (const std::string& line : lines)
    if (!been.contains(line)) text += "\n  " + line;
  return text;
}

class Coverage final : public testing::Environment {
 public:
  void TearDown() override {
    const auto& all = *testing::UnitTest::GetInstance();
    if (all.test_to_run_count() != all.total_test_count() || all.failed_test_count() != 0) return;
    const auto lines = lines_that_give();
    for (const auto engine : {db::Dialect::sqlite, db::Dialect::postgresql}) {
      const Seen been = seen(engine);
      const char* name = engine == db::Dialect::sqlite ? "SQLite" : "PostgreSQL";
      auto asked = lines;
      leave_out(asked, kNever);
      if (engine == db::Dialect::sqlite) leave_out(asked, kShared);
      EXPECT_EQ(missing(asked, been.failed), "") << "never failed at a statement, on " << name;
      leave_out(asked, kAlone);
      EXPECT_EQ(missing(asked, been.together), "") << "never ran sixty-four times at once, on " << name;
      auto given = been.failed;
      given.insert(been.together.begin(), been.together.end());
      std::erase_if(given, [](const auto& place) { return place.find("tests/") != std::string::npos; });
      EXPECT_EQ(missing(given, lines), "") << "gave a closure and was not found in the sources: widen the search above";
    }
  }
};

const auto* const coverage = testing::AddGlobalTestEnvironment(new Coverage);

}  // namespace
}  // namespace fluxgate::closures
