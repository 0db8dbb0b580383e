// The table cloud_storage_config in the fork's shape (spec/seed-db.md §11.1): here a row for each store that
// holds or held files, so that old links go on working when new files go elsewhere. At most one row is enabled;
// with none, files are kept on the local disk. Secrets are sealed in the row and never leave it in clear but
// towards the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "db/database.h"
#include "files/stores/settings.h"

namespace fluxgate::files {

struct StoreRow {
  std::string id;
  std::string provider = "tencent-cos";  // or "s3", "local"
  bool enabled = false;
  std::string secret_id, secret_key;  // sealed; "" = none
  std::string region = "ap-beijing", bucket, domain;
  bool auto_upload = true;            // false: new files stay on the disk until they are migrated
  std::vector<std::string> allowed_types = {"image/*", "video/*"};  // others stay on the disk, …
  std::uint64_t max_file_size = 104'857'600;                        // … and larger ones
  std::string base_path = "generated/", image_path = "images/", video_path = "videos/";

  // ---- in the column `options`, which the fork has not ----
  std::string token;                     // sealed; of temporary credentials
  std::string endpoint;                  // S3: its URL; COS: of a custom origin domain; "" = the service's own
  std::string addressing = "auto";       // S3: auto, virtual, path
  std::string acl, storage_class;        // "" = the bucket's own
  bool accelerate = false;               // COS: the global acceleration host
  bool image_processing = false;         // COS: the bucket makes previews (imageMogr2), paid per request
  std::string links = "signed";          // COS: signed, signed_without_host (a CDN that changes Host), plain
  std::string delivery = "redirect";     // of links: redirect to the store, or proxy through this server
  int link_seconds = 3600;               // life of the store's links

  Millis created_at = 0, updated_at = 0;

  bool is_remote() const { return provider != "local"; }
};

// Newest first, the enabled one before all.
std::vector<StoreRow> load_stores(db::Tx& tx);
// The one an admin sees: the enabled one, else the last that was saved.
std::optional<StoreRow> shown_store(db::Tx& tx);
// Writes the row over the one with its id; the others are disabled when it is enabled, and forgotten when nothing
// lies in them.
void save_store(db::Tx& tx, const StoreRow& row);
// Whether both name the same bucket of the same service, so that what lies in one lies in the other.
bool same_place(const StoreRow& a, const StoreRow& b);
// What generated_files.storage_provider says of a place.
std::string provider_of(db::Tx& tx, std::string_view place);

// With the secrets opened. internal (secret_unreadable) when they were sealed under another master key.
Result<StoreSettings> settings_of(const StoreRow& row, const crypto::Sealer& sealer);

// Whether a new file of that type and size goes to the store.
bool takes(const StoreRow& row, std::string_view mime, std::uint64_t size);
// Where an object goes: "generated/images/ab/cd/<sha256>.png".
std::string path_in(const StoreRow& row, std::string_view key, std::string_view mime);
// Its address as the fork wrote it: below the domain, else on the bucket's own host. Readable only where the bucket is.
std::string public_url(const StoreRow& row, std::string_view cloud_path);

}  // namespace fluxgate::files
