#include "files/stores/settings.h"

#include "files/stores/encode.h"
#include "files/stores/key.h"
#include "files/stores/local_store.h"
#include "files/stores/origin.h"
#include "files/stores/remote_store.h"

namespace fluxgate::files {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz", kDigits = "0123456789";
constexpr std::size_t kHostBytesMax = 60;     // COS: the whole host name
constexpr std::size_t kPrefixBytesMax = 200;  // leaves room for our keys

bool consists_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

// Collects what is wrong, one entry for each member.
class Checker {
 public:
  void wrong(std::string_view member, std::string_view type, Text message, std::string_view received) {
    FieldError field;
    field.loc = {std::string("body"), std::string(member)};
    field.type = type;
    field.message = std::move(message);
    field.input = boost::json::string(received);
    fields_.push_back(std::move(field));
  }

  void needed(std::string_view member, std::string_view value) {
    if (value.empty())
      wrong(member, "missing", {fmt::format("{} is needed.", member), fmt::format("缺少 {}。", member)},
            value);
  }

  void one_of(std::string_view member, std::string_view value,
              std::initializer_list<std::string_view> allowed) {
    if (value.empty() || std::ranges::count(allowed, value) > 0) return;
    wrong(member, "enum",
          {fmt::format("{} can be {}.", member, fmt::join(allowed, ", ")),
           fmt::format("{} 只能是 {}。", member, fmt::join(allowed, "、"))},
          value);
  }

  void origin(std::string_view member, std::string_view value) {
    if (value.empty() || parse_origin(value)) return;
    wrong(member, "url_parsing",
          {fmt::format("{} is an address such as https://img.example.com, without a path.", member),
           fmt::format("{} 应为 https://img.example.com 形式的地址，不含路径。", member)},
          value);
  }

  // Credentials: never shown back.
  void word(std::string_view member, std::string_view value) {
    needed(member, value);
    if (std::ranges::any_of(value, [](unsigned char c) { return c <= 0x20 || c >= 0x7f; }))
      wrong(member, "string_pattern_mismatch",
            {fmt::format("{} has spaces or characters that no key has.", member),
             fmt::format("{} 含有空格或非法字符。", member)},
            "");
  }

  void prefix(std::string_view value) {
    if (value.empty() || (check_key(value, kPrefixBytesMax) && value.ends_with('/'))) return;
    wrong(
        "prefix", "string_pattern_mismatch",
        {fmt::format("prefix is a path such as fluxgate/ of at most {} bytes, with a slash at its end only.",
                     kPrefixBytesMax),
         fmt::format("prefix 应为 fluxgate/ 形式的路径，不超过 {} 字节，仅以斜杠结尾。", kPrefixBytesMax)},
        value);
  }

  Result<void> result() && {
    if (fields_.empty()) return {};
    return fail(Error::invalid(std::move(fields_)));
  }

