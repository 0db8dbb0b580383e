#include "http/compress.h"

#include <brotli/encode.h>
#include <zlib.h>

#include <charconv>
#include <cmath>

#include "base/result.h"
#include "http/request_head.h"

namespace fluxgate::http {
namespace {

constexpr int kGzipLevel = 5;
constexpr int kBrotliQuality = 4;
constexpr int kBrotliWindow = 19;  // 512 KiB: answers are rarely larger
constexpr std::size_t kKeptBytes = 4 * 1024 * 1024;
constexpr std::size_t kKeptBodies = 64;
constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for a gzip wrapper

// The weight of one element of Accept-Encoding in thousandths; without a "q" parameter it is 1.
int weight_of(std::string_view parameters) {
  const std::size_t at = parameters.find_first_of("qQ");
  if (at == std::string_view::npos) return 1000;
  const std::string_view text = trim(parameters.substr(at + 1));
  if (!text.starts_with('=')) return 0;
  const std::string_view number = trim(text.substr(1));
  double weight = 0;
  const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), weight);
  if (ec != std::errc() || weight < 0 || weight > 1) return 0;
  return static_cast<int>(std::lround(weight * 1000));
}

std::string gzip(std::string_view body) {
  z_stream stream{};
  FLUX_ASSERT(deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  FLUX_ASSERT(result == Z_STREAM_END);
  return out;
}

std::string brotli(std::string_view body) {
  std::size_t size = BrotliEncoderMaxCompressedSize(body.size());
  std::string out(size, '\0');
  const auto done = BrotliEncoderCompress(kBrotliQuality, kBrotliWindow, BROTLI_MODE_TEXT, body.size(),
                                          reinterpret_cast<const std::uint8_t*>(body.data()), &size,
                                          reinterpret_cast<std::uint8_t*>(out.data()));
  FLUX_ASSERT(done == BROTLI_TRUE);
  out.resize(size);
  return out;
}

}  // namespace

Coding negotiate_coding(std::string_view accept_encoding) {
  int gzip_weight = -1, brotli_weight = -1, any_weight = -1, identity_weight = -1;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view element = trim(accept_encoding.substr(0, comma));
    accept_encoding =
        comma == std::string_view::npos ? std::string_view() : accept_encoding.substr(comma + 1);
    const std::size_t semicolon = element.find(';');
    const std::string_view name = trim(element.substr(0, semicolon));
    const int weight = semicolon == std::string_view::npos ? 1000 : weight_of(element.substr(semicolon + 1));
    if (equals_ignoring_case(name, "br"))
      brotli_weight = weight;
    else if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip"))
      gzip_weight = weight;
    else if (equals_ignoring_case(name, "identity"))
      identity_weight = weight;
    else if (name == "*")
      any_weight = weight;
  }
  if (gzip_weight < 0) gzip_weight = any_weight;
  if (brotli_weight < 0) brotli_weight = any_weight;
  const int best = std::max(gzip_weight, brotli_weight);
  if (best <= 0 || best < identity_weight) return Coding::identity;
  return brotli_weight == best ? Coding::brotli : Coding::gzip;
}

std::string_view coding_name(Coding coding) {
  switch (coding) {
    case Coding::gzip: return "gzip";
    case Coding::brotli: return "br";
    case Coding::identity: return "identity";
  }
  return "identity";
}

bool is_compressible(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (type == "text/event-stream") return false;
  if (type.starts_with("text/")) return true;
  static constexpr std::string_view kTypes[] = {
      "application/json",    "application/javascript",   "application/xml",
      "application/yaml",    "application/x-ndjson",     "application/wasm",
      "application/ld+json", "application/problem+json", "application/manifest+json",
      "image/svg+xml",       "application/xhtml+xml",    "application/rss+xml",
  };
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

std::string compress(std::string_view body, Coding coding) {
  switch (coding) {
    case Coding::gzip: return gzip(body);
    case Coding::brotli: return brotli(body);
    case Coding::identity: break;
  }
  return std::string(body);
}

CodedBodies::Body CodedBodies::coded(const Body& source, Coding coding) {
  for (const Entry& entry : entries_)
    if (entry.coding == coding && entry.key.empty() && entry.source.lock() == source) return entry.body;
  return keep("", source, coding, *source);
}

CodedBodies::Body CodedBodies::find(const std::string& key, Coding coding) const {
  for (const Entry& entry : entries_)
    if (entry.coding == coding && entry.key == key) return entry.body;
  return nullptr;
}

CodedBodies::Body CodedBodies::keep(std::string key, std::weak_ptr<const std::string> source, Coding coding,
                                    std::string_view plain) {
  auto body = std::make_shared<const std::string>(compress(plain, coding));
  if (body->size() > kKeptBytes / 4) return body;
  entries_.push_back({std::move(key), std::move(source), coding, body});
  bytes_ += body->size();
  while (bytes_ > kKeptBytes || entries_.size() > kKeptBodies) {
    bytes_ -= entries_.front().body->size();
    entries_.pop_front();
  }
  return body;
}

}  // namespace fluxgate::http
