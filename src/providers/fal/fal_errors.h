// What an answer that is no success means (§1.8, §1.11, §4).
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// At submit: was anything accepted, and may it be tried again?
Failed refused_submit(const HttpResponse& response);
// On the result of a finished request: the model's own refusal, or the platform's.
Failed failed_result(const HttpResponse& response);
// On a status or cancel call.
Failed failed_call(const HttpResponse& response);
// What a webhook's payload of a failed request says.
Failed failed_payload(const boost::json::object& payload);

Failed upstream_busy(const HttpResponse& response);
Failed no_media();

}  // namespace fluxgate::providers::fal
