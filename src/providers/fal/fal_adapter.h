// fal's queue protocol for FLUX, and its aggregator clones (spec/upstream-fal.md). The adapter is stateless
// and safe from every thread.
//
// Conversations, by intent (steps in quotes):
//   submit   "submit" POST, paid → Accepted with the reference, or the refusal
//   poll     "status" GET → Working; or, when it has ended, "result" GET → Done or Failed
//   watch    "watch" GET of the status stream → Working; ends as poll does, and becomes one where there is no stream
//   result   "result" GET → Done with fresh links
//   cancel   "cancel" PUT → Accepted (it may finish all the same, §1.7), too_late, lost
//   probe    "probe" GET of a request that nobody has → Accepted when the key is taken; costs nothing
//
// Facts that shape it: a submit is answered 200 whatever its input, and failures show at the result (§2.6);
// only three status words exist, clones have more (§2.2); links in answers are never followed, only their
// paths are used (§8.2); an exhausted balance is a 403 (§1.8).
#pragma once

#include <memory>

#include "providers/adapter.h"

namespace fluxgate::providers {

std::unique_ptr<Adapter> make_fal_adapter();

}  // namespace fluxgate::providers
