// Image inputs at submit: what may be used, decided before anything is held (DESIGN §8).
#pragma once

#include <string>
#include <vector>

#include "base/coro.h"
#include "db/database.h"
#include "files/files.h"

namespace fluxgate::tasks {

// Inputs as the task keeps them: public URLs as given, files of ours as "/files/{id}/…". Pictures sent
// inline were stored; their rows are inserted by the submit's transaction.
struct TakenInputs {
  std::vector<std::string> values;
  std::vector<std::string> hashes;  // sha256 of each one's content, "" where only its address is known
  using Pictures = std::vector<std::pair<files::FileRow, files::Stored>>;
  Pictures uploads;
};

struct InputContext {
  std::string user_id;
  std::vector<std::string> own_origins;
  bool inline_only = false;  // no public URL: files of ours go inline, 10 MB in all
  Millis now = 0;
};

// What is refused leaves no pictures behind.
awaitable<Result<TakenInputs>> take_inputs(db::Database& database, files::Files& files, std::vector<std::string> inputs,
                                           std::string param, InputContext context);
// The submit was refused after all, and with it the pictures that came inside.
awaitable<void> abandon(db::Database& database, TakenInputs::Pictures pictures, Millis now);

}  // namespace fluxgate::tasks
