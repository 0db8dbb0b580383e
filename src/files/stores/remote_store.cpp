#include "files/stores/remote_store.h"

#include "base/crypto.h"
#include "files/stores/connection_test.h"
#include "files/stores/key.h"
#include "files/stores/transfer_parts.h"
#include "files/stores/xml.h"

namespace fluxgate::files {

RemoteStore::RemoteStore(std::shared_ptr<const Dialect> dialect, const StoreParts& parts)
    : dialect_(std::move(dialect)), parts_(parts), exchange_(*dialect_, parts_) {}

template <class T>
awaitable<T> RemoteStore::there(awaitable<T> work) {
  co_return co_await boost::asio::co_spawn(parts_.client_executor, std::move(work), use_awaitable);
}

Result<std::string> RemoteStore::full_key(std::string_view key) const {
  std::string full = std::string(dialect_->prefix()) + std::string(key);
  FLUX_CHECK(check_key(full, dialect_->key_bytes_max()));
  return full;
}

// ---- the interface: keys checked here, the work done there ----

awaitable<Result<ObjectFacts>> RemoteStore::put(Put object) {
  FLUX_CO_TRY(key, full_key(object.key));
  const bool large = object.source->size() > parts_.multipart_above;
  auto work = large ? put_in_parts(exchange_, *dialect_, parts_, std::move(object), std::move(key))
                    : put_whole(std::move(object), std::move(key));
  auto done = co_await there(std::move(work));
  co_return done;
}

awaitable<Result<ObjectFacts>> RemoteStore::get(std::string key, std::optional<Range> range, Sink sink) {
  FLUX_CO_TRY(full, full_key(key));
  auto done = co_await there(get_object(std::move(full), range, std::move(sink)));
  co_return done;
}

awaitable<Result<ObjectFacts>> RemoteStore::head(std::string key) {
  FLUX_CO_TRY(full, full_key(key));
  auto done = co_await there(head_object(std::move(full)));
  co_return done;
}

awaitable<Result<void>> RemoteStore::remove(std::string key) {
  FLUX_CO_TRY(full, full_key(key));
  auto done = co_await there(remove_object(std::move(full)));
  co_return done;
}

awaitable<Result<Listing>> RemoteStore::list(std::string prefix, std::string after, int limit) {
  auto done = co_await there(list_objects(std::move(prefix), std::move(after), limit));
  co_return done;
}

awaitable<Result<int>> RemoteStore::sweep_uploads(std::string prefix, Millis before) {
  auto done = co_await there(sweep(std::string(dialect_->prefix()) + prefix, before));
  co_return done;
}

Result<SignedRequest> RemoteStore::presigned_get(std::string_view key, const LinkOptions& options) const {
  FLUX_TRY(full, full_key(key));
  return dialect_->presign_get(full, options, exchange_.circumstances());
}

Result<SignedRequest> RemoteStore::presigned_put(std::string_view key, std::string_view content_type,
                                                 std::uint64_t length, Millis lifetime_ms) const {
  FLUX_TRY(full, full_key(key));
  return dialect_->presign_put(full, content_type, length, lifetime_ms, exchange_.circumstances());
}

// ---- on the client's executor ----

awaitable<Result<ObjectFacts>> RemoteStore::put_whole(Put object, std::string key) {
  const Stretch all{object.source, 0, object.source->size()};
  const bool needs_sha256 = dialect_->signs_payload() && object.sha256.empty();
  FLUX_CO_TRY(digests, co_await digest(parts_, all, needs_sha256, 0));
  Call call{{"PUT", std::move(key), {}, headers_of(object, *dialect_)}};
  call.operation.headers.emplace_back("Content-MD5", crypto::base64(digests.md5));
  call.operation.sha256 = needs_sha256 ? digests.sha256 : object.sha256;
  call.body = all;
  call.crc64 = digests.crc64;
  FLUX_CO_TRY(answer, co_await exchange_.run(std::move(call)));
  ObjectFacts facts = facts_of(answer);
  facts.size = all.length;
  facts.content_type = object.content_type;
  if (object.progress) object.progress(all.length);
  co_return facts;
}

awaitable<Result<ObjectFacts>> RemoteStore::get_object(std::string key, std::optional<Range> range,
                                                       Sink sink) {
  Download download{range, std::move(sink)};
  Call call{{"GET", std::move(key)}};
  call.download = &download;
  FLUX_CO_CHECK(co_await exchange_.run(std::move(call)));
  ObjectFacts facts = download.facts.value_or(ObjectFacts{});
  if (!range) facts.size = download.received;
  if (!range && facts.crc64 && *facts.crc64 != download.crc64)
    co_return fail(failure("store_damaged", "the bytes do not have the CRC that the store names"));
  co_return facts;
}

awaitable<Result<ObjectFacts>> RemoteStore::head_object(std::string key) {
  FLUX_CO_TRY(answer, co_await exchange_.run({{"HEAD", std::move(key)}}));
  co_return facts_of(answer);
}

awaitable<Result<void>> RemoteStore::remove_object(std::string key) {
  const auto gone = co_await exchange_.run({{"DELETE", std::move(key)}});
  if (!gone && gone.error().code() != "object_missing") co_return std::unexpected(gone.error());
  co_return Result<void>();
}

awaitable<Result<Listing>> RemoteStore::list_objects(std::string prefix, std::string after, int limit) {
  const std::string own(dialect_->prefix());
  Call call{
      {"GET", "", {{"encoding-type", "url"}, {"max-keys", std::to_string(std::clamp(limit, 1, 1000))}}}};
  if (!(own + prefix).empty()) call.operation.params.emplace_back("prefix", own + prefix);
  if (!after.empty()) call.operation.params.emplace_back("marker", own + after);
  call.root = "ListBucketResult";
  FLUX_CO_TRY(answer, co_await exchange_.run(std::move(call)));
  Listing listing = xml::read_objects(answer.body);
  std::erase_if(listing.objects, [&](const Listed& object) { return !object.key.starts_with(own); });
  for (Listed& object : listing.objects) object.key.erase(0, own.size());
  if (listing.next.starts_with(own)) listing.next.erase(0, own.size());
  co_return listing;
}

awaitable<Result<int>> RemoteStore::sweep(std::string prefix, Millis before) {
  int swept = 0;
  std::string after_key, after_id;
  do {
    FLUX_CO_TRY(page, co_await open_uploads(exchange_, prefix, after_key, after_id));
    for (const auto& open : page.uploads) {
      if (open.begun_at >= before) continue;
      FLUX_CO_CHECK(co_await give_up(exchange_, open.key, open.upload_id));
      ++swept;
    }
    after_key = page.next_key;
    after_id = page.next_id;
  } while (!after_key.empty());
  co_return swept;
}

awaitable<std::string> RemoteStore::region_of_bucket() {
  const auto request = dialect_->bucket_list(exchange_.circumstances());
  if (!request) co_return std::string();
  const auto answer = co_await parts_.client.call(*request, {});
  if (!answer || answer->status != 200) co_return std::string();
  co_return xml::region_of_bucket(answer->body, dialect_->bucket());
}

// ---- the connection test ----

awaitable<ConnectionReport> RemoteStore::test() {
  StoreParts impatient = parts_;
  impatient.attempts = 1;
  RemoteStore trial(dialect_, impatient);
  ConnectionReport report = co_await test_connection(
      trial, [this](std::string_view step, const Error& error) { return explain(*dialect_, step, error); });
  report.clock_offset_ms = trial.exchange_.measured_offset();
  std::string region = trial.exchange_.found_region();
  if (report.failure_code == "bucket_missing") region = co_await there(trial.region_of_bucket());
  if (!region.empty() && region != dialect_->region())
    note_region(report, dialect_->region(), region);
  else
    note_clock(report);
  co_return report;
}

}  // namespace fluxgate::files
