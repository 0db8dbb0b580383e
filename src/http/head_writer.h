// Assembles the head of an answer as text. Beast's serializer would allocate a node per field and
// walk them again; this writes each byte once into a buffer the connection keeps.
#pragma once

#include <string>
#include <string_view>

#include "base/http_message.h"

namespace fluxgate::http {

void append_status_line(std::string& out, int status);
// Line ends inside `value` become spaces, so that no text from outside can add a header.
void append_header(std::string& out, std::string_view name, std::string_view value);
// All of `headers` but those that frame the message or are the server's own: Content-Length,
// Transfer-Encoding, Connection, Date, X-Request-Id. A coded body differs from the plain one byte for
// byte, so that its entity tag can only be a weak one (RFC 9110 §8.8.1).
enum class EtagForm { as_is, weak };
void append_headers(std::string& out, const HeaderList& headers, EtagForm etag = EtagForm::as_is);
void append_content_length(std::string& out, std::uint64_t length);
std::string_view find_header(const HeaderList& headers, std::string_view name);
// Answers that have no body whatever the handler says (RFC 9110 §6.4.1).
inline bool is_bodyless(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace fluxgate::http
