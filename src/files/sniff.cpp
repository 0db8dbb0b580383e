#include "files/sniff.h"

#include <algorithm>

namespace fluxgate::files {
namespace {

using namespace std::string_view_literals;

// ISO base media files (ISO/IEC 14496-12 §4.3): size, "ftyp", major brand, version, compatible brands.
Format sniff_brands(std::string_view head) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head[i]); };
  const std::size_t box = std::size_t{byte(0)} << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  const std::string_view brands = head.substr(8, std::min(box, head.size()) - std::min<std::size_t>(box, 8));
  const auto has = [&](std::string_view brand) {
    for (std::size_t at = 0; at + 4 <= brands.size(); at += 4)
      if (at != 4 && brands.substr(at, 4) == brand) return true;  // at 4 stands the version
    return false;
  };
  if (has("avif") || has("avis")) return Format::avif;
  for (const auto brand : {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "hevc"sv, "hevx"sv, "mif1"sv, "msf1"sv})
    if (has(brand)) return Format::heic;
  if (brands.starts_with("qt  ")) return Format::quicktime;
  if (brands.starts_with("M4A ") || brands.starts_with("M4B ")) return Format::m4a;
  for (const auto brand : {"isom"sv, "iso2"sv, "iso4"sv, "iso5"sv, "iso6"sv, "mp41"sv, "mp42"sv, "avc1"sv,
                           "dash"sv, "M4V "sv, "MSNV"sv})
    if (has(brand)) return Format::mp4;
  return Format::unknown;
}

// A frame of MPEG audio or of AAC in ADTS (ISO/IEC 11172-3 §2.4.1.3, 13818-7 §6.2): eleven bits set, then the
// version, the layer, the rates. Values that no encoder may write make chance hits rare.
Format sniff_sound_frame(std::string_view head) {
  if (head.size() < 4 || head[0] != '\xFF') return Format::unknown;
  const auto second = static_cast<unsigned char>(head[1]), third = static_cast<unsigned char>(head[2]);
  if ((second & 0xF6) == 0xF0 && (third >> 2 & 0x0F) < 13) return Format::aac;
  const bool layer_three = (second & 0xE6) == 0xE2 && (second >> 3 & 3) != 1;
  const int bit_rate = third >> 4, sample_rate = third >> 2 & 3;
  return layer_three && bit_rate != 0 && bit_rate != 15 && sample_rate != 3 ? Format::mp3 : Format::unknown;
}

Format sniff_markup(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower.contains("<svg")) return Format::svg;
  if (lower.contains("<!doctype html") || lower.contains("<html") || lower.contains("<head") ||
      lower.contains("<script"))
    return Format::html;
  return Format::xml;
}

Format sniff_text(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return Format::text;
  if (head[first] == '<') return sniff_markup(head.substr(first));
  const bool printable = std::ranges::all_of(
      head, [](unsigned char c) { return c >= 0x20 || c == '\t' || c == '\r' || c == '\n'; });
  if (!printable) return Format::unknown;
  return head[first] == '{' || head[first] == '[' ? Format::json : Format::text;
}

struct Signature {
  std::string_view bytes;
  Format format;
};

constexpr Signature kSignatures[] = {
    {"\x89PNG\r\n\x1A\n", Format::png},
    {"\xFF\xD8\xFF", Format::jpeg},
    {"GIF87a", Format::gif},
    {"GIF89a", Format::gif},
    {"%PDF-", Format::pdf},
    {"BM", Format::bmp},
    {"II*\0"sv, Format::tiff},
    {"MM\0*"sv, Format::tiff},
    {"\0\0\1\0"sv, Format::ico},
    {"\xFF\x0A", Format::jxl},
    {"\0\0\0\x0CJXL \r\n"sv, Format::jxl},
    {"PK\x03\x04", Format::zip},
    {"ID3", Format::mp3},
    {"fLaC", Format::flac},
    {"OggS", Format::ogg},
};

struct Description {
  Format format;
  std::string_view mime;
  std::string_view extension;
  Text name;
};

