#include "files/stores/transfer_parts.h"

#include "base/crypto.h"
#include "base/log.h"
#include "files/work_pool.h"

namespace fluxgate::files {
namespace {

constexpr std::uint64_t kPartsMax = 10'000;
constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::size_t kReadBytes = 256 * 1024;

// What the parts under way share. They hold it, so it outlives the coroutine that began it.
struct Upload {
  Upload(Exchange& exchange_in, const boost::asio::any_io_executor& executor)
      : exchange(exchange_in), group(executor), slot(executor) {}

  Exchange& exchange;
  CoroGroup group;  // the parts being sent
  Wakeup slot;      // one of them has ended
  std::string key, id;
  std::shared_ptr<const Source> source;
  std::function<void(std::uint64_t)> progress;
  std::vector<xml::Part> parts;  // in order; an ETag where the store has it
  std::uint64_t part_bytes = 0, sent = 0, crc64 = 0;
  std::optional<Error> error;  // of the first part that failed

  void arrived(const xml::Part& part) {
    sent += part.size;
    if (progress) progress(sent);
  }
};

awaitable<Result<std::string>> initiate(Exchange& exchange, const Dialect& dialect, const Put& object,
                                        const std::string& key) {
  Call call{{"POST", key, {{"uploads", ""}}, headers_of(object, dialect)}};
  call.root = "InitiateMultipartUploadResult";
  FLUX_CO_TRY(answer, co_await exchange.run(std::move(call)));
  co_return xml::read_upload_id(answer.body);
}

// The newest upload of exactly this key; "" when there is none, or we may not ask.
awaitable<std::string> find_upload(Exchange& exchange, const std::string& key) {
  const auto page = co_await open_uploads(exchange, key, "", "");
  std::string found;
  Millis newest = -1;
  if (!page) co_return found;
  for (const auto& open : page->uploads) {
    if (open.key != key || open.begun_at < newest) continue;
    newest = open.begun_at;
    found = open.upload_id;
  }
  co_return found;
}

// What the store has of an upload. An upload that is gone has nothing.
awaitable<std::vector<xml::Part>> parts_there(Exchange& exchange, const std::string& key,
                                              const std::string& id) {
  std::vector<xml::Part> parts;
  for (int after = 0;;) {
    Call call{{"GET", key, {{"uploadId", id}, {"max-parts", "1000"}}}};
    if (after > 0) call.operation.params.emplace_back("part-number-marker", std::to_string(after));
    call.root = "ListPartsResult";
    const auto answer = co_await exchange.run(std::move(call));
    if (!answer) co_return std::vector<xml::Part>{};
    auto page = xml::read_parts(answer->body);
    parts.insert(parts.end(), page.parts.begin(), page.parts.end());
    if (page.next <= after) co_return parts;
    after = page.next;
  }
}

awaitable<void> send_part(std::shared_ptr<Upload> upload, std::size_t index, Digests digests) {
  xml::Part& part = upload->parts[index];
  Call call{{"PUT",
             upload->key,
             {{"partNumber", std::to_string(part.number)}, {"uploadId", upload->id}},
             {{"Content-MD5", crypto::base64(digests.md5)}}}};
  call.operation.sha256 = digests.sha256;
  call.body = Stretch{upload->source, index * upload->part_bytes, part.size};
  auto answer = co_await upload->exchange.run(std::move(call));
  if (answer) {
    part.etag = facts_of(*answer).etag;
    upload->arrived(part);
  } else if (!upload->error) {
    upload->error = std::move(answer).error();
  }
  upload->slot.notify();
}

// Hashes one part after the other and sends those that the store has not.
awaitable<Result<void>> send_missing(const StoreParts& parts, const Dialect& dialect,
                                     std::shared_ptr<Upload> upload, std::vector<xml::Part> there) {
  for (std::size_t i = 0; i < upload->parts.size() && !upload->error; ++i) {
    xml::Part& part = upload->parts[i];
    auto digests = co_await digest(parts, {upload->source, i * upload->part_bytes, part.size},
                                   dialect.signs_payload(), upload->crc64);
    if (!digests) {
      upload->error = std::move(digests).error();
      break;
    }
    upload->crc64 = digests->crc64;
    const std::string md5 =
        crypto::hex({reinterpret_cast<const unsigned char*>(digests->md5.data()), digests->md5.size()});
    const auto known = std::ranges::find(there, part.number, &xml::Part::number);
    if (known != there.end() && known->size == part.size && known->etag == md5) {
      part.etag = known->etag;
      upload->arrived(part);
      continue;
    }
    while (upload->group.size() >= static_cast<std::size_t>(parts.parts_at_once))
      co_await upload->slot.wait_for(std::chrono::minutes(1));
    if (!upload->error) upload->group.spawn("part of an upload", send_part(upload, i, std::move(*digests)));
  }
  co_await upload->group.joined();
  if (upload->error) co_return std::unexpected(*upload->error);
  co_return Result<void>();
}

awaitable<Result<ObjectFacts>> facts_now(Exchange& exchange, std::string key) {
  FLUX_CO_TRY(answer, co_await exchange.run({{"HEAD", std::move(key)}}));
  co_return facts_of(answer);
}

bool is_the_same(const ObjectFacts& there, const Upload& upload) {
  return there.size == upload.source->size() && (!there.crc64 || *there.crc64 == upload.crc64);
}

// An answer that was lost may have joined the parts, and so may another node with the same bytes: then the
// upload is gone and the object is there.
awaitable<Result<ObjectFacts>> complete(Upload& upload) {
  Call call{{"POST", upload.key, {{"uploadId", upload.id}}}};
  call.operation.body = xml::write_parts(upload.parts);
  call.operation.headers = {{"Content-Type", "application/xml"},
                            {"Content-MD5", md5_base64(call.operation.body)}};
  call.operation.sha256 = crypto::sha256_hex(call.operation.body);
  call.root = "CompleteMultipartUploadResult";
  const auto joined = co_await upload.exchange.run(std::move(call));
  if (!joined && joined.error().code() != "upload_missing") co_return std::unexpected(joined.error());
  auto there = co_await facts_now(upload.exchange, upload.key);
  if (!joined && (!there || !is_the_same(*there, upload))) co_return std::unexpected(joined.error());
  if (there && !is_the_same(*there, upload)) {
    co_await upload.exchange.run({{"DELETE", upload.key}});
    co_return fail(failure("store_damaged", "the joined object was not what was sent"));
  }
  co_return there;
}

std::shared_ptr<Upload> plan(Exchange& exchange, const StoreParts& parts, const Put& object,
                             const std::string& key) {
  auto upload = std::make_shared<Upload>(exchange, parts.client_executor);
  upload->key = key;
  upload->source = object.source;
  upload->progress = object.progress;
  const std::uint64_t size = object.source->size();
  upload->part_bytes = part_size(size, parts.part_bytes);
  for (std::uint64_t offset = 0; offset < size; offset += upload->part_bytes)
    upload->parts.push_back(
        {static_cast<int>(upload->parts.size()) + 1, "", std::min(upload->part_bytes, size - offset)});
  return upload;
}

}  // namespace

awaitable<Result<Digests>> digest(const StoreParts& parts, Stretch stretch, bool with_sha256,
                                  std::uint64_t before) {
  auto result = std::make_shared<Digests>();
  auto work = [result, stretch, with_sha256, before]() -> Result<void> {
    Digester digester(with_sha256, before);
    std::string buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, stretch.length)), '\0');
    for (std::uint64_t done = 0; done < stretch.length;) {
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), stretch.length - done));
      FLUX_TRY(got, stretch.source->read(stretch.offset + done, {buffer.data(), wanted}));
      if (got == 0) return fail(failure("storage_failed", "a source ended early"));
      digester.update({buffer.data(), got});
      done += got;
    }
    *result = digester.finish();
    return {};
  };
  FLUX_CO_CHECK(co_await parts.disk.run(WhenFull::wait, "", std::move(work)));
  co_return std::move(*result);
}

