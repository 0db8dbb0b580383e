// The forms of sqlite:/// that SQLAlchemy and the original's compose file know.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/database_url.h"
#include "base/ids.h"

namespace fluxgate::app {
namespace {

namespace fs = std::filesystem;

class DatabaseFile : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    // A name that is nobody's, in the working folder and at the root of this machine alike.
    root_ = fs::temp_directory_path() / ("fluxgate-url-" + new_id());
    fs::create_directories(root_ / "cwd");
    fs::current_path(root_ / "cwd");
    relative_ = root_.string().substr(1) + "/data/webui.db";
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }
  static std::string read(const std::string& given, const std::string& data_dir = "/data") {
    Config config;
    config.data_dir = data_dir;
    config.database_url = given;
    const auto url = database_url(config);
    return url ? *url : "refused: " + url.error().message().en;
  }
  static void touch(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
  }
  fs::path absolute() const { return "/" + relative_; }
  fs::path here() const { return root_ / "cwd" / relative_; }

  fs::path before_, root_;
  std::string relative_;
};

TEST_F(DatabaseFile, WithFourSlashesIsAbsolute) {
  EXPECT_EQ(read("sqlite:////x/y.db"), "sqlite:////x/y.db");
  EXPECT_EQ(read("sqlite+pysqlite:////x/y.db?check_same_thread=false"), "sqlite:////x/y.db");
}

TEST_F(DatabaseFile, WithThreeSlashesIsRelative) {
  EXPECT_EQ(read("sqlite:///y.db"), "sqlite:///y.db");
  EXPECT_EQ(read("sqlite:///./nowhere/y.db"), "sqlite:///./nowhere/y.db") << "said outright";
  touch(here());
  EXPECT_EQ(read("sqlite:///" + relative_), "sqlite:///" + relative_);
}

TEST_F(DatabaseFile, ThatExistsAtTheAbsoluteTwinOnlyIsTheTwin) {
  touch(absolute());
  EXPECT_EQ(read("sqlite:///" + relative_), "sqlite:///" + absolute().string());
}

TEST_F(DatabaseFile, IsMadeWhereItsFolderIs) {
  fs::create_directories(absolute().parent_path());
  EXPECT_EQ(read("sqlite:///" + relative_), "sqlite:///" + absolute().string()) << "the volume of the compose file";
  fs::create_directories(here().parent_path());
  EXPECT_EQ(read("sqlite:///" + relative_), "sqlite:///" + relative_);
}

TEST_F(DatabaseFile, ThatExistsTwiceIsAsked) {
  touch(absolute());
  touch(here());
  EXPECT_NE(read("sqlite:///" + relative_).find("Both " + relative_ + " and /" + relative_ + " exist"), std::string::npos);
}

TEST_F(DatabaseFile, IsItsOwnTwinAtTheTop) {
  touch(absolute());
  fs::current_path("/");
  EXPECT_EQ(read("sqlite:///" + relative_), "sqlite:///" + absolute().string());
}

TEST_F(DatabaseFile, InNoFolderIsExplained) {
  EXPECT_NE(read("sqlite:///" + relative_).find("(four slashes)"), std::string::npos);
  EXPECT_FALSE(fs::exists(here().parent_path())) << "nothing is made silently";
}

TEST_F(DatabaseFile, ThatIsEncryptedOrNamelessIsRefused) {
  EXPECT_NE(read("sqlite+sqlcipher:///x.db").find("SQLCipher"), std::string::npos);
  for (const char* nameless : {"sqlite:///", "sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:?cache=shared"})
    EXPECT_NE(read(nameless).find("names no file"), std::string::npos) << nameless;
}

TEST_F(DatabaseFile, AsAUriOfSQLitesIsRefusedWithItsPath) {
  const auto ends = [](const std::string& given, const std::string& end) {
    const std::string said = read(given);
    EXPECT_NE(said.find("URI of SQLite's"), std::string::npos) << said;
    EXPECT_TRUE(said.ends_with(end)) << said;
  };
  ends("sqlite:///file:x.db?uri=true", "Write its path alone: sqlite:///x.db");
  ends("sqlite:///file:/srv/x.db?mode=ro&uri=true", ": sqlite:////srv/x.db");
  ends("sqlite:///file:///srv/x.db?uri=true", ": sqlite:////srv/x.db");
  ends("sqlite:///file://localhost/srv/x.db?uri=true", ": sqlite:////srv/x.db");
  EXPECT_EQ(read("sqlite:///./file:x.db"), "sqlite:///./file:x.db") << "a file that is called so";
}

TEST_F(DatabaseFile, OfTheOldestVersionsIsNotPassedOverForANewOne) {
  touch(root_ / "old" / "ollama.db");
  EXPECT_NE(read("", (root_ / "old").string()).find("ollama.db of the oldest versions"), std::string::npos);
  touch(root_ / "old" / "webui.db");
  EXPECT_EQ(read("", (root_ / "old").string()), "sqlite:///" + (root_ / "old" / "webui.db").string());
}

}  // namespace
}  // namespace fluxgate::app
