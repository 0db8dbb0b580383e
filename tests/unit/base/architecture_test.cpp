// The house rules that a program can check: who may include whom, how long files and functions may be, words
// that must not stand in the code, where SQL may stand. docs/architecture.md says why. A failure names the
// line.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "test_paths.h"

namespace fluxgate {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = FLUXGATE_SOURCE_DIR;

struct SourceFile {
  std::string name;    // from the repository's root
  std::string folder;  // of src/, "" for main.cpp and for what is not in src/
  std::vector<std::string> lines;
};

std::vector<std::string> read_lines(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool is_source(const fs::path& path) { return path.extension() == ".cpp" || path.extension() == ".h"; }

std::vector<SourceFile> read_tree(const fs::path& top) {
  std::vector<SourceFile> files;
  if (!fs::exists(kRoot / top)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    fs::path name = entry.path().lexically_relative(kRoot);
    fs::path inside = name.lexically_relative("src");
    bool in_folder = top == "src" && inside.has_parent_path();
    files.push_back({name.string(), in_folder ? inside.begin()->string() : "", read_lines(entry.path())});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

const std::vector<SourceFile>& sources() {
  static const std::vector<SourceFile> files = read_tree("src");
  return files;
}

const std::vector<SourceFile>& all_files() {
  static const std::vector<SourceFile> files = [] {
    std::vector<SourceFile> list = sources();
    for (const char* top : {"tests", "bench"})
      for (auto& file : read_tree(top)) list.push_back(std::move(file));
    return list;
  }();
  return files;
}

std::string place(const SourceFile& file, std::size_t index) {
  return file.name + ":" + std::to_string(index + 1) + ": " + file.lines[index];
}

// What each folder links, directly: `flux_library(tasks LINK flux_catalogue …)` in src/CMakeLists.txt.
std::map<std::string, std::set<std::string>> links() {
  std::map<std::string, std::set<std::string>> result;
  const std::regex library(R"(^flux_library\((\w+) LINK(.*))"), name(R"(flux_(\w+))");
  auto lines = read_lines(kRoot / "src/CMakeLists.txt");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch found;
    if (!std::regex_search(lines[i], found, library)) continue;
    std::string folder = found[1], list = found[2];
    while (list.find(')') == std::string::npos && i + 1 < lines.size()) list += lines[++i];
    auto& linked = result[folder];
    for (std::sregex_iterator at(list.begin(), list.end(), name), end; at != end; ++at)
      linked.insert((*at)[1]);
  }
  return result;
}

void add_reachable(const std::map<std::string, std::set<std::string>>& direct, const std::string& folder,
                   std::set<std::string>& reached) {
  if (!reached.insert(folder).second) return;
  auto found = direct.find(folder);
  if (found == direct.end()) return;
  for (const auto& next : found->second) add_reachable(direct, next, reached);
}

// Calls `judge(included folder, place)` for each include of another file of src/.
template <class Judge>
void for_each_include(const SourceFile& file, const Judge& judge) {
  static const std::regex include(R"(^#include "(\w+)/)");
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    std::smatch found;
    if (!file.lines[i].starts_with("#include")) continue;
    if (std::regex_search(file.lines[i], found, include)) judge(found[1].str(), place(file, i));
  }
}

TEST(Architecture, FoldersIncludeOnlyWhatTheyLink) {
  const auto direct = links();
  ASSERT_GE(direct.size(), 10u);
  std::size_t includes = 0;
  for (const auto& file : sources()) {
    if (file.folder.empty()) continue;
    ASSERT_TRUE(direct.contains(file.folder)) << file.folder << " is no library of src/CMakeLists.txt";
    std::set<std::string> allowed;
    add_reachable(direct, file.folder, allowed);
    for_each_include(file, [&](const std::string& included, const std::string& where) {
      EXPECT_TRUE(allowed.contains(included)) << where;
      ++includes;
    });
  }
  EXPECT_GT(includes, 300u) << "this test does not see the includes";
}

// Whatever the link lists say (DESIGN §3): the domain knows nothing of HTTP, adapters do no I/O, the sandbox
// is written from the specs and not from the adapters, and what stands below knows nothing of what stands
// above.
TEST(Architecture, SomeFoldersNeverMeet) {
  const std::set<std::string> domain{"tasks",    "catalogue", "credits", "files",
                                     "identity", "notify",    "stats",   "collab"};
  std::map<std::string, std::set<std::string>> never{
      {"providers", {"db", "net", "http", "tasks", "api", "app", "sandbox"}},
      {"sandbox", {"providers", "tasks", "catalogue", "api", "app", "db"}},
      {"http", {"db", "net", "api", "app", "tasks", "identity"}},
      {"net", {"db", "http", "api", "app", "tasks"}},
      {"db", {"net", "http", "api", "app", "tasks"}},
  };
  for (const auto& folder : domain) never[folder] = {"http", "api", "app", "sandbox"};
  for (const auto& file : sources())
    for_each_include(file, [&](const std::string& included, const std::string& where) {
      if (never.contains(file.folder)) EXPECT_FALSE(never[file.folder].contains(included)) << where;
      if (file.folder == "base") EXPECT_EQ(included, "base") << where;
    });
}

TEST(Architecture, FoldersSayWhatLivesInThem) {
  std::set<std::string> folders;
  for (const auto& file : sources())
    if (!file.folder.empty()) folders.insert(file.folder);
  for (const auto& folder : folders) {
    auto lines = read_lines(kRoot / "src" / folder / "README.md");
    EXPECT_FALSE(lines.empty()) << "src/" << folder << " has no README.md";
    EXPECT_LE(lines.size(), 40u) << "src/" << folder << "/README.md";
  }
}

TEST(Architecture, FilesStayReadable) {
  constexpr std::size_t kLinesMax = 600;  // their layout is scripts/format's concern
  for (const auto& file : all_files())
    EXPECT_LE(file.lines.size(), kLinesMax) << file.name << " has too many lines; split it by concern";
}

// git and most editors show a missing last line break as a change of the last line.
TEST(Architecture, FilesEndWithALineBreak) {
  for (const auto& file : all_files()) {
    std::ifstream in(kRoot / file.name, std::ios::binary | std::ios::ate);
    ASSERT_GT(in.tellg(), 0) << file.name << " is empty";
    in.seekg(-1, std::ios::end);
    EXPECT_EQ(in.get(), '\n') << file.name;
  }
}

// A function outside of classes starts in the first column and ends with a brace there. Tables of data may be
// longer.
TEST(Architecture, FunctionsFitOnAScreen) {
  constexpr std::size_t kLinesMax = 70;
  const std::set<std::string> data{"src/db/tables.cpp"};
  std::size_t functions = 0;
  for (const auto& file : sources()) {
    std::size_t start = 0;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line == "}") {
        ++functions;
        if (!data.contains(file.name)) EXPECT_LE(i - start, kLinesMax) << place(file, start);
      }
      if (!line.empty() && std::string_view(" }#/)").find(line[0]) == std::string_view::npos) start = i;
    }
  }
  EXPECT_GT(functions, 500u) << "this test does not see the functions";
}

