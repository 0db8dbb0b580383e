#include "base/json_text.h"
#include "http/server.h"

namespace fluxgate::http {

Response Response::json(const boost::json::value& value, int status) {
  return json_text(fluxgate::json_text(value), status);
}

Response Response::json_text(std::string text, int status) {
  return Response{status, {{"Content-Type", "application/json"}}, std::move(text)};
}

Response Response::text(std::string text, std::string content_type, int status) {
  return Response{status, {{"Content-Type", std::move(content_type)}}, std::move(text)};
}

Response Response::file(FileBody file) { return Response{200, {}, std::move(file)}; }

Response Response::stream(std::string content_type, StreamBody body) {
  return Response{200, {{"Content-Type", std::move(content_type)}}, std::move(body)};
}

Response Response::redirect(std::string location, int status) {
  return Response{status, {{"Location", std::move(location)}}, std::string()};
}

}  // namespace fluxgate::http
