// fal's queue protocol for FLUX, and its aggregator clones (spec/upstream-fal.md). Start with
// fal_adapter.cpp; fal_answers.h reads what the upstream says, fal_errors.h judges what went wrong.
#pragma once

#include <memory>

#include "providers/adapter.h"

namespace fluxgate::providers {

std::unique_ptr<Adapter> make_fal_adapter();

}  // namespace fluxgate::providers
