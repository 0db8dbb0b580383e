#include "files/purposes.h"

#include <algorithm>

namespace fluxgate::files {
namespace {

// What each purpose takes, and the words of its refusal.
struct Taken {
  Purpose purpose;
  std::string_view code;
  bool (*accepts)(Format);
  Text words;
};
const Taken& taken_for(Purpose purpose) {
  static const Taken kTaken[] = {
      {Purpose::result, "unsupported_image", [](Format f) { return is_picture(f) || is_film(f); },
       {"Only pictures and videos are taken", "只接受图片和视频"}},
      {Purpose::upload, "unsupported_image", is_picture,
       {"Only PNG, JPEG, WebP, GIF, AVIF and HEIC pictures are taken", "只接受 PNG、JPEG、WebP、GIF、AVIF 和 HEIC 图片"}},
      {Purpose::video_upload, "unsupported_video", [](Format f) { return is_film(f) && f != Format::webm; },
       {"Only MP4 and QuickTime videos are taken", "只接受 MP4 和 MOV 视频"}},
      {Purpose::audio_upload, "unsupported_audio", is_sound,
       {"Only MP3, WAV, M4A and AAC sounds are taken", "只接受 MP3、WAV、M4A 和 AAC 音频"}},
      {Purpose::media_upload, "unsupported_media",
       [](Format f) { return is_picture(f) || (is_film(f) && f != Format::webm) || is_sound(f); },
       {"Only pictures (PNG, JPEG, WebP, GIF, AVIF, HEIC), videos (MP4, QuickTime) and sounds (MP3, WAV, M4A, AAC) are "
        "taken",
        "只接受图片（PNG、JPEG、WebP、GIF、AVIF、HEIC）、视频（MP4、MOV）和音频（MP3、WAV、M4A、AAC）"}},
  };
  return *std::ranges::find(kTaken, purpose, &Taken::purpose);
}

}  // namespace

Result<void> check_format(Format format, Purpose purpose) {
  const Taken& taken = taken_for(purpose);
  if (taken.accepts(format)) return {};
  const Text& name = name_of(format);
  if (format == Format::empty) return fail(Errc::invalid, "empty_file", {"The file is empty.", "文件为空。"});
  Text message{fmt::format("{}; this is {}.", taken.words.en, name.en),
               fmt::format("{}，收到的是{}。", taken.words.zh, name.zh)};
  return fail(Error(Errc::unsupported_media, std::string(taken.code), std::move(message))
                  .with("received", boost::json::string(mime_of(format))));
}

Error file_too_large(std::uint64_t limit) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  const bool round = limit % kMebibyte == 0;
  const std::uint64_t number = round ? limit / kMebibyte : limit;
  return Error(Errc::payload_too_large, "file_too_large",
               {fmt::format("The file is larger than {} {}.", number, round ? "MiB" : "bytes"),
                fmt::format("文件超过 {} {}。", number, round ? "MiB" : "字节")})
      .with("limit", limit);
}

std::uint64_t limit_for(const Options& options, Format format, Purpose purpose) {
  if (purpose == Purpose::result) return options.result_limit;
  return is_film(format) ? options.video_limit : is_sound(format) ? options.audio_limit : options.upload_limit;
}

std::uint64_t limit_of(const Options& options, Purpose purpose) {
  switch (purpose) {
    case Purpose::result: return options.result_limit;
    case Purpose::upload: return options.upload_limit;
    case Purpose::video_upload: return options.video_limit;
    case Purpose::audio_upload: return options.audio_limit;
    case Purpose::media_upload: break;
  }
  return std::max({options.upload_limit, options.video_limit, options.audio_limit});
}

}  // namespace fluxgate::files
