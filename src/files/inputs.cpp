#include "files/inputs.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/ids.h"
#include "files/links.h"
#include "files/sniff.h"
#include "net/guard.h"

namespace fluxgate::files {
namespace {

// The first 100 characters (not bytes) of what was received.
std::string shown(std::string_view value) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(value[i]) & 0xC0) != 0x80;
    if (starts && ++characters > 100) return std::string(value.substr(0, i)) + "…";
  }
  return std::string(value);
}

class Refusal {
 public:
  Refusal(std::string_view value, Loc loc) : value_(value), loc_(std::move(loc)) {}

  std::unexpected<Error> operator()(std::string type, Text message, boost::json::object context = {}) const {
    FieldError field;
    field.loc = loc_;
    field.type = std::move(type);
    field.message = std::move(message);
    field.context = std::move(context);
    field.input = boost::json::string(shown(value_));
    return fail(Error::invalid(std::move(field)));
  }

 private:
  std::string_view value_;
  Loc loc_;
};

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::ranges::equal(text.substr(0, prefix.size()), prefix, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// RFC 2397, base64 only. The media type it claims is not believed.
Result<InputRef> decode_data_uri(std::string_view value, const Refusal& refuse, std::uint64_t limit, Purpose purpose) {
  const std::size_t comma = value.find(',');
  const std::string_view head = value.substr(0, comma);
  constexpr std::string_view kMark = ";base64";
  if (comma == std::string_view::npos || head.size() < kMark.size() ||
      !starts_with_ignoring_case(head.substr(head.size() - kMark.size()), kMark))
    return refuse("data_uri", {"A data URI must have the form data:image/png;base64,…",
                               "data URI 的格式必须为 data:image/png;base64,…"});
  const std::string_view payload = value.substr(comma + 1);
  const auto too_large = [&] {
    return refuse("data_uri_too_large",
                  {fmt::format("The picture in the data URI is larger than {} bytes.", limit),
                   fmt::format("data URI 中的图片超过 {} 字节。", limit)},
                  {{"limit", limit}});
  };
  if (payload.size() / 4 > limit / 3 + 1) return too_large();  // before decoding
  auto bytes = crypto::unbase64(payload);
  if (!bytes)
    return refuse("data_uri", {"The data URI is not valid base64.", "data URI 不是有效的 base64。"});
  if (bytes->size() > limit) return too_large();
  const Format format = sniff(*bytes);
  if (purpose == Purpose::upload && !is_picture(format)) {
    const Text& name = name_of(format);
    return refuse(
        "image_type",
        {fmt::format("The data URI must hold a PNG, JPEG, WebP, GIF, AVIF or HEIC picture; it holds {}.",
                     name.en),
         fmt::format("data URI 必须是 PNG、JPEG、WebP、GIF、AVIF 或 HEIC 图片，收到的是{}。", name.zh)},
        {{"received", boost::json::string(mime_of(format))}});
  }
  return InlineImage{std::move(*bytes)};
}

// The path on one of our own origins, or nullopt for links to elsewhere.
std::optional<std::string_view> own_path(std::string_view value,
                                         const std::vector<std::string>& own_origins) {
  if (value.starts_with('/') && !value.starts_with("//")) return value;
  const std::string origin = net::origin_of(value);
  if (origin.empty()) return std::nullopt;
  const bool ours =
      std::ranges::any_of(own_origins, [&](const auto& own) { return net::origin_of(own) == origin; });
  if (!ours) return std::nullopt;
  const std::size_t path = value.find('/', value.find("://") + 3);
  return path == std::string_view::npos ? "/" : value.substr(path);
}

}  // namespace

std::unexpected<Error> refused_at(Error error, Loc loc) {
  if (error.errc() != Errc::invalid || !error.fields().empty()) return fail(std::move(error));
  FieldError field;
  field.loc = std::move(loc);
  field.type = error.code();
  field.message = error.message();
  field.context = error.context();
  return fail(Error::invalid(std::move(field)));
}

Result<InputRef> classify_input(std::string_view value, Loc loc, const std::vector<std::string>& own_origins,
                                const std::vector<std::string>& exempt_origins, std::uint64_t inline_limit, Purpose purpose) {
  const Refusal refuse(value, std::move(loc));
  if (value.empty()) return refuse("image_missing", {"An image is needed here.", "此处需要一张图片。"});
  if (is_uuid(value)) return OwnFile{std::string(value)};
  if (starts_with_ignoring_case(value, "data:")) return decode_data_uri(value, refuse, inline_limit, purpose);
  if (const auto path = own_path(value, own_origins)) {
    std::string id = file_id_in_path(*path);
    if (!id.empty()) return OwnFile{std::move(id)};
    return refuse("own_link",
                  {"This is not a link to a file on this server.", "这不是本服务器上文件的链接。"});
  }
  if (const auto allowed = net::check_fetch_url(value, exempt_origins); !allowed) {
    const auto& error = allowed.error();
    return refuse(error.context().at("rule").as_string().c_str(), error.message());
  }
  return PublicUrl{std::string(value)};
}

}  // namespace fluxgate::files
