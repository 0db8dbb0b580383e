// Adding to an upload, a piece at a time.
#include "files/purposes.h"
#include "files/sniff.h"
#include "files/uploads.h"

namespace fluxgate::files {
namespace {

Purpose purpose_of(Format format) {
  return is_film(format) ? Purpose::video_upload : is_sound(format) ? Purpose::audio_upload : Purpose::upload;
}

}  // namespace

awaitable<Result<std::unique_ptr<Uploads::Adding>>> Uploads::add(std::string id, std::string user_id, std::uint64_t offset) {
  auto upload = co_await look_up(id, user_id);
  if (!upload || upload->direct) co_return not_found();
  if (!upload->concat.empty() && !upload->is_part())
    co_return fail(Errc::forbidden, "upload_final", {"This upload was made of parts; nothing is added to it.", "该上传由分片合并而成，不能再追加。"});
  const auto mismatch = [](std::uint64_t at) {
    return fail(Error(Errc::conflict, "offset_mismatch",
                      {fmt::format("The upload goes on at byte {}.", at), fmt::format("上传应从第 {} 字节继续。", at)})
                    .with("offset", at));
  };
  if (upload->file) co_return mismatch(upload->length);
  FLUX_CO_TRY(file, PartialFile::open(path_of(upload->id)));
  if (file.length() != offset) co_return mismatch(file.length());
  co_return std::make_unique<Adding>(*this, std::move(*upload), std::move(file));
}

Result<void> Uploads::Adding::expect(std::string_view algorithm, std::string digest) {
  digest_ = Digest::of(algorithm);
  if (!digest_)
    return fail(Error(Errc::bad_request, "checksum_algorithm",
                      {fmt::format("The checksums known are {}.", kDigests), fmt::format("支持的校验算法：{}。", kDigests)})
                    .with("received", boost::json::string(algorithm.substr(0, 32))));
  expected_ = std::move(digest);
  return file_.put_aside();
}

Result<void> Uploads::Adding::write(std::string_view bytes) {
  if (refused_) return std::unexpected(*refused_);
  if (file_.length() + file_.aside() + bytes.size() > upload_.length) return fail(file_too_large(upload_.length));
  if (!judged_ && !upload_.is_part() && file_.length() == head_.size()) {
    head_.append(bytes.substr(0, kSniffBytes - head_.size()));
    if (head_.size() == kSniffBytes) {
      judged_ = true;
      if (auto good = judge(); !good) refused_ = good.error();
    }
  }
  if (refused_) return std::unexpected(*refused_);
  if (digest_) digest_->update(bytes);
  return file_.append(bytes);
}

// As the store will, long before it has all the bytes.
Result<void> Uploads::Adding::judge() {
  FLUX_CHECK(uploads_.files_.begin(upload_.purpose)->write(head_));
  const std::uint64_t limit = uploads_.files_.limit_of(purpose_of(sniff(head_)));
  if (upload_.length > limit) return fail(file_too_large(limit));
  return {};
}

awaitable<Result<Upload>> Uploads::Adding::finish(bool complete) {
  if (refused_) {
    co_await uploads_.give_up(upload_.id);
    co_return std::unexpected(*refused_);
  }
  if (digest_) {
    const bool equal = complete && digest_->finish() == expected_;
    if (!equal)
      co_return fail(Errc::bad_request, "checksum_mismatch",
                     {"The bytes do not have the checksum that was announced; send them again.", "数据与所声明的校验和不符，请重新发送。"});
  }
  auto flushed = co_await uploads_.disk_.run(WhenFull::wait, "", [this]() -> Result<void> {
    if (digest_) FLUX_CHECK(file_.accept());
    return file_.flush();
  });
  FLUX_CO_CHECK(std::move(flushed));
  upload_.offset = file_.length();
  if (!complete || upload_.offset < upload_.length || upload_.is_part()) co_return upload_;
  auto settled = co_await uploads_.settle(upload_);
  co_return settled;
}

}  // namespace fluxgate::files
