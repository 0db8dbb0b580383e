#include "files/stores/connection_test.h"

#include "base/crypto.h"

namespace fluxgate::files {
namespace {

constexpr Millis kClockWorthSaying = 30'000;

Text text(std::string en, std::string zh) { return {std::move(en), std::move(zh)}; }

struct Action {
  std::string_view step, name, done_en, done_zh;
};
constexpr Action kActions[] = {
    {"reach", "", "The store answers.", "存储可以访问。"},
    {"write", "PutObject", "A small object was written.", "已写入测试对象。"},
    {"read", "GetObject", "It was read back unchanged.", "读回内容一致。"},
    {"delete", "DeleteObject", "It was deleted.", "已删除测试对象。"},
};
const Action& action_of(std::string_view step) { return *std::ranges::find(kActions, step, &Action::step); }

void passed(ConnectionReport& report, std::string_view step) {
  const Action& action = action_of(step);
  report.steps.push_back(
      {std::string(step), true, {std::string(action.done_en), std::string(action.done_zh)}});
}

// Whatever the store says, it has been reached when it says something.
void failed(ConnectionReport& report, std::string_view step, const Error& error, const Explain& explain) {
  const bool reached = !report.steps.empty() || (error.code() != "store_unreachable" && error.code() != "store_tls");
  if (step == "write" && reached) passed(report, "reach");
  report.steps.push_back({std::string(reached ? step : "reach"), false, explain(step, error)});
  report.failure_code = error.code();
}

std::string context_text(const Error& error, std::string_view name) {
  const auto* value = error.context().if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Text explain_unreachable(const Dialect& dialect, const Error& error) {
  const std::string host = dialect.host(), reason = context_text(error, "reason");
  if (reason == "resolve")
    return text(
        fmt::format("The name {} cannot be resolved: check region and endpoint, and this server's DNS.",
                    host),
        fmt::format("无法解析域名 {}：请检查地域、接入点以及本机 DNS。", host));
  if (reason == "connect")
    return text(fmt::format("{} refuses the connection: check the endpoint and firewalls.", host),
                fmt::format("{} 拒绝连接：请检查接入点和防火墙。", host));
  if (reason == "timeout")
    return text(fmt::format("{} does not answer in time: check network and proxy.", host),
                fmt::format("{} 响应超时：请检查网络和代理。", host));
  return text(fmt::format("The connection to {} broke before an answer came.", host),
              fmt::format("与 {} 的连接在收到响应前中断。", host));
}

Text explain_tls(const Dialect& dialect, const Error& error) {
  const std::string host = dialect.host();
  if (error.internal().contains("wrong version number"))  // OpenSSL's words
    return text(fmt::format("{} does not speak TLS there: check the port, or write http:// into the endpoint.", host),
                fmt::format("{} 的该端口不支持 TLS：请检查端口，或将接入点改为 http://。", host));
  return text(fmt::format("The certificate of {} is not trusted: check endpoint, domain and the system's certificates.", host),
              fmt::format("{} 的证书不受信任：请检查接入点、域名和系统证书。", host));
}

Text explain_key(const Error& error) {
  const std::string word = context_text(error, "store_code");
  if (word == "InvalidAccessKeyId")
    return text("The store does not know this access key: check secret_id for missing characters, and whether the key is still enabled.",
                "存储不认识该访问密钥：请检查 secret_id 是否完整，以及密钥是否已被停用。");
  if (word == "SignatureDoesNotMatch")
    return text("The secret does not belong to this access key: check secret_key for missing characters.",
                "密钥与访问密钥 ID 不匹配：请检查 secret_key 是否完整。");
  return text("The store does not accept this access key: check secret_id and secret_key for missing characters.",
              "存储不接受该访问密钥：请检查 secret_id 和 secret_key 是否完整。");
}

// Stores name what they refuse; only HEAD, which the test does not ask, is answered without a word.
bool speaks_otherwise(const Error& error) {
  return error.context().contains("store_status") && !error.context().contains("store_code");
}

// What to do, for the codes where more can be said than the error's own sentence.
Text advice(const Dialect& dialect, std::string_view step, const Error& error) {
  const std::string_view code = error.code();
  const std::string action = std::string(dialect.action_prefix()) + std::string(action_of(step).name);
  if (code == "store_unreachable") return explain_unreachable(dialect, error);
  if (code == "store_tls") return explain_tls(dialect, error);
  if (speaks_otherwise(error)) {
    const auto status = error.context().at("store_status").to_number<int>();
    return text(fmt::format("{} answers with status {}, but not as an object store does: check the endpoint, and any proxy on the way.",
                            dialect.host(), status),
                fmt::format("{} 返回状态码 {}，但不像对象存储的响应：请检查接入点以及途中的代理。", dialect.host(), status));
  }
  if (code == "store_forbidden")
    return text(fmt::format("The key may not {} here: grant it {} on {}.", step, action, dialect.bucket()),
                fmt::format("密钥没有权限：请为其授予 {} 上的 {}。", dialect.bucket(), action));
  if (code == "store_key_rejected") return explain_key(error);
  if (code == "bucket_missing")
    return text(
        fmt::format("There is no bucket {} in {}: check name and region.", dialect.bucket(),
                    dialect.region()),
        fmt::format("地域 {} 中没有存储桶 {}：请检查名称和地域。", dialect.region(), dialect.bucket()));
  return error.message();
}

awaitable<Result<void>> read_back(Store& store, std::string key, std::string wanted) {
  std::string got;
  auto read = co_await store.get(std::move(key), std::nullopt, [&got](std::string_view piece) {
    got += piece;
    return got.size() <= 4096;
  });
  if (!read) co_return std::unexpected(std::move(read).error());
  if (got != wanted)
    co_return fail(Errc::upstream, "store_damaged",
                   {"What was read is not what was written.", "读回的内容与写入的不一致。"});
  co_return Result<void>();
}

}  // namespace

awaitable<ConnectionReport> test_connection(Store& store, Explain explain) {
  ConnectionReport report;
  const std::string bytes = "fluxgate " + crypto::random_hex(16);
  Put probe{.key = "fluxgate-probe-" + crypto::random_hex(8) + ".txt", .source = make_memory_source(bytes)};
  probe.content_type = "text/plain";
  probe.cache_control = "no-store";
  const std::string key = probe.key;
  const auto written = co_await store.put(std::move(probe));
  if (!written) {
    failed(report, "write", written.error(), explain);
    co_return report;
  }
  passed(report, "reach");
  passed(report, "write");
  const auto read = co_await read_back(store, key, bytes);
  const auto removed = co_await store.remove(key);
  if (!read) {
    failed(report, "read", read.error(), explain);
    co_return report;
  }
  passed(report, "read");
  if (!removed) {
    failed(report, "delete", removed.error(), explain);
    co_return report;
  }
  passed(report, "delete");
  report.ok = true;
  co_return report;
}

Text explain(const Dialect& dialect, std::string_view step, const Error& error) {
  Text said = advice(dialect, step, error);
  if (const std::string word = context_text(error, "store_code"); !word.empty()) {
    said.en += fmt::format(" (The store said {}.)", word);
    said.zh += fmt::format("（存储返回 {}。）", word);
  }
  return said;
}

void note_region(ConnectionReport& report, const std::string& configured, const std::string& found) {
  report.ok = false;
  report.failure_code = "store_region_wrong";
  const Text said{
      fmt::format("The bucket is in {}, not in {}: set the region to {}, in the endpoint too where it names one.", found, configured, found),
      fmt::format("存储桶位于 {}，而不是 {}：请将地域改为 {}，接入点中若含地域也需修改。", found, configured, found)};
  report.steps = {{"reach", false, said}};
}

void note_clock(ConnectionReport& report) {
  if (!report.clock_offset_ms || std::abs(*report.clock_offset_ms) < kClockWorthSaying) return;
  const Millis seconds = std::abs(*report.clock_offset_ms) / 1000;
  const bool behind = *report.clock_offset_ms > 0;
  Text said{fmt::format("This server's clock is {} s {} the store's: synchronise it (NTP).", seconds,
                        behind ? "behind" : "ahead of"),
            fmt::format("本机时钟比存储{} {} 秒：请校准时间（NTP）。", behind ? "慢" : "快", seconds)};
  if (report.failure_code == "store_clock_wrong")
    report.steps.back().message = std::move(said);
  else
    report.steps.push_back({"clock", false, std::move(said)});
}

Text summary(const ConnectionReport& report) {
  Text all;
  if (report.ok) all = {"A small object was written, read and deleted.", "已成功写入、读取并删除测试对象。"};
  for (const auto& step : report.steps) {
    if (step.ok) continue;
    all.en += (all.en.empty() ? "" : " ") + step.message.en;
    all.zh += step.message.zh;
  }
  return all;
}

}  // namespace fluxgate::files
