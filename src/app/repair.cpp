#include "app/repair.h"

#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "base/clock.h"
#include "catalogue/catalogue.h"
#include "files/blob_store.h"
#include "files/sniff.h"
#include "files/stock.h"
#include "identity/secrets.h"
#include "stats/usage.h"

namespace fluxgate::app {

Error database_error(const db::Failure& failure) {
  return Error(Errc::internal, "database", db::told(failure));
}

std::vector<std::string> flux_models(const Config& config) {
  std::vector<std::string> ids;
  const auto loaded = catalogue::load(config.data_dir + "/catalogue");
  if (!loaded.catalogue) return ids;
  for (const auto* model : loaded.catalogue->models("flux")) ids.push_back(model->id());
  return ids;
}

namespace {

// Into the folder of results; a repair that is rolled back leaves bytes that nobody refers to, which files gc removes.
std::optional<db::adopt::KeptFile> keep_file(const std::string& data_dir, std::string_view bytes) {
  const auto format = files::sniff(bytes.substr(0, files::kSniffBytes));
  if (!files::is_picture(format) && !files::is_film(format) && !files::is_sound(format)) return std::nullopt;
  const auto refuse = [](const Error& error) { throw db::CareFailure(error.message()); };
  try {
    const files::BlobStore store(data_dir + "/files");
    const auto staged = store.stage();
    if (auto written = staged->append(bytes); !written) refuse(written.error());
    auto key = store.publish(*staged, files::extension_of(format));
    if (!key) refuse(key.error());
    return db::adopt::KeptFile{*key, std::string(files::sha256_of(*key)), std::string(files::mime_of(format)), staged->size()};
  } catch (const std::system_error& error) {
    throw db::Failure(fmt::format("a picture of the old database cannot be written: {}", error.what()));
  }
}

}  // namespace

Result<db::Repaired> repair_database(const Config& config, const std::string& url, const RepairWishes& wishes) {
  std::unique_ptr<crypto::Sealer> sealer;
  std::optional<Error> no_key;
  db::adopt::Options options;
  options.now = system_clock().now_ms();
  options.data_dir = config.data_dir;
  options.give_back = wishes.give_back;
  options.flux_models = flux_models(config);
  options.keep = [&config](std::string_view bytes) { return keep_file(config.data_dir, bytes); };
  options.then = [](db::Tx& tx) {
    files::take_stock(tx);
    stats::take_stock(tx);
  };
  // `options` is read again after this, by the change itself.
  const auto go_on = [&](const db::Plan& plan) {
    if (!wishes.go_on(plan)) return false;
    if (!plan.adopts || !plan.possible()) return true;
    auto key = identity::master_key(config.master_key, config.data_dir);
    if (!key) {
      no_key = key.error();
      return false;
    }
    sealer = std::make_unique<crypto::Sealer>(*key);
    options.sealer = sealer.get();
    return true;
  };
  try {
    auto repaired = db::repair(*db::care_for(url), options, go_on);
    if (no_key) return fail(*no_key);
    return repaired;
  } catch (const db::Failure& failure) {
    return fail(database_error(failure));
  }
}

std::string describe(const db::adopt::Line& line, Language language) {
  std::string rows;
  if (line.rows_in != 0 || line.rows_out != 0)
    rows = language == Language::zh ? fmt::format("（{} 行 → {} 行）", line.rows_in, line.rows_out)
                                    : fmt::format(" ({} → {} rows)", line.rows_in, line.rows_out);
  const std::string_view mark = line.level == db::adopt::Level::error ? "✗" : line.level == db::adopt::Level::warning ? "!" : "·";
  return fmt::format("  {} {:<24} {}{}", mark, line.table.empty() ? "-" : line.table, line.text.in(language), rows);
}

}  // namespace fluxgate::app
