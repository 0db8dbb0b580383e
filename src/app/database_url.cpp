#include "app/database_url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/log.h"

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

constexpr std::array kPartNames{"DATABASE_TYPE", "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME"};

struct Parts {
  std::string url;      // when all are set
  std::string missing;  // when only some are
};

Error bad_part(std::string_view name, const Text& rule, std::string_view received) {
  return misconfigured({fmt::format("{} must be {}; received: {}", name, rule.en, received), fmt::format("{} 必须是{}；收到：{}", name, rule.zh, received)});
}

bool is_port(std::string_view text) {
  int number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 65535;
}

// In a URL colons are for the port and slashes for the name: an IPv6 address stands in brackets, a folder of sockets encoded.
std::string host_in_url(const std::string& host) {
  if (host.starts_with('/')) return percent_encoded(host);
  return host.contains("::") && !host.starts_with('[') ? "[" + host + "]" : host;
}

Result<Parts> parts_given() {
  std::array<std::string, kPartNames.size()> parts;
  std::string missing;
  for (std::size_t i = 0; i < kPartNames.size(); ++i) {
    parts[i] = variable(kPartNames[i]);
    if (parts[i].empty()) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", kPartNames[i]);
  }
  if (std::ranges::all_of(parts, &std::string::empty)) return Parts{};
  if (!missing.empty()) return Parts{"", missing};
  const auto& [type, user, password, host, port, name] = parts;
  if (!type.starts_with("postgres")) return fail(bad_part("DATABASE_TYPE", {"postgresql", " postgresql"}, type));
  if (!is_port(port)) return fail(bad_part("DATABASE_PORT", {"a number from 1 to 65535", " 1 到 65535 的数字"}, port));
  return Parts{fmt::format("{}://{}:{}@{}:{}/{}", type, percent_encoded(user), percent_encoded(password), host_in_url(host), port,
                           percent_encoded(name)), ""};
}

