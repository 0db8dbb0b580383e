// `fluxgate db …` and `serve` before a database that needs care: the real program, its words and its exit codes; the
// published views through the engines' own command lines.
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "suite.h"
#include "support/postgres_server.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

bool on_postgresql() {
  const char* engine = std::getenv("FLUXGATE_TEST_ENGINE");
  return engine != nullptr && std::string_view(engine) == "postgresql";
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class DbCommand : public testing::Test {
 protected:
  DbCommand()
      : url_(on_postgresql() ? test::PostgresServer::shared().new_database() : "sqlite:///" + file().string()) {}

  fs::path file() const { return folder_.path() / "webui.db"; }
  Finished db(std::vector<std::string> words) const {
    words.insert(words.begin(), "db");
    for (const std::string& word : {std::string("--data-dir"), folder_.path().string(), std::string("--database-url"), url_}) words.push_back(word);
    return run_program(std::move(words));
  }
  // Through sqlite3 or psql: rows by lines, columns by "|".
  std::string ask(const std::string& sql) const {
    const fs::path script = folder_.path() / "ask.sql", answer = folder_.path() / "answer";
    std::ofstream(script) << sql;
    const std::string command = on_postgresql() ? fmt::format("PGOPTIONS='-c client_min_messages=warning' psql -qAt -v ON_ERROR_STOP=1 '{}' < {} > {} 2>&1", url_, script.string(), answer.string())
                                                : fmt::format("sqlite3 -bail '{}' < {} > {} 2>&1", file().string(), script.string(), answer.string());
    const int code = std::system(command.c_str());
    std::string text = bytes_of(answer);
    while (text.ends_with('\n')) text.pop_back();
    return WEXITSTATUS(code) == 0 ? text : "failed: " + text;
  }
  std::unique_ptr<ServerProcess> server(std::vector<std::string> words = {}) const {
    words.insert(words.end(), {"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0", "--database-url", url_});
    return std::make_unique<ServerProcess>(folder_.path(), words,
                                           ServerProcess::Environment{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "100"}});
  }

  TempFolder folder_;
  const std::string url_;
};

// Every name of the original's repair script, and the two of its credits.
constexpr const char* kNames[] = {"flux_config", "flux_tasks", "flux_credits", "mj_tasks", "dreamwork_tasks", "kling_tasks", "jimeng_tasks",
                                  "channel", "folder", "cloud_storage_config", "generated_files", "credit", "credit_log"};

TEST_F(DbCommand, RepairMakesEveryNameOfTheOriginalAnswer) {
  const Finished done = db({"repair"});
  EXPECT_EQ(done.exit_code, 0) << done.output;
  for (const char* name : kNames) EXPECT_EQ(ask(fmt::format("SELECT COUNT(*) FROM {};", name)), "0") << name;
  const Finished checked = db({"check"});
  EXPECT_EQ(checked.exit_code, 0) << checked.output;
  EXPECT_NE(checked.output.find("nothing is missing"), std::string::npos) << checked.output;
  const Finished again = db({"repair"});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_NE(again.output.find("Nothing to repair."), std::string::npos) << again.output;
}

TEST_F(DbCommand, CheckSaysInWordsWhatIsMissingAndChangesNothing) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("DROP VIEW flux_tasks; DROP INDEX fg_task_history;"), "");
  if (!on_postgresql()) {
    ASSERT_EQ(ask("PRAGMA journal_mode = DELETE;"), "delete");
  }
  const std::string before = bytes_of(file());
  for (const auto& words : std::vector<std::vector<std::string>>{{"check"}, {std::string("repair"), "--dry-run"}}) {
    const Finished said = db(words);
    EXPECT_EQ(said.exit_code, words.size() == 1 ? 1 : 0) << said.output;
    EXPECT_NE(said.output.find("the view is missing"), std::string::npos) << said.output;
    EXPECT_NE(said.output.find("the index fg_task_history is missing"), std::string::npos) << said.output;
  }
  EXPECT_EQ(bytes_of(file()), before);
  EXPECT_FALSE(fs::exists(folder_.path() / "master.key")) << "db commands need no secret";
}