const Description& describe(Format format) {
  static const Description kDescriptions[] = {
      {Format::unknown, "application/octet-stream", "bin", {"something unknown", "未知类型的数据"}},
      {Format::empty, "application/octet-stream", "bin", {"an empty file", "空文件"}},
      {Format::png, "image/png", "png", {"a PNG picture", "PNG 图片"}},
      {Format::jpeg, "image/jpeg", "jpg", {"a JPEG picture", "JPEG 图片"}},
      {Format::webp, "image/webp", "webp", {"a WebP picture", "WebP 图片"}},
      {Format::gif, "image/gif", "gif", {"a GIF picture", "GIF 图片"}},
      {Format::avif, "image/avif", "avif", {"an AVIF picture", "AVIF 图片"}},
      {Format::heic, "image/heic", "heic", {"a HEIC picture", "HEIC 图片"}},
      {Format::mp4, "video/mp4", "mp4", {"an MP4 video", "MP4 视频"}},
      {Format::webm, "video/webm", "webm", {"a WebM video", "WebM 视频"}},
      {Format::quicktime, "video/quicktime", "mov", {"a QuickTime video", "QuickTime 视频"}},
      {Format::mp3, "audio/mpeg", "mp3", {"an MP3 sound", "MP3 音频"}},
      {Format::wav, "audio/wav", "wav", {"a WAV sound", "WAV 音频"}},
      {Format::m4a, "audio/mp4", "m4a", {"an M4A sound", "M4A 音频"}},
      {Format::aac, "audio/aac", "aac", {"an AAC sound", "AAC 音频"}},
      {Format::svg, "image/svg+xml", "svg", {"an SVG drawing", "SVG 矢量图"}},
      {Format::html, "text/html", "html", {"an HTML page", "HTML 网页"}},
      {Format::xml, "application/xml", "xml", {"an XML document", "XML 文档"}},
      {Format::pdf, "application/pdf", "pdf", {"a PDF document", "PDF 文档"}},
      {Format::bmp, "image/bmp", "bmp", {"a BMP picture", "BMP 图片"}},
      {Format::tiff, "image/tiff", "tiff", {"a TIFF picture", "TIFF 图片"}},
      {Format::ico, "image/vnd.microsoft.icon", "ico", {"an icon file", "ICO 图标"}},
      {Format::jxl, "image/jxl", "jxl", {"a JPEG XL picture", "JPEG XL 图片"}},
      {Format::matroska, "video/x-matroska", "mkv", {"a Matroska video", "Matroska 视频"}},
      {Format::flac, "audio/flac", "flac", {"a FLAC sound", "FLAC 音频"}},
      {Format::ogg, "application/ogg", "ogg", {"an Ogg file", "Ogg 文件"}},
      {Format::zip, "application/zip", "zip", {"a ZIP archive", "ZIP 压缩包"}},
      {Format::json, "application/json", "json", {"JSON text", "JSON 文本"}},
      {Format::text, "text/plain", "txt", {"plain text", "纯文本"}},
  };
  const auto* found = std::ranges::find(kDescriptions, format, &Description::format);
  return found == std::end(kDescriptions) ? kDescriptions[0] : *found;
}

}  // namespace

Format sniff(std::string_view head) {
  head = head.substr(0, kSniffBytes);
  if (head.empty()) return Format::empty;
  for (const auto& [bytes, format] : kSignatures)
    if (head.starts_with(bytes)) return format;
  if (head.size() >= 12 && head.starts_with("RIFF")) {
    if (head.substr(8, 4) == "WEBP") return Format::webp;
    if (head.substr(8, 4) == "WAVE") return Format::wav;
  }
  if (head.size() >= 12 && head.substr(4, 4) == "ftyp") return sniff_brands(head);
  if (head.starts_with("\x1A\x45\xDF\xA3")) return head.contains("webm") ? Format::webm : Format::matroska;
  if (const Format sound = sniff_sound_frame(head); sound != Format::unknown) return sound;
  return sniff_text(head);
}

std::string_view mime_of(Format format) { return describe(format).mime; }
std::string_view extension_of(Format format) { return describe(format).extension; }
const Text& name_of(Format format) { return describe(format).name; }

bool is_picture(Format format) {
  using enum Format;
  return format == png || format == jpeg || format == webp || format == gif || format == avif ||
         format == heic;
}

bool is_film(Format format) {
  return format == Format::mp4 || format == Format::quicktime || format == Format::webm;
}

bool is_sound(Format format) {
  using enum Format;
  return format == mp3 || format == wav || format == m4a || format == aac;
}

}  // namespace fluxgate::files
