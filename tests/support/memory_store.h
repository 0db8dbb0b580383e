// A store in memory: objects by key, which a "client" puts there by the request it was given. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "files/stores/store.h"

namespace fluxgate::test {

class MemoryStore final : public files::Store {
 public:
  std::atomic<bool> away{false};  // it answers nothing

  void put_by_client(const files::SignedRequest& request, std::string bytes) {
    const std::scoped_lock lock(mutex_);
    objects_[request.url] = std::move(bytes);
  }
  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return objects_.size();
  }
  bool is_empty() const { return size() == 0; }

  std::string_view kind() const override { return "memory"; }
  std::string description() const override { return "memory"; }
  awaitable<Result<files::ObjectFacts>> put(files::Put) override { co_return missing(); }
  awaitable<Result<files::ObjectFacts>> get(std::string key, std::optional<files::Range>, files::Sink sink) override {
    const auto bytes = find(key);
    if (!bytes) co_return std::unexpected(bytes.error());
    for (std::size_t at = 0; at < bytes->size(); at += 100)
      if (!sink(std::string_view(*bytes).substr(at, 100))) co_return fail(Errc::unavailable, "stopped", {"Stopped.", "已停止。"});
    co_return files::ObjectFacts{.size = bytes->size()};
  }
  awaitable<Result<files::ObjectFacts>> head(std::string key) override {
    const auto bytes = find(key);
    if (!bytes) co_return std::unexpected(bytes.error());
    co_return files::ObjectFacts{.size = bytes->size()};
  }
  awaitable<Result<void>> remove(std::string key) override {
    if (away) co_return unreachable();
    const std::scoped_lock lock(mutex_);
    objects_.erase(key);
    co_return Result<void>();
  }
  awaitable<Result<files::Listing>> list(std::string, std::string, int) override { co_return files::Listing(); }
  awaitable<Result<int>> sweep_uploads(std::string, Millis) override { co_return 0; }
  Result<files::SignedRequest> presigned_get(std::string_view, const files::LinkOptions&) const override { return missing(); }
  Result<files::SignedRequest> presigned_put(std::string_view key, std::string_view type, std::uint64_t length, Millis) const override {
    return files::SignedRequest{
        "PUT", std::string(key), {{"Content-Type", std::string(type)}, {"Content-Length", std::to_string(length)}}, 1};
  }
  std::string local_path(std::string_view) const override { return ""; }
  awaitable<files::ConnectionReport> test() override { co_return files::ConnectionReport(); }

 private:
  static std::unexpected<Error> missing() { return fail(Errc::not_found, "object_missing", {"No such object.", "对象不存在。"}); }
  static std::unexpected<Error> unreachable() { return fail(Errc::unavailable, "store_unreachable", {"Away.", "不可用。"}); }
  Result<std::string> find(const std::string& key) const {
    if (away) return unreachable();
    const std::scoped_lock lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) return missing();
    return found->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::string> objects_;  // under mutex_
};

}  // namespace fluxgate::test