TEST_F(DbCommand, LookingAtNothingMakesNothing) {
  const std::vector<std::vector<std::string>> looks{{"db", "check"}, {"db", "verify"}, {"files", "verify"}, {"files", "gc"}};
  for (auto words : looks) {
    words.insert(words.end(), {"--data-dir", folder_.path().string(), "--database-url", url_});
    const Finished said = run_program(words);
    EXPECT_EQ(said.exit_code, 1) << said.output;
    EXPECT_NE(said.output.find("nothing there yet"), std::string::npos) << said.output;
    EXPECT_TRUE(fs::is_empty(folder_.path())) << words[0] << ' ' << words[1];
  }
}

TEST_F(DbCommand, ServeRefusesWhatNeedsRepairUnlessToldToRepair) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("DROP VIEW credit_log;"), "");
  const Finished refused =
      run_program({"serve", "--port", "0", "--data-dir", folder_.path().string(), "--database-url", url_});
  EXPECT_EQ(refused.exit_code, 1) << refused.output;
  EXPECT_NE(refused.output.find("credit_log"), std::string::npos) << refused.output;
  EXPECT_NE(refused.output.find("fluxgate db repair"), std::string::npos) << refused.output;
  auto repaired = server({"--repair"});
  repaired->start();
  EXPECT_EQ(repaired->stop(), 0) << repaired->log();
  EXPECT_EQ(ask("SELECT COUNT(*) FROM credit_log;"), "0");
}

TEST_F(DbCommand, ServeWithRepairRefusesWhatOnlyTheOperatorCanSeeTo) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("DROP VIEW credit; CREATE TABLE elsewhere (id TEXT); CREATE VIEW credit AS SELECT id FROM elsewhere;"), "");
  const std::vector<std::string> serve{"serve", "--repair", "--port", "0", "--data-dir", folder_.path().string(), "--database-url", url_};
  for (const Finished& refused : {db({"repair", "--yes"}), run_program(serve)}) {
    EXPECT_EQ(refused.exit_code, 1) << refused.output;
    EXPECT_NE(refused.output.find("✗ credit "), std::string::npos) << refused.output;
    EXPECT_NE(refused.output.find("DROP VIEW \"credit\""), std::string::npos) << refused.output;
  }
  EXPECT_EQ(ask("SELECT COUNT(*) FROM credit;"), "0");  // theirs still
}

TEST_F(DbCommand, OneBrokenSettingShutsNobodyOut) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("INSERT INTO config (id, data, version) VALUES (1, '[]', 0);"), "");
  const Finished checked = db({"check"});
  EXPECT_EQ(checked.exit_code, 1) << checked.output;
  EXPECT_NE(checked.output.find("! config "), std::string::npos) << checked.output;
  EXPECT_NE(checked.output.find("UPDATE config SET data = '…' WHERE id = 1"), std::string::npos) << checked.output;
  const auto running = server();
  running->start();
  const Client client(running->base_url(), nullptr);
  const Answer made = client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}});
  EXPECT_EQ(made.status, 200) << made.body;
  const Answer back = client.post("/api/v1/auths/signin", "", {{"email", "ann@example.org"}, {"password", kPassword}});
  EXPECT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(client.get("/api/config").status, 200);
  EXPECT_EQ(running->stop(), 0) << running->log();
}

TEST_F(DbCommand, SchemaIsTakenByTheEnginesOwnTool) {
  const Finished printed = run_program({"db", "schema", "--dialect", on_postgresql() ? "postgresql" : "sqlite"});
  ASSERT_EQ(printed.exit_code, 0);
  EXPECT_EQ(ask(printed.output), "");
  EXPECT_EQ(ask(printed.output), "");
  EXPECT_EQ(db({"check"}).exit_code, 0);
}

