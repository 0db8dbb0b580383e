#include "api/docs_page.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6577;--line:#d9dee7;--page:#fbfcfe;--card:#fff;--code:#f1f4f9;
--get:#0b6e4f;--post:#2456b8;--put:#8a5a00;--delete:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa5b8;--line:#2d3546;--page:#10141c;--card:#171d28;--code:#1f2735;
--get:#4fd0a5;--post:#86aeff;--put:#e6b35a;--delete:#ff8a80}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:58rem;margin:0 auto;padding:2.5rem 1.25rem 5rem}h1{font-size:2rem;margin:0}h2{margin:2.75rem 0 .75rem;font-size:1.3rem}
nav{display:flex;flex-wrap:wrap;gap:.4rem 1rem;margin:1.25rem 0;padding:.75rem 0;border-block:1px solid var(--line)}
a{color:inherit}p,li{max-width:46rem}.soft{color:var(--soft)}pre{white-space:pre-wrap;margin:.5rem 0}
code,pre{font:.875rem/1.5 ui-monospace,monospace}pre,.path{background:var(--code);border-radius:.4rem;padding:.1rem .4rem}pre{padding:.6rem .8rem;overflow-x:auto}
details{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.5rem 0}
summary{cursor:pointer;display:flex;flex-wrap:wrap;align-items:baseline;gap:.35rem .75rem;padding:.6rem .9rem}
summary:focus-visible{outline:3px solid var(--post);outline-offset:2px;border-radius:.6rem}
details>div{padding:.25rem .9rem 1rem;border-top:1px solid var(--line)}
.method{font-weight:700;font-size:.8rem;min-width:4.2rem}.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.delete{color:var(--delete)}
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-size:.85rem;color:var(--soft);font-weight:600}.lock{font-size:.8rem;color:var(--soft);margin-left:auto}
)";

constexpr std::string_view kExample =
    R"(curl http://localhost:8080/api/v1/flux/text-to-image \
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d '{"model": "fal-ai/flux-1/schnell", "prompt": "a lighthouse at dawn", "sync_mode": true}')";

constexpr std::string_view kMethods[] = {"get", "post", "put", "patch", "delete", "options"};

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// Follows "#/components/…" references one after the other.
const json::value& resolved(const json::object& document, const json::value& value) {
  const json::value* at = &value;
  for (int depth = 0; depth < 8 && at->is_object(); ++depth) {
    const auto* reference = at->as_object().if_contains("$ref");
    if (reference == nullptr) break;
    std::string_view rest = reference->as_string();
    rest.remove_prefix(2);
    const json::value* found = nullptr;
    const json::object* inside = &document;
    while (inside != nullptr) {
      const auto slash = rest.find('/');
      found = inside->if_contains(rest.substr(0, slash));
      if (found == nullptr || slash == std::string_view::npos) break;
      rest.remove_prefix(slash + 1);
      inside = found->if_object();
    }
    if (found == nullptr) break;
    at = found;
  }
  return *at;
}

// `code` in our descriptions.
std::string paragraph(std::string_view text) {
  std::string html;
  bool in_code = false;
  for (char c : html_escaped(text)) {
    if (c != '`') {
      html += c;
      continue;
    }
    html += in_code ? "</code>" : "<code>";
    in_code = !in_code;
  }
  return html + (in_code ? "</code>" : "");
}

// Paragraphs and lists ("- …") of a description, as far as ours use Markdown.
std::string prose(std::string_view text) {
  std::string html, block;
  const auto close_block = [&html, &block] {
    if (block.starts_with("- ")) {
      std::string items = paragraph(block.substr(2));
      for (auto at = items.find(" - "); at != std::string::npos; at = items.find(" - ", at))
        items.replace(at, 3, "</li><li>");
      html += "<ul><li>" + items + "</li></ul>";
    } else if (!block.empty()) {
      html += "<p>" + paragraph(block) + "</p>";
    }
    block.clear();
  };
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (line.empty())
      close_block();
    else
      block += (block.empty() ? "" : " ") + std::string(line);
  }
  close_block();
  return html;
}

std::string type_words(const json::object& document, const json::value& schema) {
  const json::value& plain = resolved(document, schema);
  const auto* object = plain.if_object();
  if (object == nullptr) return "";
  if (const auto* words = object->if_contains("enum")) {
    std::string list;
    for (const auto& word : words->as_array())
      list +=
          (list.empty() ? "" : " | ") + (word.is_string() ? std::string(word.as_string()) : json_text(word));
    return list;
  }
  if (const auto* fixed = object->if_contains("const")) return json_text(*fixed);
  const auto* type = object->if_contains("type");
  if (type == nullptr) return "";
  if (type->is_string()) return std::string(type->as_string());
  std::string list;
  for (const auto& word : type->as_array())
    list += (list.empty() ? "" : " | ") + std::string(word.as_string());
  return list;
}