HeaderList headers_of(const Put& object, const Dialect& dialect) {
  HeaderList headers = dialect.object_headers();
  headers.emplace_back("Content-Type", object.content_type);
  if (!object.cache_control.empty()) headers.emplace_back("Cache-Control", object.cache_control);
  if (!object.content_disposition.empty())
    headers.emplace_back("Content-Disposition", object.content_disposition);
  return headers;
}

std::uint64_t part_size(std::uint64_t object_bytes, std::uint64_t wanted_bytes) {
  const std::uint64_t least = (object_bytes + kPartsMax - 1) / kPartsMax;
  return least <= wanted_bytes ? wanted_bytes : (least + kMiB - 1) / kMiB * kMiB;
}

// An upload that vanishes under way was completed by another node, or given up: it is begun anew, once. What
// is refused for good is given up; after any other failure the parts stay for the next attempt.
awaitable<Result<ObjectFacts>> put_in_parts(Exchange& exchange, const Dialect& dialect,
                                            const StoreParts& parts, Put object, std::string key) {
  std::string id = co_await find_upload(exchange, key);
  for (bool last_try = false;; last_try = true) {
    auto upload = plan(exchange, parts, object, key);
    std::vector<xml::Part> there;
    if (!id.empty()) there = co_await parts_there(exchange, key, id);
    if (there.empty()) {
      FLUX_CO_TRY(begun, co_await initiate(exchange, dialect, object, key));
      id = begun;
    }
    upload->id = id;
    Result<ObjectFacts> done = std::unexpected(Error());
    const auto sent = co_await send_missing(parts, dialect, upload, std::move(there));
    if (sent)
      done = co_await complete(*upload);
    else
      done = std::unexpected(sent.error());
    if (done) co_return done;
    if (done.error().code() == "upload_missing" && !last_try) {
      id.clear();
      continue;
    }
    if (decision_of(done.error()) == Decision::final) co_await give_up(exchange, key, id);
    co_return done;
  }
}

awaitable<Result<xml::UploadList>> open_uploads(Exchange& exchange, std::string prefix, std::string after_key,
                                                std::string after_id) {
  Call call{{"GET", "", {{"uploads", ""}, {"max-uploads", "1000"}}}};
  if (!prefix.empty()) call.operation.params.emplace_back("prefix", std::move(prefix));
  if (!after_key.empty()) call.operation.params.emplace_back("key-marker", std::move(after_key));
  if (!after_id.empty()) call.operation.params.emplace_back("upload-id-marker", std::move(after_id));
  call.root = "ListMultipartUploadsResult";
  FLUX_CO_TRY(answer, co_await exchange.run(std::move(call)));
  co_return xml::read_uploads(answer.body);
}

awaitable<Result<void>> give_up(Exchange& exchange, std::string key, std::string upload_id) {
  const auto gone = co_await exchange.run({{"DELETE", std::move(key), {{"uploadId", std::move(upload_id)}}}});
  if (!gone && gone.error().code() != "upload_missing") co_return std::unexpected(gone.error());
  co_return Result<void>();
}

}  // namespace fluxgate::files
