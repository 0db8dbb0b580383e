// Fills a database with users who can sign in and pay, and prints a token for each:
// bench_people DATA_DIR COUNT [DATABASE_URL]
#include <cstdlib>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "identity/secrets.h"
#include "identity/tokens.h"

int main(int argc, char** argv) {
  using namespace fluxgate;
  if (argc != 3 && argc != 4) return fmt::print(stderr, "usage: bench_people DATA_DIR COUNT [DATABASE_URL]\n"), 1;
  crypto::initialise();
  std::string data_dir = argv[1];
  int count = std::atoi(argv[2]);
  auto database = db::open(argc == 4 ? argv[3] : "sqlite:///" + data_dir + "/webui.db");
  auto secret = identity::session_secret("", data_dir);
  if (!secret) return fmt::print(stderr, "{}\n", secret.error().message().en), 1;
  identity::Tokens tokens(*secret);
  Millis now = system_clock().now_ms();
  database->write_now([now](db::Tx& tx) { db::create_missing(tx, now); });
  for (int i = 0; i < count; ++i) {
    std::string id = new_id(now);
    database->write_now([id, i, now](db::Tx& tx) {
      std::string email = fmt::format("bench{}-{}@localhost", i, id);
      tx.exec(
          "INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
          "VALUES ($1, 'bench', $2, 'user', '/user.png', $3, $3, $3)",
          {id, email, now / 1000});
      tx.exec("INSERT INTO auth (id, email, password, active) VALUES ($1, $2, '', TRUE)", {id, email});
      tx.exec("INSERT INTO fg_user (user_id, created_at) VALUES ($1, $2)", {id, now});
      credits::open_account(tx, id, Credits::whole(1'000'000'000), credits::make_stamp(now));
    });
    identity::TokenClaims claims;
    claims.user_id = id;
    claims.issued_at = now;
    claims.token_id = new_id(now);
    fmt::print("{}\n", tokens.issue(claims));
  }
}
