// What the engine needs besides, made light: one model, files without bytes.
#pragma once

#include <functional>
#include <memory>

#include "catalogue/catalogue.h"
#include "files/files.h"

namespace fluxgate::simulation {

// One model at five credits an image.
std::shared_ptr<const catalogue::Catalogue> sim_catalogue();

// Files that vanish with the test. `refusal` is asked at each write what the disk has against it; none when left out.
using Refusal = std::function<Result<void>()>;
std::unique_ptr<files::Files> sim_files(Refusal refusal = {});

}  // namespace fluxgate::simulation
