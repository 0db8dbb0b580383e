#include "app/database_url.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

namespace fluxgate::app {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_plain(char c) { return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").contains(c); }

// RFC 3986 §2.1: everything but unreserved characters.
std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (char c : text)
    if (is_plain(c)) encoded += c;
    else encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return encoded;
}

Error misconfigured(Text message) { return Error(Errc::internal, "database_url", std::move(message)); }

struct Parts {
  std::string url;      // when all are set
  std::string missing;  // when only some are
};

Parts parts_given() {
  constexpr std::array kNames{"DATABASE_TYPE", "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME"};
  std::array<std::string, kNames.size()> parts;
  std::string missing;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    parts[i] = variable(kNames[i]);
    if (parts[i].empty()) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", kNames[i]);
  }
  if (std::ranges::all_of(parts, &std::string::empty)) return {};
  if (!missing.empty()) return {"", missing};
  return {fmt::format("{}://{}:{}@{}:{}/{}", parts[0], percent_encoded(parts[1]), percent_encoded(parts[2]), parts[3], parts[4],
                      percent_encoded(parts[5])), ""};
}

Result<std::string> with_schema(std::string url) {
  const std::string schema = variable("DATABASE_SCHEMA");
  if (schema.empty() || !url.starts_with("postgres")) return url;
  const bool plain = std::ranges::all_of(schema, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  if (!plain)
    return fail(misconfigured({"DATABASE_SCHEMA must be made of letters, digits and underscores.", "DATABASE_SCHEMA 只能包含字母、数字和下划线。"}));
  return url + (url.contains('?') ? "&" : "?") + "options=-csearch_path%3D" + schema;
}

}  // namespace

Result<std::string> database_url(const Config& config) {
  if (!config.database_url.empty() && config.database_url != variable("DATABASE_URL")) return with_schema(config.database_url);
  const Parts parts = parts_given();
  if (!parts.url.empty() && !config.database_url.empty() && parts.url != config.database_url)
    return fail(misconfigured({"DATABASE_URL and the parts DATABASE_TYPE, DATABASE_HOST … name different databases. Unset one of them.",
                               "DATABASE_URL 与 DATABASE_TYPE、DATABASE_HOST 等变量指向不同的数据库，请只保留一种。"}));
  if (!config.database_url.empty()) return with_schema(config.database_url);
  // Open WebUI ignores them then, and would make a new file without a word.
  if (!parts.missing.empty())
    return fail(misconfigured({fmt::format("Of the variables that describe the database these are not set: {}. Set them, or DATABASE_URL alone.", parts.missing),
                               fmt::format("数据库变量未设置完整，缺少：{}。请补全，或只设置 DATABASE_URL。", parts.missing)}));
  if (!parts.url.empty()) return with_schema(parts.url);
  return "sqlite:///" + config.data_dir + "/webui.db";
}

}  // namespace fluxgate::app
