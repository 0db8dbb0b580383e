// The table fg_file_object: one row for each content that is kept, the same for all users whose rows have it.
// It says where the bytes are and how many rows of generated_files refer to them, and is the list of work
// of the mover: `next_at` is when something is to be done with an object, which follows from its row alone:
// nobody refers to it: remove it; it lies here and a store is configured: move it.
//
// What is done by several at once: a row of generated_files is inserted and removed together with its count
// here, in one transaction, under the object's row lock; bytes that nobody refers to stay for a grace period,
// so that whoever is about to refer to them finds them. Lock order: fg_file_usage, object, generated_files.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "db/database.h"
#include "files/files.h"

namespace fluxgate::files::objects {

struct Object {
  std::string key;
  std::uint64_t size = 0;
  std::int64_t refs = 0;
  std::string place;       // kLocal, or the id of a store
  std::string cloud_path;  // its key there
  std::string etag;
  std::int64_t tries = 0;
  std::string error;

  bool is_local() const { return place == kLocal; }
};

// One row more, or one less, has this content. The object as it is then; of a new one `stored` says where it is.
Object refer(db::Tx& tx, const Stored& stored, Millis now);
void release(db::Tx& tx, std::string_view key, Millis now);

std::optional<Object> find(db::Tx& tx, std::string_view key);

// Those that rows refer to, ascending by key, after `after`.
std::vector<Object> page(db::Tx& tx, std::string_view after, int limit);

// Before bytes are put into a store without a row: they are removed in the end, should none ever come.
// False while it is just being removed: come again.
bool reserve(db::Tx& tx, const Stored& stored, Millis now);
// The same for bytes whose rows will not come: what they belong to was refused. Others' rows may have them.
void abandon(db::Tx& tx, const std::vector<Stored>& all, Millis now);

// ---- the mover's ----

// Objects that are due and that no living node is at work on; they are `node`'s from now on. What `node` has already is
// given again, unless it is among `under_way`: its work ended without saying so.
std::vector<Object> claim(db::Tx& tx, std::string_view node, Millis now, int limit, const std::set<std::string>& under_way = {});
// Takes one of them for the same, due or not; nullopt when another node has it.
std::optional<Object> claim_one(db::Tx& tx, std::string_view node, std::string_view key, Millis now);
bool any_due(db::Tx& tx, Millis now);

// Where an object's bytes are from now on.
struct Moved {
  std::string place, provider, cloud_path, cloud_url, etag;
};
// False when it was no longer this node's or is not where it was; then nothing has changed.
bool moved(db::Tx& tx, std::string_view node, const Object& object, const Moved& to, Millis now);
// Nothing came of it: again at `next_at`, or, without, when somebody asks for it. A `counted` try was the object's fault.
void put_back(db::Tx& tx, std::string_view node, std::string_view key, std::optional<Millis> next_at,
              std::string_view error = {}, bool counted = false);
// Whether it is still the node's and nobody refers to it.
bool may_remove(db::Tx& tx, std::string_view node, std::string_view key);
// Its bytes are gone. False: somebody referred to it meanwhile; their bytes are on the disk, where it is now.
bool removed(db::Tx& tx, std::string_view node, std::string_view key, Millis now);

}  // namespace fluxgate::files::objects