TEST_F(DbCommand, ViewsShowATaskThatRanAndWhatItCost) {
  auto running = server();
  running->start();
  const Client client(running->base_url(), nullptr);
  const json::value person =
      client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}}).json();
  const Person ann{std::string(person.at("id").as_string()), "ann@example.org", std::string(person.at("token").as_string())};
  json::object body = text_body("a red fox");
  body["seed"] = 4'294'967'295;  // the largest; more than a signed INTEGER holds
  const Answer sent = client.post("/api/v1/flux/text-to-image", ann.token, body);
  ASSERT_EQ(sent.status, 200) << sent.body;
  const std::string id(sent.json().at("id").as_string());
  const json::object task = ended(client, ann, id);
  ASSERT_EQ(task.at("status"), json::value("SUCCESS")) << json::serialize(task);
  const auto cost = static_cast<std::int64_t>(task.at("cost").at("charged").to_number<double>());

  const std::string where = fmt::format(" FROM flux_tasks WHERE id = '{}';", id);
  EXPECT_EQ(ask("SELECT user_id, status, model, prompt, task_type, num_images, seed" + where),
            fmt::format("{}|SUCCESS|{}|a red fox|text_to_image|1|4294967295", ann.id, kModel));
  // The same moments, in the form of each engine.
  std::string created(task.at("created_at").as_string());
  created[10] = ' ';
  std::string shown = ask("SELECT created_at" + where);
  EXPECT_EQ(shown.substr(0, 23), created.substr(0, shown.size() < 23 ? shown.size() : 23));
  const std::string link = ask("SELECT image_url" + where);
  const Answer picture = client.get(link, ann.token);
  EXPECT_EQ(picture.status, 200) << link;
  EXPECT_TRUE(picture.header("content-type").starts_with("image/")) << picture.header("content-type");
  EXPECT_EQ(client.get(link).status, 401) << "the view's link is no secret";

  const std::string mine = fmt::format(" WHERE user_id = '{}'", ann.id);
  EXPECT_EQ(ask("SELECT credit FROM credit" + mine + ";"), std::to_string(100 - cost));
  EXPECT_EQ(ask("SELECT credits_balance, total_used FROM flux_credits" + mine + ";"), fmt::format("{}|{}", 100 - cost, cost));
  EXPECT_EQ(ask("SELECT credit FROM credit_log" + mine + " ORDER BY created_at, id;"), fmt::format("100\n{}", 100 - cost));
  const std::string charge = ask("SELECT detail FROM credit_log" + mine + " ORDER BY created_at DESC, id DESC LIMIT 1;");
  const json::value detail = json::parse(charge);
  EXPECT_EQ(detail.at("api_params").at("task_id"), json::value(id)) << charge;
  EXPECT_EQ(detail.at("usage").at("credits").to_number<double>(), static_cast<double>(cost)) << charge;
  EXPECT_EQ(running->stop(), 0) << running->log();
}

TEST_F(DbCommand, BackupAndRestoreBringBackWhatWas) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('u', 1000, 0, 1, 1);"), "");
  auto running = server();
  running->start();
  const Finished made = db({"backup"});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string place = made.output.substr(0, made.output.find(" ("));
  EXPECT_EQ(db({"restore", place}).exit_code, 1) << "not under a running server";
  EXPECT_EQ(running->stop(), 0) << running->log();
  ASSERT_EQ(ask("UPDATE fg_credit_account SET balance = 2;"), "");
  if (on_postgresql()) {
    ASSERT_EQ(ask("UPDATE fg_node SET lease_until = 0;"), "");
  }
  const Finished restored = db({"restore", on_postgresql() ? place : fs::path(place).filename().string()});
  EXPECT_EQ(restored.exit_code, 0) << restored.output;
  EXPECT_EQ(ask("SELECT balance FROM fg_credit_account WHERE user_id = 'u';"), "1000");
  EXPECT_EQ(db({"check"}).exit_code, 0);
  EXPECT_EQ(db({"restore", "no-such-backup"}).exit_code, 1);
}

