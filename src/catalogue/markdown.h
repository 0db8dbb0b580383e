// The catalogue as a page for people: docs/models.md is made by this, and a test keeps it in step.
#pragma once

#include <string>

#include "catalogue/catalogue.h"

namespace fluxgate::catalogue {

// All models in a table, then each with what its endpoints take.
std::string models_markdown(const Catalogue& catalogue);

}  // namespace fluxgate::catalogue
