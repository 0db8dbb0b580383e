#include "files/film.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libswscale/swscale.h>
}

#include "files/wav.h"

namespace fluxgate::files {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kReadSize = 64 * 1024;

// By the names of libav's decoders.
constexpr const char* kDecoders =
    "h264,hevc,libdav1d,libaom-av1,av1,vp8,vp9,libvpx,libvpx-vp9,mpeg4,mjpeg,prores,"
    "aac,mp3,mp3float,alac,pcm_s16le,pcm_s24le,pcm_s32le,pcm_u8,pcm_f32le";

// libav counts the padding of lines too.
constexpr std::int64_t kLinePadding = 64 * 16384;

const char* demuxer_of(Format format) {
  switch (format) {
    case Format::mp4:
    case Format::quicktime:
    case Format::m4a: return "mov";
    case Format::webm: return "matroska";
    case Format::mp3: return "mp3";
    case Format::wav: return "wav";
    case Format::aac: return "aac";
    default: return nullptr;
  }
}

struct Free {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

enum class Kind { film, sound };

std::unexpected<Error> broken(Kind kind, std::string_view why) {
  Error error = kind == Kind::film
                    ? Error(Errc::invalid, "broken_video", {"The video is damaged or incomplete.", "视频已损坏或不完整。"})
                    : Error(Errc::invalid, "broken_sound", {"The sound is damaged or incomplete.", "音频已损坏或不完整。"});
  return std::unexpected(std::move(error).log(std::string(why)));
}

// The opened file. libav reads through our callbacks, so that it can open nothing else and stops in time.
class Input {
 public:
  explicit Input(SteadyTime ends) : ends_(ends) {}
  ~Input() {
    if (context_) avformat_close_input(&context_);
    if (io_) {
      av_freep(&io_->buffer);
      avio_context_free(&io_);
    }
    if (fd_ >= 0) ::close(fd_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  bool open(const std::string& path, Format format) {
    av_log_set_level(AV_LOG_QUIET);
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts{};
    if (fd_ < 0 || ::fstat(fd_, &facts) != 0) return false;
    size_ = facts.st_size;
    auto* buffer = static_cast<unsigned char*>(av_malloc(kReadSize));
    io_ = avio_alloc_context(buffer, kReadSize, 0, this, &Input::read, nullptr, &Input::seek);
    context_ = avformat_alloc_context();
    const char* demuxer = demuxer_of(format);
    if (!io_ || !context_ || !demuxer) return false;
    context_->pb = io_;
    context_->flags |= AVFMT_FLAG_CUSTOM_IO;
    context_->io_open = [](AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EACCES); };
    context_->max_streams = 32;
    context_->codec_whitelist = av_strdup(kDecoders);
    return avformat_open_input(&context_, nullptr, av_find_input_format(demuxer), nullptr) == 0;
  }
  AVFormatContext* get() const { return context_; }
  bool late() const { return std::chrono::steady_clock::now() >= ends_; }

  // The container's table points behind the end of the file.
  bool is_cut_off() const {
    for (unsigned i = 0; i < context_->nb_streams; ++i) {
      AVStream* stream = context_->streams[i];
      const int count = avformat_index_get_entries_count(stream);
      if (count == 0) continue;
      const AVIndexEntry* last = avformat_index_get_entry(stream, count - 1);
      if (last->pos + last->size > size_) return true;
    }
    return false;
  }

 private:
  static int read(void* opaque, std::uint8_t* to, int size) {
    auto* self = static_cast<Input*>(opaque);
    if (self->late()) return AVERROR_EXIT;
    const ssize_t got = ::read(self->fd_, to, static_cast<std::size_t>(size));
    return got > 0 ? static_cast<int>(got) : got == 0 ? AVERROR_EOF : AVERROR(EIO);
  }
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence) {
    auto* self = static_cast<Input*>(opaque);
    if (whence == AVSEEK_SIZE) return self->size_;
    const off_t at = ::lseek(self->fd_, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(EIO) : at;
  }

  const SteadyTime ends_;
  int fd_ = -1;
  std::int64_t size_ = 0;
  AVIOContext* io_ = nullptr;
  AVFormatContext* context_ = nullptr;
};

// The decoder of the best stream of a type.
struct Track {
  AVStream* stream = nullptr;
  Owned<AVCodecContext> decoder;
};
std::optional<Track> open_track(const Input& input, AVMediaType type, const FilmLimits& limits) {
  const int index = av_find_best_stream(input.get(), type, -1, -1, nullptr, 0);
  if (index < 0) return std::nullopt;
  Track track{input.get()->streams[index], nullptr};
  const AVCodecParameters* parameters = track.stream->codecpar;
  const AVCodec* codec = avcodec_find_decoder(parameters->codec_id);
  if (!codec || (track.stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return std::nullopt;  // a cover
  track.decoder.reset(avcodec_alloc_context3(codec));
  track.decoder->thread_count = 1;
  track.decoder->max_pixels = limits.max_pixels + kLinePadding;
  track.decoder->codec_whitelist = av_strdup(kDecoders);
  if (avcodec_parameters_to_context(track.decoder.get(), parameters) < 0) return std::nullopt;
  track.decoder->pkt_timebase = track.stream->time_base;
  if (avcodec_open2(track.decoder.get(), codec, nullptr) < 0) return std::nullopt;
  return track;
}

// Reads until the decoder gives a frame; null when there is none within the limits.
Owned<AVFrame> first_frame(const Input& input, const Track& track, const FilmLimits& limits) {
  const Owned<AVPacket> packet(av_packet_alloc());
  Owned<AVFrame> frame(av_frame_alloc());
  bool ended = false;
  for (int packets = 0; packets < limits.max_packets && !input.late(); ++packets) {
    ended = ended || av_read_frame(input.get(), packet.get()) < 0;
    if (!ended && packet->stream_index != track.stream->index) {
      av_packet_unref(packet.get());
      continue;
    }
    const int sent = avcodec_send_packet(track.decoder.get(), ended ? nullptr : packet.get());
    av_packet_unref(packet.get());
    const int got = avcodec_receive_frame(track.decoder.get(), frame.get());
    if (got == 0) return frame;
    if (got != AVERROR(EAGAIN) || (ended && sent < 0)) return nullptr;
  }
  return nullptr;
}

Millis duration_of(const Input& input, const Track& track) {
  if (input.get()->duration > 0) return input.get()->duration / (AV_TIME_BASE / 1000);
  if (track.stream->duration > 0) return av_rescale_q(track.stream->duration, track.stream->time_base, {1, 1000});
  return 0;
}

// Quarter turns, clockwise, that bring the picture upright.
int quarter_turns(const AVStream* stream) {
  std::size_t size = 0;
  const std::uint8_t* matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (!matrix || size < 9 * sizeof(std::int32_t)) return 0;
  const double degrees = -av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));
  return std::isnan(degrees) ? 0 : ((static_cast<int>(std::lround(degrees / 90)) % 4) + 4) % 4;
}

std::optional<RgbPicture> scaled(const AVFrame& frame, int side) {
  const double factor = std::min(1.0, static_cast<double>(side) / std::max(frame.width, frame.height));
  RgbPicture picture;
  picture.width = std::max(1, static_cast<int>(std::lround(frame.width * factor)));
  picture.height = std::max(1, static_cast<int>(std::lround(frame.height * factor)));
  const Owned<SwsContext> scaler(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                                                picture.width, picture.height, AV_PIX_FMT_RGB24, SWS_AREA, nullptr,
                                                nullptr, nullptr));
  std::uint8_t* planes[4] = {};
  int lines[4] = {};
  // The scaler writes a little beyond the end of a line; 64 bytes of alignment leave it room.
  if (!scaler || av_image_alloc(planes, lines, picture.width + 64, picture.height, AV_PIX_FMT_RGB24, 64) < 0)
    return std::nullopt;
  const int rows = sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, lines);
  const std::size_t line = static_cast<std::size_t>(picture.width) * 3;
  for (int y = 0; y < rows; ++y)
    picture.rows.append(reinterpret_cast<const char*>(planes[0] + static_cast<std::ptrdiff_t>(y) * lines[0]), line);
  av_freep(&planes[0]);
  if (rows != picture.height) return std::nullopt;
  return picture;
}

// There is nothing to see or to hear, or nothing that we decode.
std::unexpected<Error> no_track(const Input& input, Kind kind) {
  const bool film = kind == Kind::film;
  Error error(Errc::invalid, film ? "broken_video" : "broken_sound",
              film ? Text{"The video has no pictures.", "视频中没有画面。"} : Text{"The file has no sound in it.", "文件中没有音频。"});
  for (unsigned i = 0; i < input.get()->nb_streams; ++i) {
    const AVCodecParameters& stream = *input.get()->streams[i]->codecpar;
    if (stream.codec_type != (film ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO)) continue;
    const std::string codec = avcodec_get_name(stream.codec_id);
    if (std::string_view(kDecoders).contains(codec)) return broken(kind, "the decoder refuses " + codec);
    error = Error(Errc::invalid, error.code(),
                  {fmt::format("Files coded as {} are not taken; H.264 and AAC are known everywhere.", codec),
                   fmt::format("不支持 {} 编码；建议使用 H.264 和 AAC。", codec)})
                .with("codec", boost::json::string(codec));
  }
  return std::unexpected(std::move(error));
}

std::unexpected<Error> refused(const Input& input, Kind kind, std::string_view why) {
  if (!input.late()) return broken(kind, why);
  return fail(Errc::invalid, "video_too_slow", {"Reading the file takes too long.", "读取文件耗时过长。"});
}

SteadyTime deadline(const FilmLimits& limits) {
  return std::chrono::steady_clock::now() + std::chrono::seconds(limits.max_seconds);
}

}  // namespace