TEST_F(DbCommand, DamagedFilesAreRefusedByEveryCommand) {
  if (on_postgresql()) GTEST_SKIP() << "about files";
  std::ofstream(file()) << std::string(100'000, 'x');
  const std::string before = bytes_of(file());
  for (const char* word : {"check", "repair", "backup", "verify"}) {
    const std::vector<std::string> words{word};
    const Finished said = db(words);
    EXPECT_EQ(said.exit_code, 1) << said.output;
    EXPECT_NE(said.output.find("is not a SQLite database"), std::string::npos) << said.output;
  }
  const Finished served = run_program({"serve", "--port", "0", "--data-dir", folder_.path().string(), "--database-url", url_, "--repair"});
  EXPECT_EQ(served.exit_code, 1);
  EXPECT_NE(served.output.find("is not a SQLite database"), std::string::npos) << served.output;
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(DbCommand, VerifyChangesNothing) {
  if (on_postgresql()) GTEST_SKIP() << "about files";
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  const Finished made = db({"backup"});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const fs::path backup = made.output.substr(0, made.output.find(" ("));
  const std::string before = bytes_of(backup);
  const Finished looked = run_program({"db", "verify", "--data-dir", folder_.path().string(), "--database-url", "sqlite:///" + backup.string()});
  EXPECT_EQ(looked.exit_code, 0) << looked.output;
  EXPECT_EQ(bytes_of(backup), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(backup.parent_path()), {}), 1) << "nothing is made beside it";
  ASSERT_EQ(ask("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('u', 1, 0, 1, 1);"), "");
  const Finished found = db({"verify"});
  EXPECT_EQ(found.exit_code, 2) << found.output;
}

TEST_F(DbCommand, OfAnEarlierVersionIsNotVerifiedButLeftAlone) {
  ASSERT_EQ(db({"repair"}).exit_code, 0);
  ASSERT_EQ(ask("DELETE FROM fg_migration WHERE version > 1;"), "");
  const Finished said = db({"verify"});
  EXPECT_EQ(said.exit_code, 1) << said.output;
  EXPECT_NE(said.output.find("fluxgate db repair"), std::string::npos) << said.output;
  EXPECT_EQ(ask("SELECT MAX(version) FROM fg_migration;"), "1");
}

TEST_F(DbCommand, SettingsFromAFileOfWindowsMeanWhatTheySay) {
  const Finished refused = run_program({"db", "check", "--data-dir", folder_.path().string(), "--database-url", url_ + "\r"});
  EXPECT_GE(refused.exit_code, 100) << refused.output;
  EXPECT_NE(refused.output.find("must have no control characters"), std::string::npos) << refused.output;
  if (on_postgresql()) return;
  const fs::path said = folder_.path() / "said";
  const int code = std::system(fmt::format("DATA_DIR='{0}\r\n' DATABASE_URL='sqlite:///{0}/webui.db\r' LOG_LEVEL='off\r' '{1}' db repair >'{2}' 2>&1",
                                           folder_.path().string(), FLUXGATE_BINARY, said.string()).c_str());
  EXPECT_EQ(WEXITSTATUS(code), 0) << bytes_of(said);
  EXPECT_TRUE(fs::exists(file())) << bytes_of(said);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 3) << "the database, its lock, and what was said";
}

// The folder of a service, where root runs a command.
class DbCommandOfRoot : public DbCommand {
 protected:
  static constexpr uid_t kService = 54321;  // nobody's here
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root becomes another";
    hand_over();
  }
  void hand_over() const {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) ASSERT_EQ(::chown(entry.path().c_str(), kService, kService), 0);
    ASSERT_EQ(::chown(folder_.path().c_str(), kService, kService), 0);
  }
  std::vector<std::string> of_others() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      struct stat info{};
      if (::lstat(entry.path().c_str(), &info) != 0 || info.st_uid != kService || info.st_gid != kService) names.push_back(entry.path().string());
    }
    return names;
  }
};