 private:
  std::vector<FieldError> fields_;
};

bool is_cos_bucket(std::string_view bucket) {
  const std::size_t dash = bucket.rfind('-');
  if (dash == bucket.npos || dash == 0 || dash + 1 == bucket.size() || bucket.front() == '-') return false;
  return consists_of(bucket.substr(dash + 1), kDigits) && bucket[dash - 1] != '-' &&
         consists_of(bucket.substr(0, dash), std::string(kLower) + std::string(kDigits) + "-");
}

Result<void> check_one(const LocalSettings& settings) {
  Checker checker;
  if (!settings.directory.starts_with('/'))
    checker.wrong("directory", "string_pattern_mismatch",
                  {"directory is an absolute path.", "directory 应为绝对路径。"}, settings.directory);
  return std::move(checker).result();
}

void check_cos_host(Checker& checker, const CosSettings& settings) {
  if (!settings.endpoint.empty()) return;
  const std::string host = fmt::format("{}.cos.{}.myqcloud.com", settings.bucket,
                                       settings.accelerate ? "accelerate" : settings.region);
  if (host.size() <= kHostBytesMax) return;
  checker.wrong(
      "bucket", "string_too_long",
      {fmt::format("The host name {} has {} characters; COS allows {}.", host, host.size(), kHostBytesMax),
       fmt::format("域名 {} 有 {} 个字符，COS 最多允许 {} 个。", host, host.size(), kHostBytesMax)},
      settings.bucket);
}

Result<void> check_one(const CosSettings& settings) {
  Checker checker;
  if (!is_cos_bucket(settings.bucket))
    checker.wrong("bucket", "string_pattern_mismatch",
                  {"bucket is <name>-<APPID>, such as studio-1250000000: small letters, digits and hyphens.",
                   "bucket 的格式为 <名称>-<APPID>，例如 studio-1250000000，只含小写字母、数字和连字符。"},
                  settings.bucket);
  const std::string region_characters = std::string(kLower) + std::string(kDigits) + "-";
  if (settings.region.empty() || !consists_of(settings.region, region_characters))
    checker.wrong("region", "string_pattern_mismatch",
                  {"region is a name such as ap-guangzhou, without cos. before it.",
                   "region 为 ap-guangzhou 形式的名称，前面不加 cos.。"},
                  settings.region);
  check_cos_host(checker, settings);
  checker.word("secret_id", settings.credentials.id);
  checker.word("secret_key", settings.credentials.secret);
  checker.prefix(settings.prefix);
  checker.origin("endpoint", settings.endpoint);
  checker.origin("domain", settings.link_base);
  if (settings.accelerate && !settings.endpoint.empty())
    checker.wrong(
        "accelerate", "value_error",
        {"accelerate does not go together with an endpoint.", "accelerate 不能与 endpoint 同时使用。"},
        settings.endpoint);
  checker.one_of("acl", settings.acl, {"default", "private", "public-read"});
  checker.one_of("storage_class", settings.storage_class,
                 {"STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "MAZ_STANDARD", "MAZ_STANDARD_IA",
                  "MAZ_INTELLIGENT_TIERING"});
  return std::move(checker).result();
}

Result<void> check_one(const S3Settings& settings) {
  Checker checker;
  checker.needed("endpoint", settings.endpoint);
  checker.origin("endpoint", settings.endpoint);
  if (const auto origin = parse_origin(settings.endpoint); origin && origin->is_address && settings.addressing == Addressing::virtual_host)
    checker.wrong("addressing", "value_error",
                  {"addressing cannot be virtual where the endpoint is an IP address or localhost: there are no names below it. Choose path or auto.",
                   "接入点为 IP 地址或 localhost 时不能使用 virtual：其下没有子域名。请选择 path 或 auto。"},
                  settings.endpoint);
  checker.origin("domain", settings.link_base);
  const std::string bucket_characters = std::string(kLower) + std::string(kDigits) + "-.";
  if (settings.bucket.size() < 3 || settings.bucket.size() > 63 ||
      !consists_of(settings.bucket, bucket_characters))
    checker.wrong("bucket", "string_pattern_mismatch",
                  {"bucket has 3 to 63 small letters, digits, hyphens and dots.",
                   "bucket 由 3 到 63 个小写字母、数字、连字符和点组成。"},
                  settings.bucket);
  if (settings.region.empty() ||
      !consists_of(settings.region, std::string(kLower) + std::string(kDigits) + "-"))
    checker.wrong("region", "string_pattern_mismatch",
                  {"region is a name such as eu-central-1.", "region 为 eu-central-1 形式的名称。"},
                  settings.region);
  checker.word("secret_id", settings.credentials.id);
  checker.word("secret_key", settings.credentials.secret);
  checker.prefix(settings.prefix);
  checker.one_of("acl", settings.acl, {"private", "public-read", "bucket-owner-full-control"});
  checker.one_of(
      "storage_class", settings.storage_class,
      {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"});
  return std::move(checker).result();
}

}  // namespace

Result<void> check(const StoreSettings& settings) {
  return std::visit([](const auto& one) { return check_one(one); }, settings);
}

Result<std::unique_ptr<Store>> make_store(StoreSettings settings, StoreParts parts) {
  FLUX_CHECK(check(settings));
  if (auto* local = std::get_if<LocalSettings>(&settings)) return make_local_store(std::move(*local), parts);
  std::shared_ptr<const Dialect> dialect;
  if (auto* cos = std::get_if<CosSettings>(&settings)) dialect = make_cos_dialect(std::move(*cos));
  if (auto* s3 = std::get_if<S3Settings>(&settings)) dialect = make_s3_dialect(std::move(*s3));
  return std::make_unique<RemoteStore>(std::move(dialect), parts);
}

}  // namespace fluxgate::files
