#include "db/postgresql_target.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "db/database.h"

namespace fluxgate::db {
namespace {

struct OptionsDeleter {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// Ours when the URL does not say otherwise. A host that is gone without a word (a machine that died, a cut
// cable) is noticed within about ten seconds.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"application_name", "fluxgate"}, {"connect_timeout", "3"},     {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},     {"keepalives_count", "3"},    {"tcp_user_timeout", "10000"},
};

// "postgresql", "postgres", with or without "+driver".
bool is_postgres_scheme(std::string_view scheme) {
  scheme = scheme.substr(0, scheme.find('+'));
  return scheme == "postgresql" || scheme == "postgres";
}

// libpq's own sentence may quote a part of the password when the URL is malformed, so it is not passed on, but
// for the one about a parameter after the "?".
Failure malformed(std::string_view libpq_says) {
  std::string hint;
  if (libpq_says.starts_with("invalid URI query parameter"))
    hint = fmt::format(" ({})", libpq_says.substr(0, libpq_says.find('\n')));
  return Failure(fmt::format(
      "DATABASE_URL is not a PostgreSQL URL{}. Write postgresql://user:password@host:5432/name; "
      "characters such as @ : / ? # % in the password must be percent-encoded (@ is %40).", hint));
}

std::string value_of(const PostgresTarget& target, std::string_view name) {
  auto found = std::ranges::find(target.keywords, name, &std::pair<std::string, std::string>::first);
  return found == target.keywords.end() ? "" : found->second;
}

// "one:5432,two:5433/name"
std::string describe(const PostgresTarget& target) {
  const std::string hosts = value_of(target, "host"), ports = value_of(target, "port");
  std::string text;
  std::size_t from = 0, port_from = 0;
  for (;;) {
    const auto to = std::min(hosts.find(',', from), hosts.size());
    const auto port_to = std::min(ports.find(',', port_from), ports.size());
    const std::string port = ports.substr(port_from, port_to - port_from);
    const std::string host = hosts.substr(from, to - from);
    if (!text.empty()) text += ',';
    if (host.starts_with('/')) text += host;  // the folder of a socket
    else text += fmt::format("{}:{}", host.empty() ? "localhost" : host, port.empty() ? "5432" : port);
    if (to == hosts.size()) break;
    from = to + 1;
    if (port_to < ports.size()) port_from = port_to + 1;  // one port may stand for all hosts
  }
  return text + "/" + value_of(target, "dbname");
}

}  // namespace

bool is_postgres_url(std::string_view url) {
  const auto colon = url.find("://");
  return colon != std::string_view::npos && is_postgres_scheme(url.substr(0, colon));
}

PostgresTarget parse_postgres_url(std::string_view url, bool writable) {
  const std::string plain = "postgresql" + std::string(url.substr(url.find("://")));
  char* complaint = nullptr;
  std::unique_ptr<PQconninfoOption, OptionsDeleter> options(PQconninfoParse(plain.c_str(), &complaint));
  const std::string says = complaint ? complaint : "";
  PQfreemem(complaint);
  if (!options) throw malformed(says);

  PostgresTarget target;
  for (const PQconninfoOption* option = options.get(); option->keyword; ++option)
    if (option->val) target.keywords.emplace_back(option->keyword, option->val);
  // An unencoded @ or / in the password makes libpq take its rest for a host or a port, which it would then print.
  const bool odd_port = value_of(target, "port").find_first_not_of("0123456789,") != std::string::npos;
  if (odd_port || value_of(target, "host").contains('@')) throw malformed("");
  const auto add = [&target](const char* name, const char* value) {
    if (value_of(target, name).empty()) target.keywords.emplace_back(name, value);
  };
  for (const auto& [name, value] : kDefaults) add(name, value);
  if (writable) add("target_session_attrs", "read-write");
  std::erase_if(target.keywords, [](const auto& pair) { return pair.first == "client_encoding"; });
  target.keywords.emplace_back("client_encoding", "UTF8");
  target.described = describe(target);
  return target;
}

}  // namespace fluxgate::db
