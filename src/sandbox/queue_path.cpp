#include "sandbox/queue_path.h"

#include "sandbox/endpoints.h"

namespace fluxgate::sandbox {

QueuePath read_queue_path(std::string_view path) {
  constexpr std::string_view kRequests = "/requests/";
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  QueuePath read;
  auto at = path.find(kRequests);
  read.endpoint = path.substr(0, at);
  auto parts = split_endpoint_id(read.endpoint);
  if (!parts) return read;
  if (at == path.npos) {
    read.operation = Operation::submit;
    return read;
  }
  read.full_id_form = !parts->path.empty();
  read.endpoint = parts->app;
  auto rest = path.substr(at + kRequests.size());
  auto slash = rest.find('/');
  read.request_id = rest.substr(0, slash);
  auto tail = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  if (tail.empty() || tail == "response") read.operation = Operation::result;
  if (tail == "status") read.operation = Operation::status;
  if (tail == "status/stream") read.operation = Operation::stream;
  if (tail == "cancel") read.operation = Operation::cancel;
  return read;
}

}  // namespace fluxgate::sandbox
