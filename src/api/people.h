// What the endpoints about people share: their services, and how a user and a session look in JSON.
// Shapes: spec/seed-api.md §12.2, §13.
#pragma once

#include "api/support.h"
#include "db/database.h"
#include "identity/identity.h"
#include "notify/events.h"

namespace fluxgate::api {

// Made by the composition root; the routes share it.
struct People {
  identity::Identity& identity;
  db::Database& database;
  const Clock& clock;
  notify::Hub& hub;
  Guard guard;
  bool secure_cookies = false;  // also when the request itself came over TLS
};

// A route's handler as a plain function of its services and the request.
using PeopleHandler = awaitable<Result<http::Response>> (*)(const People&, http::Request&);
http::Handler bind(std::shared_ptr<const People> people, PeopleHandler handler);

// id, email, name, role, profile_image_url and times in seconds. Never a password, key or provider subject.
boost::json::object user_body(const identity::User& user);

// user_body's first five with token, token_type, expires_at (seconds or null), permissions and credit.
awaitable<boost::json::object> session_body(const People& people, identity::Session session);
// The session as an answer, with the cookie a browser needs.
awaitable<http::Response> session_answer(const People& people, const http::Request& request,
                                         identity::Session session);
std::string session_cookie(const People& people, const http::Request& request,
                           const identity::Session& session);

// What a user may spend, for each id that has an account.
std::optional<Credits> spendable(db::Tx& tx, std::string_view user_id);

// Open WebUI's permission tree with what an admin stored over it.
boost::json::object permissions(const boost::json::object& stored_settings);

}  // namespace fluxgate::api
