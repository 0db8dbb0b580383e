// What an answer that is no success means (spec/upstream-fal.md §1.8, §1.11, §4): the vendor's many shapes
// become one decision for the engine and one sentence for the user.
//
// Two questions are answered for each: what now (Decision), and was the work taken and perhaps billed (Took)?
// At submit the second decides whether it may be sent again:
//   4xx              no. The queue gives a request id with 200 and nothing else (§2.6).
//   5xx in fal's own words (error_type, X-Fal-Error-Type, x-fal-request-id), and any 500 or 503: no. They
//   come
//                    before an id was given out (§4.3), and 5xx is not charged (§4.4).
//   502, 504 of somebody between (an nginx page, a relay): maybe. The queue may stand behind it and have the
//   work. 3xx              no. It is not the queue that answered; the account's address is wrong. anything
//   else    maybe.
// Later the work is taken, so Took is yes; what is asked then is whether asking again can change the answer.
//
// The vendor's words reach the user only where they say what is wrong with the input, cut to 300 bytes; whole
// bodies go to `detail`, cut to 500 bytes, for the log.
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// A submit that was not 2xx.
Failed refused_submit(const HttpResponse& response);

// What a status already said about the result that is asked for.
enum class Ended { unsaid, badly };
// A result that was not 2xx. Bad input, moderation and model crashes end the task; so does a 5xx when the
// status said that the request ended badly. A 5xx that nobody announced is the platform's own trouble: asked
// again, if X-Fal-Needs-Retry does not forbid it.
Failed failed_result(const HttpResponse& response, Ended ended);

// A status or cancel call that was not 2xx.
Failed failed_call(const HttpResponse& response);

// The same, said inside a body: a webhook's payload, a clone's FAILED. `http_status` is the status that the
// model chose, 0 when unknown.
Failed failed_payload(const boost::json::object& payload, int http_status = 0);

// Whether a 2xx body without anything useful complains about something instead.
bool complains(const boost::json::object& body);

Failed no_media();
Failed was_cancelled();
// An answer that should have been readable. `took` as for a submit.
Failed unreadable(const HttpResponse& response, Took took);

// The account's key must not stand in anything that is kept or shown, even when an upstream echoes it.
void hide_key(Failed& failed, std::string_view key);

}  // namespace fluxgate::providers::fal
