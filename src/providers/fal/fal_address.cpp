#include "providers/fal/fal_address.h"

#include <algorithm>
#include <cctype>

#include <boost/url.hpp>

#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string host_of(std::string_view url) {
  auto parsed = boost::urls::parse_uri(url);
  return parsed ? lower(parsed->encoded_host()) : "";
}

std::string path_of(std::string_view url) {
  auto parsed = boost::urls::parse_uri_reference(url);
  std::string path = parsed ? std::string(parsed->encoded_path()) : "";
  while (path.ends_with('/')) path.pop_back();
  return path;
}

bool is_plain(std::string_view segment) {
  return !segment.empty() && segment != "." && segment != ".." &&
         std::all_of(segment.begin(), segment.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
         });
}

// "/a/b" → 2; -1 when it is no absolute path of plain segments.
int plain_segments(std::string_view path) {
  constexpr int kSegmentsMax = 12;
  int count = 0;
  while (!path.empty()) {
    if (path.front() != '/' || count == kSegmentsMax) return -1;
    path.remove_prefix(1);
    std::string_view segment = path.substr(0, path.find('/'));
    if (!is_plain(segment)) return -1;
    path.remove_prefix(segment.size());
    ++count;
  }
  return count;
}

// The path of a returned link when it is /{owner}/{app}[/…]/requests/{this id} with a known ending, else "".
std::string own_path(std::string_view url, std::string_view request_id, const Account& account) {
  if (url.size() > 2048) return "";
  std::string path = path_of(url);
  std::string marker = "/requests/" + std::string(request_id);
  auto at = path.find(marker);
  if (at == std::string::npos || plain_segments(path) < 0) return "";
  std::string_view ending = std::string_view(path).substr(at + marker.size());
  if (!ending.empty() && ending != "/status" && ending != "/cancel" && ending != "/response") return "";
  // A clone behind a prefix may return its own links with it; what is stored goes below the base again.
  std::string prefix = path_of(account.base_url);
  std::string_view before = std::string_view(path).substr(0, at);
  constexpr int kOwnerAndApplication = 2;
  if (!prefix.empty() && before.starts_with(prefix + "/") &&
      plain_segments(before.substr(prefix.size())) >= kOwnerAndApplication)
    return path.substr(prefix.size());
  return plain_segments(before) >= kOwnerAndApplication ? path : "";
}

}  // namespace

std::string application_of(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  int segments = path.starts_with("workflows/") || path.starts_with("comfy/") ? 3 : 2;
  std::size_t end = 0;
  for (int i = 0; i < segments && end != std::string_view::npos; ++i)
    end = path.find('/', end == 0 ? 0 : end + 1);
  return std::string(path.substr(0, end));
}

bool is_request_id(std::string_view id) {
  constexpr std::size_t kBytesMax = 200;
  return id.size() <= kBytesMax && is_plain(id) && id.find('~') == std::string_view::npos;
}

boost::json::object reference_of(const boost::json::object& answer, std::string_view request_id,
                                 std::string_view endpoint_path, const Account& account) {
  boost::json::object reference{{"request_id", request_id}, {"app", application_of(endpoint_path)}};
  auto put = [&](const char* name, const char* link, std::string_view ending) {
    std::string path = own_path(text_of(answer, link), request_id, account);
    bool other = ending.empty() && (path.ends_with("/status") || path.ends_with("/cancel"));
    bool fits = !path.empty() && path.ends_with(ending) && !other;
    reference[name] = fits ? path : built_path(reference, ending);
  };
  put("status_path", "status_url", "/status");
  put("response_path", "response_url", "");
  put("cancel_path", "cancel_url", "/cancel");
  return reference;
}

std::string built_path(const boost::json::object& reference, std::string_view ending) {
  std::string id = text_of(reference, "request_id"), application = text_of(reference, "app");
  if (id.empty() || application.empty()) return "";
  return "/" + application + "/requests/" + id + std::string(ending);
}

std::string address(const Account& account, std::string_view path) {
  std::string base = account.base_url;
  while (base.ends_with('/')) base.pop_back();
  while (path.starts_with('/')) path.remove_prefix(1);
  return base + "/" + std::string(path);
}

bool is_fal_host(std::string_view base_url) {
  std::string host = host_of(base_url);
  auto is = [&](std::string_view domain) {
    return host == domain || host.ends_with("." + std::string(domain));
  };
  return is("fal.run") || is("falrun.com") || is("fal.ai");
}

std::string authorization(const Account& account) {
  std::string scheme = lower(text_of(account.settings, "auth"));
  if (scheme != "key" && scheme != "bearer") {
    std::string host = host_of(account.base_url);
    bool loopback = host.starts_with("127.") || host == "localhost" || host == "[::1]";
    scheme = is_fal_host(account.base_url) || loopback ? "key" : "bearer";
  }
  return (scheme == "bearer" ? "Bearer " : "Key ") + account.key;
}

}  // namespace fluxgate::providers::fal
