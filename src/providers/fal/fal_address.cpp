#include "providers/fal/fal_address.h"

#include <algorithm>

#include <boost/url.hpp>

#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

std::string host_of(std::string_view url) {
  auto parsed = boost::urls::parse_uri(url);
  return parsed ? std::string(parsed->encoded_host()) : "";
}

// The path of a returned address when it is `/{owner}/{app}/requests/{id}` with a known ending, else "".
std::string own_path(std::string_view url, std::string_view request_id) {
  auto parsed = boost::urls::parse_uri_reference(url);
  if (!parsed) return "";
  std::string path(parsed->encoded_path());
  while (path.ends_with('/')) path.pop_back();
  std::string marker = "/requests/" + std::string(request_id);
  auto at = path.find(marker);
  if (at == std::string::npos || path.find("..") != std::string::npos) return "";
  if (std::count(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(at), '/') < 2) return "";  // owner and application
  std::string_view ending = std::string_view(path).substr(at + marker.size());
  bool known = ending.empty() || ending == "/status" || ending == "/cancel" || ending == "/response";
  return known ? path : "";
}

std::string path_or(const boost::json::object& answer, std::string_view name, std::string_view request_id,
                    std::string_view ending, const std::string& built) {
  std::string path = own_path(text_of(answer, name), request_id);
  bool fits = !path.empty() && (ending.empty() ? !path.ends_with("/status") && !path.ends_with("/cancel") : path.ends_with(ending));
  return fits ? path : built + std::string(ending);
}

}  // namespace

std::string application_of(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  int segments = path.starts_with("workflows/") || path.starts_with("comfy/") ? 3 : 2;
  std::size_t end = 0;
  for (int i = 0; i < segments && end != std::string_view::npos; ++i) end = path.find('/', end == 0 ? 0 : end + 1);
  return std::string(path.substr(0, end));
}

boost::json::object reference_of(const boost::json::object& answer, std::string_view request_id, std::string_view endpoint_path) {
  std::string built = "/" + application_of(endpoint_path) + "/requests/" + std::string(request_id);
  return {{"request_id", request_id},
          {"status_path", path_or(answer, "status_url", request_id, "/status", built)},
          {"response_path", path_or(answer, "response_url", request_id, "", built)},
          {"cancel_path", path_or(answer, "cancel_url", request_id, "/cancel", built)}};
}

std::string address(const Account& account, std::string_view path) {
  std::string base = account.base_url;
  while (base.ends_with('/')) base.pop_back();
  // A returned path may already carry the prefix of the base.
  auto parsed = boost::urls::parse_uri(base);
  std::string prefix = parsed ? std::string(parsed->encoded_path()) : "";
  if (!prefix.empty() && path.starts_with(prefix + "/")) path.remove_prefix(prefix.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return base + "/" + std::string(path);
}

bool is_fal_host(std::string_view base_url) {
  std::string host = host_of(base_url);
  return host == "fal.run" || host.ends_with(".fal.run") || host.ends_with(".falrun.com");
}

std::string authorization(const Account& account) {
  std::string scheme = text_of(account.settings, "auth");
  if (scheme.empty()) {
    std::string host = host_of(account.base_url);
    bool loopback = host.starts_with("127.") || host == "localhost" || host == "[::1]";
    scheme = is_fal_host(account.base_url) || loopback ? "key" : "bearer";
  }
  return (scheme == "bearer" ? "Bearer " : "Key ") + account.key;
}

}  // namespace fluxgate::providers::fal
