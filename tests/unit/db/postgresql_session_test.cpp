// One session with a PostgreSQL server, and the URLs that name servers.
#include <poll.h>

#include <gtest/gtest.h>

#include "db/care.h"
#include "db/post.h"
#include "db/postgresql_connection.h"
#include "db/storable_text.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using std::chrono::milliseconds, std::chrono::seconds;
using test::PostgresServer;

std::string keyword(const PostgresTarget& target, std::string_view name) {
  for (const auto& [key, value] : target.keywords)
    if (key == name) return value;
  return "";
}

std::string refusal(std::string_view url) {
  try {
    parse_postgres_url(url, true);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(PostgresUrl, IsReadInEverySpelling) {
  for (const char* scheme : {"postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg"}) {
    const std::string url = std::string(scheme) + "://ann:s%40cret@db.example:5433/flux";
    ASSERT_TRUE(is_postgres_url(url)) << url;
    const auto target = parse_postgres_url(url, true);
    EXPECT_EQ(keyword(target, "user"), "ann");
    EXPECT_EQ(keyword(target, "password"), "s@cret");
    EXPECT_EQ(keyword(target, "host"), "db.example");
    EXPECT_EQ(keyword(target, "port"), "5433");
    EXPECT_EQ(keyword(target, "dbname"), "flux");
    EXPECT_EQ(target.described, "db.example:5433/flux");
  }
  for (const char* url : {"sqlite:///a.db", "mysql://a/b", "postgresqlx://a/b", "postgresql:a", ":memory:"})
    EXPECT_FALSE(is_postgres_url(url)) << url;
}

TEST(PostgresUrl, MayNameSeveralHostsOfWhichThePrimaryIsMeant) {
  const auto target = parse_postgres_url("postgresql://u:p@one:5432,two:5433/flux", true);
  EXPECT_EQ(target.described, "one:5432,two:5433/flux");
  EXPECT_EQ(keyword(target, "target_session_attrs"), "read-write");
  EXPECT_EQ(parse_postgres_url("postgresql://u@one:6000,two:6000/flux", true).described, "one:6000,two:6000/flux");
  EXPECT_EQ(keyword(parse_postgres_url("postgresql://u@one/flux", false), "target_session_attrs"), "") << "reading needs none";
}

TEST(PostgresUrl, WinsOverOurDefaults) {
  const auto target = parse_postgres_url("postgresql://u@one/flux?connect_timeout=9&application_name=other&sslmode=require"
                                         "&target_session_attrs=any&client_encoding=LATIN1", true);
  EXPECT_EQ(keyword(target, "connect_timeout"), "9");
  EXPECT_EQ(keyword(target, "application_name"), "other");
  EXPECT_EQ(keyword(target, "sslmode"), "require");
  EXPECT_EQ(keyword(target, "target_session_attrs"), "any");
  EXPECT_EQ(keyword(target, "client_encoding"), "UTF8") << "we speak nothing else";
}

TEST(PostgresUrl, ThatIsMalformedIsRefusedWithoutAWordOfThePassword) {
  for (const char* url : {"postgresql://ann:pa/ss@host/flux", "postgresql://ann:pa@ss@host/flux", "postgresql://ann:pa%zzss@host/flux",
                          "postgresql://ann:pass@host:port/flux", "postgresql://ann:pass@[::1/flux"}) {
    const std::string why = refusal(url);
    EXPECT_NE(why.find("percent-encoded"), std::string::npos) << url << ": " << why;
    EXPECT_EQ(why.find("pa"), why.find("password")) << url << ": " << why;
    EXPECT_EQ(why.find("ss@"), std::string::npos) << url << ": " << why;
  }
  EXPECT_NE(refusal("postgresql://ann:pass@host/flux?ssl_mode=require").find("ssl_mode"), std::string::npos);
}

class Session : public testing::Test {
 protected:
  void SetUp() override {
    target_ = parse_postgres_url(PostgresServer::shared().new_database(), true);
    PgConnection(target_, {}).command("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)");
  }

  static std::int64_t asked(PgConnection& session, std::string_view key) {
    return static_cast<Tx&>(session).number("SELECT COUNT(*) FROM t WHERE k = $1", {key});
  }

  PostgresTarget target_;
};

TEST_F(Session, ThatTheServerHasNoRoomForSaysWhichLimitsToChange) {
  const std::string url = PostgresServer::shared().new_database();
  PgConnection(parse_postgres_url(url, true), {})
      .command("DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'none_left') THEN "
               "CREATE ROLE none_left LOGIN CONNECTION LIMIT 0; END IF; END $$");
  try {
    PgConnection(parse_postgres_url(url + "&user=none_left", true), {});
    ADD_FAILURE() << "the role may have none";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::full) << failure.what();
    for (const std::string& said : {told(failure).en, told(failure).zh})
      for (const char* word : {"none_left", "DATABASE_POOL_SIZE", "max_connections", "CONNECTION LIMIT"}) EXPECT_TRUE(said.contains(word)) << said;
  }
  try {
    PgConnection(parse_postgres_url(url + "&user=nobody_knows", true), {});
    ADD_FAILURE() << "there is no such role";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::lost) << failure.what();
    EXPECT_TRUE(told(failure).en.contains("Check host, port, user")) << told(failure).en;
  }
}

