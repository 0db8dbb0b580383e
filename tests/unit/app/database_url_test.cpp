#include "app/database_url.h"

#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

namespace fluxgate::app {
namespace {

class DatabaseUrl : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : {"DATABASE_URL", "DATABASE_TYPE", "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_HOST", "DATABASE_PORT",
                             "DATABASE_NAME", "DATABASE_SCHEMA"})
      ::unsetenv(name);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  static void set_parts() {
    set("DATABASE_TYPE", "postgresql");
    set("DATABASE_USER", "ann");
    set("DATABASE_PASSWORD", "p@ss/word");
    set("DATABASE_HOST", "db");
    set("DATABASE_PORT", "5432");
    set("DATABASE_NAME", "flux");
  }
  // As the command line would have read it.
  static std::string url(std::string flag = "") {
    Config config;
    config.data_dir = "/data";
    const char* environment = std::getenv("DATABASE_URL");
    config.database_url = !flag.empty() ? flag : environment ? environment : "";
    const auto found = database_url(config);
    return found ? *found : "refused: " + found.error().message().en;
  }
};

TEST_F(DatabaseUrl, IsAFileInTheDataFolderWhenNothingIsSaid) { EXPECT_EQ(url(), "sqlite:////data/webui.db"); }

TEST_F(DatabaseUrl, IsMadeOfOpenWebUisPartsWhenAllAreSet) {
  set_parts();
  EXPECT_EQ(url(), "postgresql://ann:p%40ss%2Fword@db:5432/flux");
  EXPECT_EQ(url("sqlite:///other.db"), "sqlite:///other.db") << "the flag wins";
}

TEST_F(DatabaseUrl, OfPartsThatAreIncompleteIsRefusedByTheNamesOfTheMissing) {
  set_parts();
  ::unsetenv("DATABASE_PASSWORD");
  EXPECT_NE(url().find("not set: DATABASE_PASSWORD."), std::string::npos) << url();
  set("DATABASE_URL", "sqlite:////a.db");
  EXPECT_EQ(url(), "sqlite:////a.db");
}

TEST_F(DatabaseUrl, TakesAnyHostThatPostgresqlHas) {
  set_parts();
  for (const auto& [host, in_url] : std::map<std::string, std::string>{{"::1", "[::1]"}, {"[fe80::1]", "[fe80::1]"}, {"10.0.0.1", "10.0.0.1"},
                                                                     {"db1,db2", "db1,db2"}, {"/var/run/postgresql", "%2Fvar%2Frun%2Fpostgresql"}}) {
    set("DATABASE_HOST", host);
    EXPECT_EQ(url(), "postgresql://ann:p%40ss%2Fword@" + in_url + ":5432/flux");
  }
}

TEST_F(DatabaseUrl, NamesThePartThatIsWrongAndWhatItWas) {
  for (const std::string port : {"1", "65535"}) {
    set_parts();
    set("DATABASE_PORT", port);
    EXPECT_EQ(url(), "postgresql://ann:p%40ss%2Fword@db:" + port + "/flux");
  }
  for (const std::string port : {"0", "65536", "abc", "5432x"}) {
    set_parts();
    set("DATABASE_PORT", port);
    EXPECT_NE(url().find("DATABASE_PORT must be a number from 1 to 65535; received: " + port), std::string::npos) << url();
  }
  set_parts();
  set("DATABASE_TYPE", "mysql");
  EXPECT_NE(url().find("DATABASE_TYPE must be postgresql; received: mysql"), std::string::npos) << url();
}

TEST_F(DatabaseUrl, ThatContradictsThePartsIsRefused) {
  set_parts();
  set("DATABASE_URL", "postgresql://ann:p%40ss%2Fword@db:5432/flux");
  EXPECT_EQ(url(), "postgresql://ann:p%40ss%2Fword@db:5432/flux");
  set("DATABASE_URL", "sqlite:////a.db");
  EXPECT_NE(url().find("different databases"), std::string::npos) << url();
}

TEST_F(DatabaseUrl, TakesTheSchemaOnPostgresOnly) {
  set("DATABASE_SCHEMA", "Team_1");
  EXPECT_EQ(url("postgresql://u@h/d"), "postgresql://u@h/d?options=-csearch_path%3D%22Team_1%22");
  EXPECT_EQ(url("postgresql://u@h/d?sslmode=require"), "postgresql://u@h/d?sslmode=require&options=-csearch_path%3D%22Team_1%22");
  EXPECT_EQ(url("sqlite:///a.db"), "sqlite:///a.db");
  set("DATABASE_SCHEMA", "team -c x");
  EXPECT_NE(url("postgresql://u@h/d").find("refused"), std::string::npos);
}

}  // namespace
}  // namespace fluxgate::app
