// Uploads whose bytes the client puts into the store itself.
#include <set>

#include "base/crypto.h"
#include "files/incoming.h"
#include "files/uploads.h"

namespace fluxgate::files {
namespace {

constexpr Millis kLinkLifetime = 3'600'000;

std::unexpected<Error> incomplete() {
  return fail(Errc::conflict, "upload_incomplete",
              {"The file is not in the store yet: send it by the request that was given, then complete the upload.",
               "存储中尚无该文件：请先按所给请求上传，再完成上传。"});
}

std::unexpected<Error> wrong_length(std::uint64_t announced, std::uint64_t there) {
  return fail(Error(Errc::conflict, "wrong_length",
                    {fmt::format("The file in the store has {} bytes instead of the {} that were announced; it was removed, send the right one.",
                                 there, announced),
                     fmt::format("存储中的文件为 {} 字节，与声明的 {} 字节不符，已被删除，请重新上传。", there, announced)})
                  .with("expected", announced)
                  .with("received", there));
}

std::unexpected<Error> wrong_sha256(const std::string& there) {
  return fail(Error(Errc::conflict, "wrong_sha256",
                    {"The file in the store has another sha256 than the one that was sent; it was removed, send the right one.",
                     "存储中文件的 sha256 与所给的不符，已被删除，请重新上传。"})
                  .with("received", boost::json::string(there)));
}

bool is_wrong_object(const Error& error) { return error.code() == "wrong_length" || error.code() == "wrong_sha256"; }

}  // namespace

std::string incoming_key(std::string_view folder, std::string_view id) { return fmt::format("{}incoming/{}", folder, id); }

awaitable<Result<DirectUpload>> Uploads::begin_direct(std::string user_id, Purpose purpose, std::string name, std::uint64_t length,
                                                      std::string content_type) {
  FLUX_CO_TRY(to, options_.direct_store());
  FLUX_CO_TRY(upload, drafted(std::move(user_id), purpose, name, length));
  upload.direct = true;
  upload.place = to.id;
  upload.object_key = incoming_key(to.folder, upload.id);
  auto signed_put = to.store->presigned_put(upload.object_key, content_type, length, kLinkLifetime);
  if (!signed_put) co_return fail(store_away(signed_put.error()));
  auto inserted = co_await insert_open(upload);
  FLUX_CO_CHECK(std::move(inserted));
  co_return DirectUpload{std::move(upload), std::move(*signed_put)};
}

awaitable<Result<KeptFile>> Uploads::complete_direct(std::string id, std::string user_id, std::string sha256) {
  auto upload = co_await look_up(id, user_id);
  if (!upload || !upload->direct) co_return not_found();
  if (upload->file) co_return std::move(*upload->file);
  const auto from = store_of(upload->place);
  if (!from && from.error().errc() == Errc::not_found) co_return not_found();
  if (!from) co_return std::unexpected(from.error());
  auto taken = co_await take_from(*from, *upload, std::move(sha256));
  if (taken) co_return taken;
  // Another call may have made a file of it while this one looked; then the object is gone and the file is there.
  auto again = co_await look_up(id, user_id);
  if (again && again->file) co_return std::move(*again->file);
  co_return taken;
}

// The store it began with, whichever is in use now.
Result<std::shared_ptr<Store>> Uploads::store_of(const std::string& place) const {
  if (options_.store_named) return options_.store_named(place);
  FLUX_TRY(only, options_.direct_store());
  return only.store;
}

awaitable<Result<KeptFile>> Uploads::take_from(std::shared_ptr<Store> from, Upload upload, std::string sha256) {
  auto stored = co_await read_back(from, upload, std::move(sha256));
  if (!stored) {
    const bool hopeless = !may_pass(stored.error());
    if (hopeless) co_await give_up(upload.id);
    if (hopeless || is_wrong_object(stored.error())) co_await from->remove(upload.object_key);
    co_return std::unexpected(std::move(stored).error());
  }
  auto entered = co_await enter(upload, std::move(*stored));
  if (entered) co_await from->remove(upload.object_key);
  co_return entered;
}

// The length first: what is not the announced file is not even read.
awaitable<Result<Stored>> Uploads::read_back(std::shared_ptr<Store> from, Upload upload, std::string sha256) {
  auto headed = co_await from->head(upload.object_key);
  if (!headed && headed.error().errc() == Errc::not_found) co_return incomplete();
  if (!headed) co_return fail(store_away(headed.error()));
  if (headed->size != upload.length) co_return wrong_length(upload.length, headed->size);
  std::shared_ptr<Incoming> incoming = files_.begin(upload.purpose);
  // Of what the client put there: a picture is written anew, and has another one then.
  const auto hash = sha256.empty() ? nullptr : std::make_shared<crypto::Sha256>();
  const auto refused = std::make_shared<std::optional<Error>>();
  auto got = co_await from->get(upload.object_key, std::nullopt, [this, incoming, hash, refused](std::string_view piece) {
    if (stopping_) return false;
    if (hash) hash->update(piece);
    if (auto written = incoming->write(piece); !written) *refused = std::move(written).error();
    return !refused->has_value();
  });
  if (*refused) co_return std::unexpected(std::move(**refused));
  if (!got && got.error().errc() == Errc::not_found) co_return incomplete();
  if (!got) co_return fail(store_away(got.error()));
  if (hash)
    if (const std::string there = crypto::hex(hash->finish()); there != sha256) co_return wrong_sha256(there);
  auto stored = co_await incoming->finish();
  co_return stored;
}

// Those whose objects are gone, or can no longer be reached because their store is not known any more. A store that does
// not remove one is not asked for the others: they are asked for again with it.
awaitable<std::vector<std::string>> Uploads::clear_incoming(std::vector<InStore> uploads) {
  std::vector<std::string> cleared;
  std::set<std::string> away;
  for (const InStore& upload : uploads) {
    if (stopping_) break;
    if (away.contains(upload.place)) continue;
    const auto from = store_of(upload.place);
    const bool unknown = !from && from.error().errc() != Errc::unavailable;
    const bool removed = from && (co_await (*from)->remove(upload.object_key)).has_value();
    if (removed || unknown) cleared.push_back(upload.id);
    else away.insert(upload.place);
  }
  co_return cleared;
}

}  // namespace fluxgate::files