TEST_F(Session, ReadsTextsAndNumbersAsItShouldWhateverIsSet) {
  const std::string url =
      PostgresServer::shared().new_database() + "&options=-cstandard_conforming_strings%3Doff%20-cextra_float_digits%3D-15";
  PgConnection session(parse_postgres_url(url, true), {});
  EXPECT_EQ(static_cast<Tx&>(session).number(R"(SELECT CASE WHEN 'a_b' LIKE 'a\_b' ESCAPE '\' THEN 1 ELSE 0 END)"), 1);
  const auto third = static_cast<Tx&>(session).first("SELECT CAST(1 AS DOUBLE PRECISION) / 3", {}, [](const Row& row) { return row.real(0); });
  EXPECT_EQ(third, 1.0 / 3);
}

TEST_F(Session, EndsAStatementAtItsLimit) {
  PgConnection session(target_, {.statement_limit = seconds(1)});
  session.begin_write();
  try {
    static_cast<Tx&>(session).number("SELECT COUNT(*) FROM (SELECT pg_sleep(60)) AS s");
    FAIL() << "it took its minute";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::refused) << failure.what();
  }
  EXPECT_TRUE(session.alive());
  EXPECT_THROW(session.raise_failure(), PgFailure);
}

TEST_F(Session, GivesUpAServerThatStandsStill) {
  PgConnection session(target_, {.statement_limit = seconds(1), .grace = milliseconds(50)});
  session.begin_write();
  ::kill(session.backend(), SIGSTOP);
  try {
    static_cast<Tx&>(session).exec("INSERT INTO t VALUES ('a', 1)");
    ADD_FAILURE() << "nobody can have answered";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::lost) << failure.what();
  }
  ::kill(session.backend(), SIGCONT);
  EXPECT_FALSE(session.alive());
}

// No limit ends the wait: only that a new caller is not answered either.
TEST_F(Session, IsGivenUpWhenItsServerStandsStill) {
  PostgresServer server;
  const auto target = parse_postgres_url(server.new_database() + "&connect_timeout=2", true);
  PgConnection session(target, {.quiet = milliseconds(50)});
  Tx& tx = session;
  session.begin_write();
  EXPECT_EQ(tx.number("SELECT 1"), 1);
  server.freeze();
  try {
    tx.number("SELECT 2");
    ADD_FAILURE() << "nobody can have answered";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::lost) << failure.what();
    EXPECT_NE(std::string(failure.what()).find("stands still"), std::string::npos) << failure.what();
  }
  server.thaw();
  EXPECT_FALSE(session.alive());
}

TEST_F(Session, IsWaitedForWhileItsServerAnswersOthers) {
  PgConnection session(target_, {.quiet = milliseconds(20)});
  session.begin_read();
  EXPECT_EQ(static_cast<Tx&>(session).number("SELECT COUNT(*) FROM (SELECT pg_sleep(0.2)) AS slow"), 1);
  session.end_read();
}

