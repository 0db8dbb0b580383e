#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "app/commands/commands.h"
#include "app/commands/people.h"
#include "app/keys.h"
#include "app/opening_credit.h"
#include "app/workspace.h"
#include "credits/ledger.h"
#include "identity/input.h"
#include "identity/tokens.h"

namespace fluxgate::app {
namespace {

struct UserWords {
  std::string who, name, password, role, lifetime = "4w";
};

std::string role_name(identity::Role role) {
  return role == identity::Role::admin ? "admin" : role == identity::Role::user ? "user" : "pending";
}

std::optional<identity::Role> role_of(const std::string& text) {
  if (text == "admin") return identity::Role::admin;
  if (text == "user") return identity::Role::user;
  if (text == "pending") return identity::Role::pending;
  return std::nullopt;
}

// From --password, else one line of standard input, so that it need not stand in the shell's history.
std::string password_of(const UserWords& words) {
  if (!words.password.empty()) return words.password;
  if (::isatty(STDIN_FILENO)) std::fprintf(stderr, "Password: ");
  std::string line;
  std::getline(std::cin, line);
  return line;
}

void print(const identity::User& user) {
  fmt::print("{}  {:<8} {}  {}\n", user.id, role_name(user.role), user.email, user.name);
}

ExitCode with_console(const Config& config, const std::function<Result<void>(identity::Console&, db::Database&)>& act, Access access = Access::tool) {
  configure_log(config);
  auto workspace = open_workspace(config, access);
  if (!workspace) return report(workspace.error());
  auto console = open_console(config, *workspace->database);
  auto done = act(console, *workspace->database);
  return done ? ExitCode::ok : report(done.error());
}

Result<void> add(identity::Console& console, const UserWords& words) {
  identity::SignUp form{words.name.empty() ? words.who : words.name, words.who, password_of(words), ""};
  FLUX_TRY(user, console.add(form, role_of(words.role)));
  print(user);
  return {};
}

Result<void> list(identity::Console& console) {
  identity::UserQuery query;
  query.ascending = true;
  query.limit = 100;
  for (;; query.offset += query.limit) {
    auto page = console.list(query);
    for (const auto& user : page.users) print(user);
    if (static_cast<std::int64_t>(page.users.size()) < query.limit) return {};
  }
}

Result<void> token(identity::Console& console, db::Database& database, const Config& config, const UserWords& words) {
  FLUX_TRY(secret, session_secret(config, database));
  auto lifetime = identity::parse_duration(words.lifetime);
  if (!lifetime)
    return fail(Errc::invalid, "duration", {"--lifetime must be like 30m, 12h or 4w; -1 never ends. Received: " + words.lifetime,
                                            "--lifetime 应形如 30m、12h 或 4w，-1 表示永不过期。收到：" + words.lifetime});
  identity::Tokens tokens(secret);
  FLUX_TRY(session, console.token(words.who, tokens, *lifetime));
  fmt::print("{}\n", session.token);
  return {};
}

}  // namespace

identity::Console open_console(const Config& config, db::Database& database) {
  identity::Console::Options options;
  options.scheme = identity::hash_scheme_of(database);
  options.on_new_user = [given = config.default_credit](db::Tx& tx, const std::string& user_id, Millis now) {
    credits::open_account(tx, user_id, opening_credit(tx, given), credits::make_stamp(now));
  };
  return identity::Console(database, system_clock(), std::move(options));
}

void add_user(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* user = cli.add_subcommand("user", "Manage users; works beside a running server");
  user->require_subcommand(1);
  auto words = std::make_shared<UserWords>();

  auto* add_command = user->add_subcommand("add", "Make a user");
  add_command->add_option("email", words->who)->required();
  add_command->add_option("--name", words->name, "Display name");
  add_command->add_option("--password", words->password, "Else read from standard input");
  add_command->add_option("--role", words->role)->check(CLI::IsMember({"pending", "user", "admin"}));
  add_command->add_option("--default-credit", config.default_credit, "Credits the account opens with")->envname("CREDIT_DEFAULT_CREDIT");
  add_command->callback([&config, &exit_code, words] {
    exit_code = with_console(config, [words](identity::Console& console, db::Database&) { return add(console, *words); });
  });

  user->add_subcommand("list", "List all users")->callback([&config, &exit_code] {
    exit_code = with_console(config, [](identity::Console& console, db::Database&) { return list(console); }, Access::read);
  });

  auto* passwd = user->add_subcommand("passwd", "Set a password; ends the user's sessions");
  passwd->add_option("user", words->who, "E-mail or id")->required();
  passwd->add_option("--password", words->password, "Else read from standard input");
  passwd->callback([&config, &exit_code, words] {
    exit_code = with_console(config, [words](identity::Console& console, db::Database&) -> Result<void> {
      FLUX_CHECK(console.set_password(words->who, password_of(*words)));
      return {};
    });
  });

  auto* role = user->add_subcommand("role", "Change a role");
  role->add_option("user", words->who, "E-mail or id")->required();
  role->add_option("role", words->role)->required()->check(CLI::IsMember({"pending", "user", "admin"}));
  role->callback([&config, &exit_code, words] {
    exit_code = with_console(config, [words](identity::Console& console, db::Database&) -> Result<void> {
      FLUX_TRY(changed, console.set_role(words->who, *role_of(words->role)));
      print(changed);
      return {};
    });
  });

  auto* token_command = user->add_subcommand("token", "Print a sign-in token");
  token_command->add_option("user", words->who, "E-mail or id")->required();
  token_command->add_option("--lifetime", words->lifetime, "e.g. 12h; -1 never ends")->capture_default_str();
  token_command->add_option("--secret-key", config.secret_key)->envname("WEBUI_SECRET_KEY");
  token_command->callback([&config, &exit_code, words] {
    exit_code = with_console(config, [&config, words](identity::Console& console, db::Database& database) {
      return token(console, database, config, *words);
    });
  });
}

}  // namespace fluxgate::app