Result<std::string> with_schema(std::string url) {
  const std::string schema = variable("DATABASE_SCHEMA");
  if (schema.empty() || !url.starts_with("postgres")) return url;
  const bool plain = std::ranges::all_of(schema, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  if (!plain)
    return fail(misconfigured({"DATABASE_SCHEMA must be made of letters, digits and underscores.", "DATABASE_SCHEMA 只能包含字母、数字和下划线。"}));
  // In quotes, as SQLAlchemy writes it: a name may have capitals.
  return url + (url.contains('?') ? "&" : "?") + "options=-csearch_path%3D%22" + schema + "%22";
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Error which_file(const std::string& relative, const std::string& absolute) {
  return misconfigured(
      {fmt::format("Both {} and {} exist. With three slashes the URL means the first; write sqlite:///{} (four slashes) for the second, or "
                   "sqlite:///./{} for the first.", relative, absolute, absolute, relative),
       fmt::format("{} 与 {} 都存在。三个斜杠表示前者；若指后者请写 sqlite:///{}（四个斜杠），若指前者请写 sqlite:///./{}。", relative, absolute,
                   absolute, relative)});
}

// "sqlite:///app/backend/data/webui.db", as the original's compose file has it, is a relative path, though the volume
// is at the absolute one. The one that exists is meant; of files that are still to be made, the one whose folder does.
Result<std::string> relative_or_absolute(const std::string& relative) {
  const std::string absolute = "/" + relative;
  const auto folder = [](const std::string& path) { return std::filesystem::path(path).parent_path(); };
  const bool here = is_there(relative), there = is_there(absolute);
  std::error_code ignored;
  if (here && there && std::filesystem::equivalent(relative, absolute, ignored)) return "sqlite:///" + absolute;
  if (here && there) return fail(which_file(relative, absolute));
  const bool no_folder_here = !folder(relative).empty() && !is_there(folder(relative));
  const bool means_absolute = !here && (there || (no_folder_here && folder(absolute) != "/" && is_there(folder(absolute))));
  if (means_absolute) {
    log::warn("the database is {}: with three slashes the URL means {}, which does not exist. Write sqlite:///{} (four slashes)", absolute,
              relative, absolute);
    return "sqlite:///" + absolute;
  }
  if (!here && no_folder_here)
    return fail(misconfigured(
        {fmt::format("With three slashes the URL means the relative path {}, whose folder does not exist. Write sqlite:///{} (four slashes) "
                     "for the absolute path, or make the folder.", relative, absolute),
         fmt::format("三个斜杠表示相对路径 {}，其目录不存在。若指绝对路径请写 sqlite:///{}（四个斜杠），或先创建该目录。", relative, absolute)}));
  return "sqlite:///" + relative;
}

// SQLite's own URIs have options that would change what the file is (read-only, in memory, without locks).
Error not_as_uri(const std::string& uri, std::string path) {
  if (path.starts_with("//")) path.erase(0, std::min(path.find('/', 2), path.size()));  // file://host/path
  return misconfigured({fmt::format("DATABASE_URL has the file as a URI of SQLite's, {}. Write its path alone: sqlite:///{}", uri, path),
                        fmt::format("DATABASE_URL 使用了 SQLite 的 URI 形式 {}，请只写路径：sqlite:///{}", uri, path)});
}

// SQLAlchemy's spellings: "sqlite+pysqlite:///…", and options after "?" that mean nothing here.
Result<std::string> as_sqlalchemy_means(std::string url) {
  if (url.starts_with("sqlite+sqlcipher"))
    return fail(misconfigured({"Databases encrypted with SQLCipher cannot be opened. Export it to a plain SQLite file first (sqlcipher_export).",
                               "不支持 SQLCipher 加密的数据库，请先导出为普通 SQLite 文件（sqlcipher_export）。"}));
  if (const auto colon = url.find("://"); url.starts_with("sqlite+") && colon != std::string::npos) url = "sqlite" + url.substr(colon);
  constexpr std::string_view kFile = "sqlite:///", kUri = "file:";
  if (!url.starts_with("sqlite:")) return with_schema(std::move(url));
  const std::string path = url.starts_with(kFile) ? url.substr(kFile.size(), url.find('?') - kFile.size()) : "";
  if (path.empty() || path == ":memory:")  // which would end with the program
    return fail(misconfigured({"DATABASE_URL names no file: write sqlite:////data/webui.db.", "DATABASE_URL 未指定文件，应形如 sqlite:////data/webui.db。"}));
  if (path.starts_with(kUri)) return fail(not_as_uri(path, path.substr(kUri.size())));
  if (path.starts_with('/') || path.starts_with("./") || path.starts_with("../")) return std::string(kFile) + path;
  return relative_or_absolute(path);
}

// Where the original would have found it: it renamed the file of its oldest versions.
Result<std::string> default_file(const std::string& data_dir) {
  const std::string file = data_dir + "/webui.db", oldest = data_dir + "/ollama.db";
  if (!is_there(file) && is_there(oldest))
    return fail(misconfigured({fmt::format("There is no {}, but an {} of the oldest versions. Rename it to webui.db, or name another database "
                                           "with --database-url.", file, oldest),
                               fmt::format("没有 {}，但存在旧版本的 {}。请将其改名为 webui.db，或用 --database-url 指定其他数据库。", file, oldest)}));
  return "sqlite:///" + file;
}

}  // namespace

Result<std::string> database_url(const Config& config) {
  if (!config.database_url.empty() && config.database_url != variable("DATABASE_URL")) return as_sqlalchemy_means(config.database_url);
  FLUX_TRY(parts, parts_given());
  if (!parts.url.empty() && !config.database_url.empty() && parts.url != config.database_url)
    return fail(misconfigured({"DATABASE_URL and the parts DATABASE_TYPE, DATABASE_HOST … name different databases. Unset one of them.",
                               "DATABASE_URL 与 DATABASE_TYPE、DATABASE_HOST 等变量指向不同的数据库，请只保留一种。"}));
  if (!config.database_url.empty()) return as_sqlalchemy_means(config.database_url);
  // Open WebUI ignores them then, and would make a new file without a word.
  if (!parts.missing.empty())
    return fail(misconfigured({fmt::format("Of the variables that describe the database these are not set: {}. Set them, or DATABASE_URL alone.", parts.missing),
                               fmt::format("数据库变量未设置完整，缺少：{}。请补全，或只设置 DATABASE_URL。", parts.missing)}));
  if (!parts.url.empty()) return with_schema(parts.url);
  return default_file(config.data_dir);
}

}  // namespace fluxgate::app