TEST_F(Session, SendsWhatIsPostedBeforeWhatIsAsked) {
  PgConnection session(target_, {}), other(target_, {});
  Tx& tx = session;
  session.begin_write();
  post(tx, "INSERT INTO t VALUES ('a', 1)", {});
  post(tx, "UPDATE t SET n = n + $1", {4});
  EXPECT_EQ(tx.number("SELECT n FROM t"), 5);
  post(tx, "INSERT INTO t VALUES ('b', 1)", {});
  session.commit();
  EXPECT_EQ(static_cast<Tx&>(other).number("SELECT COUNT(*) FROM t"), 2) << "the last went along with COMMIT";

  session.begin_write();
  post(tx, "INSERT INTO t VALUES ('c', 1)", {});
  session.commit();
  EXPECT_FALSE(session.transaction().empty()) << "known before COMMIT was sent, also where nothing was asked";
  EXPECT_EQ(asked(other, "c"), 1);

  session.begin_write();
  post(tx, "INSERT INTO t VALUES ('d', 1)", {});
  session.rollback();
  EXPECT_EQ(asked(other, "d"), 0);
  session.begin_write();
  session.commit();
  EXPECT_EQ(tx.number("SELECT 1"), 1);
  EXPECT_EQ(PQtransactionStatus(session.handle()), PQTRANS_IDLE) << "nothing was asked: nothing was begun";
}

TEST_F(Session, ThrowsForWhatWasPostedByTheNextAnswer) {
  PgConnection session(target_, {}), other(target_, {});
  Tx& tx = session;
  static_cast<Tx&>(other).exec("INSERT INTO t VALUES ('taken', 1)");
  const auto refused = [&](auto&& ask) {
    session.begin_write();
    post(tx, "INSERT INTO t VALUES ('mine', 1)", {});
    post(tx, "INSERT INTO t VALUES ($1, 2)", {"taken"});
    try {
      ask();
      ADD_FAILURE() << "the key is another's";
    } catch (const PgFailure& failure) {
      EXPECT_EQ(failure.kind(), PgFailure::Kind::refused) << failure.what();
      EXPECT_NE(std::string(failure.what()).find("INSERT INTO t VALUES ($1, 2)"), std::string::npos) << failure.what();
    }
    EXPECT_THROW(session.raise_failure(), PgFailure);
    session.rollback();
    EXPECT_TRUE(session.alive());
    EXPECT_EQ(asked(other, "mine"), 0);
  };
  refused([&] { tx.number("SELECT COUNT(*) FROM t WHERE n = $1", {7}); });
  refused([&] { session.commit(); });
  // What was to be prepared meanwhile was not, and is when it is needed.
  session.begin_read();
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t WHERE n = $1", {7}), 0);
  session.end_read();
}

TEST_F(Session, ThatStandsStillInATransactionLosesItsLocks) {
  PgConnection frozen(target_, {.idle_limit = milliseconds(50)}), other(target_, {});
  frozen.begin_write();
  static_cast<Tx&>(frozen).exec("INSERT INTO t VALUES ('a', 1)");
  other.begin_write();
  EXPECT_EQ(static_cast<Tx&>(other).exec("INSERT INTO t VALUES ('a', 2)"), 1) << "waits until the first is ended";
  other.commit();
  try {
    static_cast<Tx&>(frozen).exec("UPDATE t SET n = 3");
    ADD_FAILURE() << "its transaction has ended";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::lost) << failure.what();
  }
}

TEST_F(Session, KnowsWhatBecameOfTheTransactionsOfOthers) {
  PgConnection one(target_, {}), asks(target_, {});
  one.begin_write();
  static_cast<Tx&>(one).exec("INSERT INTO t VALUES ('a', 1)");
  const auto done = one.transaction();
  EXPECT_EQ(asks.fate_of(done), PgConnection::Fate::under_way);
  one.commit();
  EXPECT_EQ(asks.fate_of(done), PgConnection::Fate::committed);
  one.begin_write();
  static_cast<Tx&>(one).exec("INSERT INTO t VALUES ('b', 1)");
  const auto undone = one.transaction();
  one.rollback();
  EXPECT_EQ(static_cast<Tx&>(one).number("SELECT 1"), 1) << "it has arrived";
  EXPECT_EQ(asks.fate_of(undone), PgConnection::Fate::none);
  EXPECT_EQ(asks.fate_of(std::to_string(std::stoull(undone) + 1'000'000)), PgConnection::Fate::none) << "not given out yet";
}

