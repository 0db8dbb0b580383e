#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "app/commands/people.h"
#include "credits/ledger.h"
#include "notify/events.h"

namespace fluxgate::app {
namespace {

struct CreditWords {
  std::string who, amount, reason = "command line";
};

void print(const credits::Account& account) {
  fmt::print("available {}  held {}\n", account.available().to_string(), account.held.to_string());
}

Error no_amount(const std::string& text) {
  return Error(Errc::invalid, "amount", {"The amount must be a number with at most three decimals, received: " + text,
                                         "数量必须是最多三位小数的数字，收到：" + text});
}

ExitCode grant(const Config& config, const CreditWords& words) {
  configure_log(config);
  auto workspace = open_workspace(config, Access::tool);
  if (!workspace) return report(workspace.error());
  auto user = open_console(config, *workspace->database).find(words.who);
  if (!user) return report(user.error());
  auto amount = Credits::parse(words.amount);
  if (!amount) return report(no_amount(words.amount));
  auto stamp = credits::make_stamp(system_clock().now_ms());
  auto after = workspace->database->write_now([id = user->id, amount = *amount, reason = words.reason, stamp](db::Tx& tx) {
    credits::open_account(tx, id, Credits{}, stamp);
    auto granted = credits::grant(tx, id, amount, "", reason, stamp);
    if (granted)
      notify::append(tx, id, "credits.changed", {{"balance", granted->available().as_number()}, {"held", granted->held.as_number()}},
                     stamp.now);
    return granted;
  });
  if (!after) return report(after.error());
  print(*after);
  return ExitCode::ok;
}

ExitCode balance(const Config& config, const CreditWords& words) {
  configure_log(config);
  auto workspace = open_workspace(config, Access::read);
  if (!workspace) return report(workspace.error());
  auto user = open_console(config, *workspace->database).find(words.who);
  if (!user) return report(user.error());
  auto account = workspace->database->read_now([id = user->id](db::Tx& tx) { return credits::find_account(tx, id); });
  print(account.value_or(credits::Account{}));
  return ExitCode::ok;
}

}  // namespace

void add_credits(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("credits", "Look at and change credits; works beside a running server");
  command->require_subcommand(1);
  auto words = std::make_shared<CreditWords>();

  auto* grant_command = command->add_subcommand("grant", "Give credits, or take them with a negative amount");
  grant_command->add_option("user", words->who, "E-mail or id")->required();
  grant_command->add_option("amount", words->amount)->required();
  grant_command->add_option("--reason", words->reason, "Stands in the ledger")->capture_default_str();
  grant_command->callback([&config, &exit_code, words] { exit_code = grant(config, *words); });

  auto* balance_command = command->add_subcommand("balance", "Show what a user has");
  balance_command->add_option("user", words->who, "E-mail or id")->required();
  balance_command->callback([&config, &exit_code, words] { exit_code = balance(config, *words); });
}

}  // namespace fluxgate::app