std::string row(std::string_view first, std::string_view second, std::string_view third) {
  return fmt::format("<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>", html_escaped(first),
                     html_escaped(second), paragraph(third));
}

std::string parameter_rows(const json::object& document, const json::object& holder) {
  std::string html;
  const auto* list = holder.if_contains("parameters");
  if (list == nullptr) return html;
  for (const auto& item : list->as_array()) {
    const json::object& parameter = resolved(document, item).as_object();
    const auto* schema = parameter.if_contains("schema");
    html += row(text_of(parameter, "name"),
                fmt::format("{} {}", text_of(parameter, "in"), schema ? type_words(document, *schema) : ""),
                text_of(parameter, "description"));
  }
  return html;
}

std::string body_rows(const json::object& document, const json::object& operation) {
  const auto* body = operation.if_contains("requestBody");
  if (body == nullptr) return "";
  std::string html;
  for (const auto& [type, media] : body->as_object().at("content").as_object()) {
    const auto* schema = media.as_object().if_contains("schema");
    if (schema == nullptr) continue;
    const json::object& plain = resolved(document, *schema).as_object();
    const auto* properties = plain.if_contains("properties");
    if (properties == nullptr) continue;
    for (const auto& [name, member] : properties->as_object()) {
      const auto* described = resolved(document, member).if_object();
      html += row(name, type_words(document, member), described ? text_of(*described, "description") : "");
    }
  }
  return html;
}

std::string table(std::string_view title, const std::string& rows) {
  if (rows.empty()) return "";
  return fmt::format(
      "<table><thead><tr><th>{}</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{}</tbody></table>",
      title, rows);
}

std::string answers(const json::object& document, const json::object& operation) {
  std::string rows;
  for (const auto& [status, response] : operation.at("responses").as_object())
    rows += fmt::format("<tr><td><code>{}</code></td><td>{}</td></tr>", html_escaped(status),
                        paragraph(text_of(resolved(document, response).as_object(), "description")));
  return fmt::format(
      "<table><thead><tr><th>Status</th><th>Meaning</th></tr></thead><tbody>{}</tbody></table>", rows);
}

bool is_public(const json::object& operation) {
  const auto* security = operation.if_contains("security");
  return security != nullptr && security->as_array().empty();
}

std::string operation_html(const json::object& document, std::string_view path, std::string_view method,
                           const json::object& item, const json::object& operation) {
  std::string upper(method);
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  const std::string description = text_of(operation, "description");
  return fmt::format(
      "<details><summary><span class=\"method {}\">{}</span><code "
      "class=\"path\">{}</code><span>{}</span>{}</summary><div>{}{}{}{}</div></details>",
      method, upper, html_escaped(path), html_escaped(text_of(operation, "summary")),
      is_public(operation) ? "<span class=\"lock\">public</span>" : "", prose(description),
      table("Parameter", parameter_rows(document, item) + parameter_rows(document, operation)),
      table("Body", body_rows(document, operation)), answers(document, operation));
}

bool has_tag(const json::object& operation, std::string_view tag) {
  for (const auto& word : operation.at("tags").as_array())
    if (word == json::value(json::string(tag))) return true;
  return false;
}

std::string tag_html(const json::object& document, const json::object& tag) {
  const std::string name = text_of(tag, "name");
  std::string html = fmt::format("<h2 id=\"{0}\">{0}</h2><p class=\"soft\">{1}</p>", html_escaped(name),
                                 paragraph(text_of(tag, "description")));
  for (const auto& [path, item] : document.at("paths").as_object())
    for (std::string_view method : kMethods) {
      const auto* operation = item.as_object().if_contains(method);
      if (operation != nullptr && has_tag(operation->as_object(), name))
        html += operation_html(document, path, method, item.as_object(), operation->as_object());
    }
  return html;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string html;
  for (char c : text) {
    switch (c) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      default: html += c;
    }
  }
  return html;
}

std::string docs_page(const json::object& document) {
  const json::object& info = document.at("info").as_object();
  std::string links, sections;
  for (const auto& tag : document.at("tags").as_array()) {
    const std::string name = html_escaped(text_of(tag.as_object(), "name"));
    links += fmt::format("<a href=\"#{0}\">{0}</a>", name);
    sections += tag_html(document, tag.as_object());
  }
  const std::string title = html_escaped(text_of(info, "title"));
  return fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">"
      "<title>{0} API</title><style>{1}</style></head><body><main><h1>{0}</h1><p class=\"soft\">{2} · <a "
      "href=\"/api/openapi.json\">OpenAPI "
      "document</a></p>{3}<pre>{6}</pre><nav aria-label=\"Sections\">{4}</nav>{5}</main></body></html>",
      title, kStyle, html_escaped(text_of(info, "summary")), prose(text_of(info, "description")), links,
      sections, html_escaped(kExample));
}

}  // namespace fluxgate::api