TEST_F(Session, TellsTheLivesOfAServerApart) {
  PostgresServer server;
  const auto target = parse_postgres_url(server.new_database(), true);
  PgConnection before(target, {}), beside(target, {});
  EXPECT_FALSE(before.incarnation().empty());
  EXPECT_EQ(before.incarnation(), beside.incarnation());
  const auto reconnected = [&target] {  // not while the server is recovering
    while (may_be_starting(target)) std::this_thread::yield();
    return PgConnection(target, {}).incarnation();
  };

  // One backend that crashes takes the others with it; the postmaster stays.
  ::kill(before.backend(), SIGKILL);
  pollfd ended{PQsocket(beside.handle()), POLLIN, 0};
  ::poll(&ended, 1, -1);
  const std::string after_crash = reconnected();
  EXPECT_NE(after_crash, before.incarnation());

  server.stop();
  server.start();
  EXPECT_NE(reconnected(), after_crash);
}

TEST_F(Session, BeginsToReadWithTheFirstStatement) {
  PgConnection session(target_, {});
  Tx& tx = session;
  session.begin_read();
  EXPECT_EQ(PQtransactionStatus(session.handle()), PQTRANS_IDLE);
  session.end_read();
  session.begin_read();
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), 0);
  EXPECT_EQ(PQtransactionStatus(session.handle()), PQTRANS_INTRANS);
  PgConnection other(target_, {});
  static_cast<Tx&>(other).exec("INSERT INTO t VALUES ('a', 1)");
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), 0) << "one snapshot";
  EXPECT_THROW(tx.exec("INSERT INTO t VALUES ('b', 1)"), PgFailure);
  session.rollback();
  session.begin_read();
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), 1);
  session.end_read();
  EXPECT_EQ(tx.number("SELECT 1"), 1);
  EXPECT_EQ(PQtransactionStatus(session.handle()), PQTRANS_IDLE) << "its end went out without being waited for";
  session.begin_write();
  tx.exec("INSERT INTO t VALUES ('b', 1)");
  session.commit();
}

TEST_F(Session, PreparesAnewWhatTheServerForgot) {
  PgConnection session(target_, {});
  Tx& tx = session;
  session.begin_write();
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t WHERE n = $1", {1}), 0);
  session.commit();
  session.command("DISCARD ALL");
  session.begin_write();
  try {
    tx.number("SELECT COUNT(*) FROM t WHERE n = $1", {1});
    ADD_FAILURE() << "this session's statements are gone";
  } catch (const PgFailure& failure) {
    EXPECT_EQ(failure.kind(), PgFailure::Kind::lost) << "so that another one is made";
  }
}

TEST_F(Session, TakesAnyNumberOfDifferentStatements) {
  PgConnection session(target_, {});
  Tx& tx = session;
  for (int i = 0; i < 1'100; ++i) EXPECT_EQ(tx.number("SELECT " + std::to_string(i)), i);
}

TEST(StorableText, IsLeftAloneWhereItIsUtf8AndMendedWhereItIsNot) {
  using namespace std::string_literals;
  for (const std::string& good : {""s, "plain"s, "中文 é 🙂"s, "\xF4\x8F\xBF\xBF"s, "\xED\x9F\xBF"s, "\xEE\x80\x80"s})
    EXPECT_EQ(storable_text(good), good);
  const std::string bad = "\uFFFD";
  EXPECT_EQ(storable_text("\0"s), bad);
  EXPECT_EQ(storable_text("a\xFF" "b"), "a" + bad + "b");
  EXPECT_EQ(storable_text("\xC0\xAF"), bad + bad) << "overlong";
  EXPECT_EQ(storable_text("\xED\xA0\x80"), bad + bad + bad) << "a surrogate";
  EXPECT_EQ(storable_text("\xF4\x90\x80\x80"), bad + bad + bad + bad) << "beyond U+10FFFF";
  EXPECT_EQ(storable_text("end \xE4\xB8"), "end " + bad + bad) << "cut off";
}

}  // namespace
}  // namespace fluxgate::db
