// Results that need not be made again: the same model, parameters with an explicit seed, and input files of
// the same content give the earlier result at once. Off unless the request or the installation asks for it.
//
// A hit is a task of its own, succeeded from the start, with files of its own on the same stored bytes, so
// history, charges and deletion work as for any other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "catalogue/catalogue.h"
#include "db/database.h"
#include "files/files.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

struct CacheRules {
  enum class Mode { off, request, always };  // request: only where the request says use_cache
  Mode mode = Mode::request;
  int price_percent = 0;       // of the price, for a hit; 0–100
  bool across_users = false;   // a result of one user may be given to another
  int max_age_days = 30;       // 0 = no limit
  std::int64_t rev = 0;        // 0 = never saved
};

std::string_view name(CacheRules::Mode mode);
std::optional<CacheRules::Mode> cache_mode_named(std::string_view text);

inline constexpr std::string_view kCacheKey = "result_cache";  // of the setting
boost::json::object to_json(const CacheRules& rules);
// Reads what to_json wrote; what is absent or of another shape has its default.
CacheRules cache_rules_from(const boost::json::object& stored);
CacheRules load_cache_rules(db::Tx& tx);
// False when `rules.rev` is not the stored revision any more.
bool save_cache_rules(db::Tx& tx, const CacheRules& rules, Millis now);

// What would give the same result, as a hash; "" when that is not certain: no explicit seed, or an input whose
// content is not known. `hashes` are the sha256 of the inputs, in the order of `normalised.inputs`.
std::string cache_key(const catalogue::Model& model, std::string_view endpoint, const catalogue::Normalised& normalised,
                      const std::vector<std::string>& hashes);

// An earlier result, as the files of a new task; nothing is written.
struct CacheHit {
  std::string task_id;                 // that made it
  boost::json::value result;
  std::string seed;
  std::vector<TaskFile> files;         // with ids of their own
  std::vector<files::FileRow> rows;
  Credits price;
};
std::optional<CacheHit> find_cached(db::Tx& tx, const files::Files& files, const Task& task, const CacheRules& rules,
                                    Millis now);

}  // namespace fluxgate::tasks
