// The store behind COS and S3: what both do alike, in terms of a Dialect.
#pragma once

#include <memory>

#include "files/stores/dialect.h"
#include "files/stores/exchange.h"

namespace fluxgate::files {

class RemoteStore final : public Store {
 public:
  RemoteStore(std::shared_ptr<const Dialect> dialect, const StoreParts& parts);

  std::string_view kind() const override { return dialect_->kind(); }
  std::string description() const override { return dialect_->description(); }
  awaitable<Result<ObjectFacts>> put(Put object) override;
  awaitable<Result<ObjectFacts>> get(std::string key, std::optional<Range> range, Sink sink) override;
  awaitable<Result<ObjectFacts>> head(std::string key) override;
  awaitable<Result<void>> remove(std::string key) override;
  awaitable<Result<Listing>> list(std::string prefix, std::string after, int limit) override;
  awaitable<Result<int>> sweep_uploads(std::string prefix, Millis before) override;
  Result<SignedRequest> presigned_get(std::string_view key, const LinkOptions& options) const override;
  Result<SignedRequest> presigned_put(std::string_view key, std::string_view content_type,
                                      std::uint64_t length, Millis lifetime_ms) const override;
  std::string local_path(std::string_view) const override { return {}; }
  awaitable<ConnectionReport> test() override;

 private:
  // Runs `work` on the client's executor; the caller goes on where it was.
  template <class T>
  awaitable<T> there(awaitable<T> work);
  // The key with the prefix; invalid (object_key_invalid).
  Result<std::string> full_key(std::string_view key) const;

  awaitable<Result<ObjectFacts>> put_whole(Put object, std::string key);
  awaitable<Result<ObjectFacts>> get_object(std::string key, std::optional<Range> range, Sink sink);
  awaitable<Result<ObjectFacts>> head_object(std::string key);
  awaitable<Result<void>> remove_object(std::string key);
  awaitable<Result<Listing>> list_objects(std::string prefix, std::string after, int limit);
  awaitable<Result<int>> sweep(std::string prefix, Millis before);
  awaitable<std::string> region_of_bucket();  // of COS; "" when that is not to be learned

  const std::shared_ptr<const Dialect> dialect_;
  const StoreParts parts_;
  Exchange exchange_;
};

}  // namespace fluxgate::files
