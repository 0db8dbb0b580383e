#include "identity/input.h"

#include <charconv>
#include <cmath>

namespace fluxgate::identity {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

int code_points(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

bool looks_like_email(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return is_control(c) || c == ' '; })) return false;
  const auto at = text.find('@');
  if (at == 0 || at == std::string_view::npos || text.find('@', at + 1) != std::string_view::npos)
    return false;
  const std::string_view domain = text.substr(at + 1);
  if (domain == "localhost") return true;
  const auto dot = domain.rfind('.');
  return dot != std::string_view::npos && dot > 0 && dot + 1 < domain.size();
}

bool is_picture_data(std::string_view text) {
  for (std::string_view type : {"png", "jpeg", "webp", "gif"})
    if (text.starts_with(fmt::format("data:image/{};base64,", type))) return true;
  return false;
}

}  // namespace

Error field_error(std::string field, std::string type, Text message, boost::json::object context,
                  boost::json::value input) {
  FieldError error;
  error.loc = {std::string("body"), std::move(field)};
  error.type = std::move(type);
  error.message = std::move(message);
  error.context = std::move(context);
  error.input = std::move(input);
  return Error::invalid(std::move(error));
}

Result<std::string> clean_email(std::string_view text) {
  std::string email = lower_case(trimmed(text));
  if (email.size() > kEmailMax)
    return fail(field_error("email", "string_too_long",
                            {fmt::format("An e-mail address has at most {} bytes.", kEmailMax),
                             fmt::format("邮箱地址最多 {} 个字节。", kEmailMax)},
                            {{"max_length", kEmailMax}}));
  if (!looks_like_email(email))
    return fail(field_error("email", "email_format",
                            {"This is not an e-mail address: expected name@domain.tld.",
                             "邮箱地址格式不正确,应为 名称@域名.后缀。"},
                            {}, boost::json::string(email)));
  return email;
}

std::string lookup_email(std::string_view text) {
  std::string email = lower_case(trimmed(text));
  if (email.size() > kEmailMax || std::ranges::any_of(email, is_control)) return {};
  return email;
}

Result<std::string> clean_name(std::string_view text) {
  std::string clean(trimmed(text));
  if (clean.empty())
    return fail(field_error("name", "string_too_short", {"A name is needed.", "名称不能为空。"},
                            {{"min_length", 1}}, boost::json::string(clean)));
  if (code_points(clean) > kNameMax)
    return fail(field_error("name", "string_too_long",
                            {fmt::format("A name has at most {} characters.", kNameMax),
                             fmt::format("名称最多 {} 个字符。", kNameMax)},
                            {{"max_length", kNameMax}}));
  if (std::ranges::any_of(clean, is_control))
    return fail(field_error("name", "string_pattern",
                            {"A name has no control characters.", "名称不能包含控制字符。"}));
  return clean;
}

Result<std::string> clean_picture(std::string_view text) {
  const std::string_view picture = trimmed(text);
  if (picture.empty()) return std::string("/user.png");
  if (picture.size() > kPictureMax)
    return fail(field_error("profile_image_url", "string_too_long",
                            {fmt::format("A profile picture has at most {} KiB.", kPictureMax / 1024),
                             fmt::format("头像最大 {} KiB。", kPictureMax / 1024)},
                            {{"max_length", kPictureMax}}));
  const bool ours = picture.starts_with('/') && !picture.starts_with("//");
  const bool web = picture.starts_with("https://") || picture.starts_with("http://");
  if ((!ours && !web && !is_picture_data(picture)) || std::ranges::any_of(picture, is_control))
    return fail(
        field_error("profile_image_url", "url_scheme",
                    {"A profile picture is a path starting with \"/\", an http(s) URL, or a data URL of a "
                     "PNG, JPEG, WebP or GIF.",
                     "头像应为以“/”开头的路径、http(s) 链接,或 PNG、JPEG、WebP、GIF 的 data URL。"},
                    {}, boost::json::string(picture.substr(0, 64))));
  return std::string(picture);
}

Result<void> check_password(std::string_view password, std::string_view field, int byte_limit) {
  const int length = code_points(password);
  if (length < kPasswordMin)
    return fail(field_error(std::string(field), "string_too_short",
                            {fmt::format("A password has at least {} characters.", kPasswordMin),
                             fmt::format("密码至少 {} 个字符。", kPasswordMin)},
                            {{"min_length", kPasswordMin}}));
  if (length > kPasswordMax || password.size() > static_cast<std::size_t>(kPasswordBytesMax))
    return fail(field_error(std::string(field), "string_too_long",
                            {fmt::format("A password has at most {} characters.", kPasswordMax),
                             fmt::format("密码最多 {} 个字符。", kPasswordMax)},
                            {{"max_length", kPasswordMax}}));
  if (password.size() > static_cast<std::size_t>(byte_limit))
    return fail(field_error(
        std::string(field), "string_too_long",
        {fmt::format("A password has at most {} bytes while Open WebUI shares the accounts.", byte_limit),
         fmt::format("与 Open WebUI 共用账号时,密码最多 {} 个字节。", byte_limit)},
        {{"max_bytes", byte_limit}}));
  if (password.find('\0') != std::string_view::npos)
    return fail(
        field_error(std::string(field), "string_pattern",
                    {"A password cannot contain the character U+0000.", "密码不能包含字符 U+0000。"}));
  return {};
}

std::string_view name(Role role) {
  switch (role) {
    case Role::pending: return "pending";
    case Role::user: return "user";
    case Role::admin: return "admin";
  }
  return "pending";
}

std::optional<Role> parse_role(std::string_view text) {
  for (Role role : {Role::pending, Role::user, Role::admin})
    if (name(role) == text) return role;
  return std::nullopt;
}

Result<Role> role_field(std::string_view text, std::string_view field) {
  if (auto role = parse_role(text)) return *role;
  return fail(field_error(std::string(field), "enum",
                          {"A role is pending, user or admin.", "角色只能是 pending、user 或 admin。"},
                          {{"expected", boost::json::array{"pending", "user", "admin"}}},
                          boost::json::string(text.substr(0, 64))));
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  using std::chrono::milliseconds;
  text = trimmed(text);
  if (text == "-1" || text == "0") return milliseconds{0};
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {"w", 7 * 86400e3}};
  constexpr double kLongest = 100.0 * 366 * 86400e3;
  double total = 0;
  while (!text.empty()) {
    if (text.front() < '0' || text.front() > '9') return std::nullopt;
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto unit = std::ranges::find_if(kUnits, [&](const auto& u) { return text.starts_with(u.first); });
    if (unit == std::end(kUnits)) return std::nullopt;
    text.remove_prefix(unit->first.size());
    total += number * unit->second;
    if (!(total <= kLongest)) return std::nullopt;
  }
  const auto whole = static_cast<std::int64_t>(std::llround(total));
  if (whole <= 0) return std::nullopt;
  return milliseconds{whole};
}

}  // namespace fluxgate::identity