Result<FilmFacts> inspect_film(const std::string& path, Format format, const FilmLimits& limits) {
  Input input(deadline(limits));
  if (!input.open(path, format)) return refused(input, Kind::film, "the container cannot be read");
  if (input.is_cut_off()) return broken(Kind::film, "the file is shorter than its table says");
  const auto track = open_track(input, AVMEDIA_TYPE_VIDEO, limits);
  if (!track) return no_track(input, Kind::film);
  const std::int64_t pixels = std::int64_t{track->stream->codecpar->width} * track->stream->codecpar->height;
  if (pixels > limits.max_pixels)
    return std::unexpected(
        Error(Errc::invalid, "too_many_pixels",
              {fmt::format("The video's pictures have {} pixels; at most {} are taken.", pixels, limits.max_pixels),
               fmt::format("视频画面有 {} 像素，最多允许 {} 像素。", pixels, limits.max_pixels)})
            .with("pixels", pixels)
            .with("limit", limits.max_pixels));
  const auto frame = first_frame(input, *track, limits);
  if (!frame) return refused(input, Kind::film, "no picture could be decoded");
  auto poster = scaled(*frame, limits.poster_side);
  if (!poster) return broken(Kind::film, "the first picture cannot be scaled");
  poster->turns = quarter_turns(track->stream);
  FilmFacts facts{frame->width, frame->height, duration_of(input, *track), std::move(*poster)};
  if (facts.poster.turns % 2 == 1) std::swap(facts.width, facts.height);
  return facts;
}

Result<Millis> inspect_sound(const std::string& path, Format format, const FilmLimits& limits) {
  Input input(deadline(limits));
  if (!input.open(path, format)) return refused(input, Kind::sound, "the container cannot be read");
  if (input.is_cut_off() || (format == Format::wav && wav_is_cut_off(path)))
    return broken(Kind::sound, "the file is shorter than its table says");
  // Files without a header tell their rate, and with it their length, by their first frames only.
  if (avformat_find_stream_info(input.get(), nullptr) < 0) return refused(input, Kind::sound, "no frames");
  const auto track = open_track(input, AVMEDIA_TYPE_AUDIO, limits);
  if (!track) return no_track(input, Kind::sound);
  if (!first_frame(input, *track, limits)) return refused(input, Kind::sound, "no frame could be decoded");
  return duration_of(input, *track);
}

}  // namespace fluxgate::files