TEST_F(DbCommandOfRoot, EverythingItMakesIsTheServices) {
  const auto run = [this](std::vector<std::string> words) {
    words.insert(words.end(), {"--data-dir", folder_.path().string(), "--database-url", url_});
    const Finished done = run_program(std::move(words));
    EXPECT_EQ(done.exit_code, 0) << done.output;
    EXPECT_NE(done.output.find("Working as the user 54321, to whom " + folder_.path().string()), std::string::npos) << done.output;
    EXPECT_EQ(of_others(), std::vector<std::string>{});
    return done.output;
  };
  run({"db", "repair"});
  run({"user", "add", "ann@example.org", "--password", std::string(kPassword)});
  run({"files", "verify"});
  const std::string made = run({"db", "backup"});
  const auto start = made.find(on_postgresql() ? "fluxgate_backup_" : folder_.path().string() + "/backups");
  ASSERT_NE(start, std::string::npos) << made;
  run({"db", "restore", made.substr(start, made.find(" (", start) - start)});
  run({"db", "verify"});
}

TEST_F(DbCommandOfRoot, StaysRootsWhereTheServerIs) {
  auto running = server();
  running->start();
  const Finished done = db({"verify"});
  EXPECT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(done.output.find("Working as"), std::string::npos) << done.output;
  EXPECT_EQ(running->stop(), 0) << running->log();
}

TEST_F(DbCommandOfRoot, IsRefusedWhereRootMayNotBecomeTheService) {
  const fs::path said = folder_.path().string() + ".said";
  const int code = std::system(fmt::format("setpriv --bounding-set=-setuid,-setgid '{}' db repair --data-dir '{}' --database-url '{}' >'{}' 2>&1",
                                           FLUXGATE_BINARY, folder_.path().string(), url_, said.string()).c_str());
  const std::string text = bytes_of(said);
  fs::remove(said);
  EXPECT_EQ(WEXITSTATUS(code), 1) << text;
  EXPECT_NE(text.find("whom root may not become here: Operation not permitted."), std::string::npos) << text;
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

// Set up by another role, of which this one may only look at the tables.
TEST_F(DbCommand, ARoleWithTooFewRightsIsNamedByWhateverIsStarted) {
  if (!on_postgresql()) GTEST_SKIP() << "SQLite knows no roles";
  auto owners = server();
  owners->start();
  ASSERT_EQ(owners->stop(), 0);
  const std::string role = "looker" + url_.substr(url_.find("///") + 3, url_.find('?') - url_.find("///") - 3);
  ASSERT_EQ(ask(fmt::format("CREATE ROLE {0} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0}", role)), "");
  const auto as_role = [&](std::vector<std::string> words) {
    for (const std::string& word : {std::string("--data-dir"), folder_.path().string(), std::string("--database-url"), url_ + "&user=" + role}) words.push_back(word);
    return run_program(std::move(words));
  };
  for (const std::vector<std::string>& words : {std::vector<std::string>{"serve", "--port", "0"}, {"credits", "grant", "nobody", "1"}, {"doctor"}}) {
    const Finished ended = as_role(words);
    EXPECT_EQ(ended.exit_code, words.front() == "doctor" ? 2 : 1) << ended.output;
    EXPECT_TRUE(ended.output.contains(fmt::format("The role {} of DATABASE_URL may not read and write", role))) << ended.output;
    EXPECT_TRUE(ended.output.contains(fmt::format("OWNER TO {}", role))) << ended.output;
    EXPECT_EQ(ended.output.contains("problem  the database cannot be used"), words.front() == "doctor") << ended.output;
  }
  // What it takes to run, and no more.
  ASSERT_EQ(ask(fmt::format("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}", role)), "");
  const Finished granted = as_role({"credits", "grant", "nobody", "1"});
  EXPECT_TRUE(granted.output.contains("There is no such user")) << granted.output;
}

}  // namespace
}  // namespace fluxgate::integration