TEST(Architecture, HeadersAreGuardedAndOpenNoNamespace) {
  for (const auto& file : all_files()) {
    if (!file.name.ends_with(".h")) continue;
    auto is = [&](std::string_view text) { return [text](const std::string& line) { return line == text; }; };
    EXPECT_TRUE(std::any_of(file.lines.begin(), file.lines.end(), is("#pragma once"))) << file.name;
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(file.lines[i].starts_with("using namespace")) << place(file, i);
  }
}

// As a word of its own: "rand" is not in "operand".
bool has_word(std::string_view line, std::string_view word) {
  auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    bool begins = at == 0 || !is_name(line[at - 1]) || !is_name(word.front());
    std::size_t end = at + word.size();
    bool ends = end == line.size() || !is_name(line[end]) || !is_name(word.back());
    if (begins && ends) return true;
  }
  return false;
}

struct Banned {
  std::vector<std::string_view> words;
  std::string_view where;   // a prefix of the file's name
  std::string_view except;  // another; "" = none
  std::string_view reason;
};
const Banned kBanned[] = {
    {{"TODO", "FIXME", "HACK"}, "", "", "finish it, or write an issue"},
    {{"detached"}, "src/", "", "a coroutine belongs to a CoroGroup, a thread to its owner"},
    {{"sleep_for", "sleep_until", "usleep("}, "src/", "", "wait for the condition, by a timer or a wake-up"},
    {{"sleep_for", "sleep_until", "usleep("}, "tests/unit/", "", "wait for the condition"},
    {{"std::cout", "std::cerr", "printf("}, "src/", "src/app/", "libraries log, the command line prints"},
    {{"std::async"}, "src/", "", "a thread without an owner"},
    {{"rand(", "srand(", "strtok(", "gmtime(", "localtime("}, "src/", "", "not thread-safe"},
    {{"system_clock::now()"}, "src/", "src/base/clock.cpp", "time is injected (base/clock.h)"},
};

TEST(Architecture, SomeWordsDoNotStandInTheCode) {
  for (const auto& file : all_files()) {
    if (file.name == "tests/unit/base/architecture_test.cpp") continue;
    for (const auto& rule : kBanned) {
      if (!file.name.starts_with(rule.where)) continue;
      if (!rule.except.empty() && file.name.starts_with(rule.except)) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i)
        for (auto word : rule.words)
          EXPECT_FALSE(has_word(file.lines[i], word)) << place(file, i) << "\n  " << rule.reason;
    }
  }
}

// GCC 12 destroys temporaries twice around a co_await inside ?: (style: one per full expression, its result
// named).
TEST(Architecture, NoConditionHidesACoAwait) {
  for (const auto& file : sources())
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      auto question = line.find(" ? ");
      if (question == std::string::npos) continue;
      EXPECT_FALSE(has_word(std::string_view(line).substr(question), "co_await")) << place(file, i);
    }
}

// SQL stands beside the tables that it reads. `SELECT 1`, which names no table, asks whether there is a
// database.
TEST(Architecture, SqlStandsOnlyWhereTablesAreOwned) {
  const std::set<std::string> without{"api", "http", "net", "base", "providers", "catalogue", "sandbox"};
  auto is_sql = [](std::string_view line) {
    bool query = has_word(line, "SELECT") && has_word(line, "FROM");
    bool update = has_word(line, "UPDATE") && has_word(line, "SET");
    return query || update || has_word(line, "INSERT INTO") || has_word(line, "DELETE FROM");
  };
  for (const auto& file : sources()) {
    if (!without.contains(file.folder)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) EXPECT_FALSE(is_sql(file.lines[i])) << place(file, i);
  }
}

// The picture of the folders in the documentation is complete.
TEST(Architecture, TheDocumentationNamesEveryFolder) {
  std::string text;
  for (const auto& line : read_lines(kRoot / "docs/architecture.md")) text += line + "\n";
  for (const auto& file : sources())
    if (!file.folder.empty())
      EXPECT_NE(text.find("`src/" + file.folder + "/`"), std::string::npos) << file.folder;
}

}  // namespace
}  // namespace fluxgate
