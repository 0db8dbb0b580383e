// What the tests with official clients ask of our stores, as a program: `store_tool cos-sign` and `s3-sign`
// read requests as lines of JSON and answer each with a line; `exercise` takes a store through its whole life
// and prints what happened; `serve-cos` runs the sandbox's bucket until its input ends.
#include <sys/resource.h>

#include <fstream>
#include <iostream>

#include <boost/asio/executor_work_guard.hpp>

#include "base/crypto.h"
#include "files/stores/cos_signature.h"
#include "files/stores/s3_signature.h"
#include "files/stores/settings.h"
#include "files/work_pool.h"
#include "net/http_client.h"
#include "sandbox/cos.h"

namespace {

using namespace fluxgate;
using namespace fluxgate::files;
namespace json = boost::json;

std::string text(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value ? std::string(value->as_string()) : std::string();
}

Pairs pairs(const json::object& object, std::string_view name) {
  Pairs result;
  if (const auto* list = object.if_contains(name))
    for (const auto& [key, value] : list->as_object())
      result.emplace_back(key, std::string(value.as_string()));
  return result;
}

std::string cos_sign(const json::object& in) {
  const std::string id = text(in, "id"), secret = text(in, "secret");
  const CosSigner signer{id, secret, in.at("from").to_number<std::int64_t>(),
                         in.at("until").to_number<std::int64_t>()};
  return sign_cos(signer, text(in, "method"), text(in, "path"), pairs(in, "params"), pairs(in, "headers"))
      .authorization;
}

std::string s3_sign(const json::object& in) {
  const std::string id = text(in, "id"), secret = text(in, "secret"), region = text(in, "region");
  const S3Signer signer{id, secret, region, in.at("now").to_number<std::int64_t>()};
  const std::string path = percent_encode_path(text(in, "path"));
  if (in.contains("lifetime"))
    return s3_presigned_query(signer, text(in, "method"), path, pairs(in, "params"), pairs(in, "headers"),
                              in.at("lifetime").to_number<int>(), text(in, "token"));
  return sign_s3(signer, text(in, "method"), path, pairs(in, "params"), pairs(in, "headers"),
                 text(in, "payload"))
      .authorization;
}

int answer_lines(std::string (*sign)(const json::object&)) {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << sign(json::parse(line).as_object()) << "\n";
  return 0;
}

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

StoreSettings settings_of(const json::object& in) {
  const Credentials credentials{text(in, "id"), text(in, "secret")};
  if (text(in, "kind") == "cos") {
    CosSettings cos{.bucket = text(in, "bucket"), .region = text(in, "region"), .credentials = credentials};
    cos.endpoint = text(in, "endpoint");
    return cos;
  }
  S3Settings s3{.endpoint = text(in, "endpoint"),
                .region = text(in, "region"),
                .bucket = text(in, "bucket"),
                .credentials = credentials};
  s3.prefix = text(in, "prefix");
  if (text(in, "payload") == "unsigned") s3.payload = Payload::unsigned_;
  return s3;
}

// Something is not as it should be: the program ends and says so.
template <class T>
T must(Result<T> result, std::string_view step) {
  if (!result)
    throw std::runtime_error(
        fmt::format("{}: {} {}", step, result.error().code(), result.error().internal()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
void check(bool holds, std::string_view step) {
  if (!holds) throw std::runtime_error(std::string(step));
}

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = size + 1;
  for (char& byte : bytes)
    byte = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  return bytes;
}

awaitable<std::string> read(Store& store, std::string key, std::optional<Range> range) {
  std::string bytes;
  auto got = co_await store.get(std::move(key), range, [&](std::string_view piece) {
    bytes += piece;
    return true;
  });
  must(std::move(got), "get");
  co_return bytes;
}

awaitable<net::Reply> fetch(net::HttpClient& client, SignedRequest link, std::string body) {
  HttpRequest request{link.method, link.url, {}, std::move(body)};
  for (const auto& header : link.headers)
    if (header.first != "Content-Length") request.headers.push_back(header);
  auto reply = co_await client.call(std::move(request), {});
  co_return reply;
}

awaitable<void> use_links(Store& store, net::HttpClient& client) {
  const auto upload = must(store.presigned_put("in 1.png", "image/png", 5, 600'000), "presign put");
  auto reply = co_await fetch(client, upload, "12345");
  check(reply && reply->status == 200, "presigned put");
  LinkOptions options;
  options.content_disposition = "attachment; filename=\"cat 1.png\"";
  auto link = must(store.presigned_get("in 1.png", options), "presign get");
  reply = co_await fetch(client, link, "");
  check(reply && reply->status == 200 && reply->body == "12345", "presigned get");
  check(reply->header("content-disposition") == options.content_disposition, "content disposition of a link");
  link.url.replace(link.url.rfind("ignature=") + 9, 4, "0000");
  reply = co_await fetch(client, link, "");
  check(reply && reply->status == 403, "an altered link is refused");
  must(co_await store.remove("in 1.png"), "remove");
}

// `size` 0: the whole life with small and middling objects. Else one object of that many bytes, for the
// memory.
awaitable<void> exercise(Store& store, net::HttpClient& client, std::string large_file, json::object& out) {
  if (!large_file.empty()) {
    const std::uint64_t before = resident_bytes();
    const auto facts =
        must(co_await store.put({.key = "large.mp4", .source = must(open_file_source(large_file), "open")}),
             "put large");
    out["size"] = facts.size;
    out["memory_before"] = before;
    out["memory_after"] = resident_bytes();
    must(co_await store.remove("large.mp4"), "remove");
    co_return;
  }
  const auto report = co_await store.test();
  check(report.ok, "connection test: " + (report.steps.empty() ? "" : report.steps.back().message.en));
  for (const std::size_t size : {0u, 5u, 100'000u, 7'000'000u}) {
    const std::string key = fmt::format("生成/猫 {}+~.png", size), bytes = noise(size);
    Put object{.key = key, .source = make_memory_source(bytes)};
    object.content_type = "image/png";
    must(co_await store.put(std::move(object)), "put");
    const auto facts = must(co_await store.head(key), "head");
    check(facts.size == size && facts.content_type == "image/png", "facts");
    const std::string back = co_await read(store, key, std::nullopt);
    check(back == bytes, "what was read is what was written");
    if (size > 1000) {
      const std::string piece = co_await read(store, key, Range{10, 999});
      check(piece == bytes.substr(10, 990), "range");
    }
  }
  const auto page = must(co_await store.list("生成/", "", 3), "list");
  check(page.objects.size() == 3 && !page.next.empty(), "the first page");
  const auto rest = must(co_await store.list("生成/", page.next, 3), "list");
  check(rest.objects.size() == 1 && rest.next.empty(), "the second page");
  co_await use_links(store, client);
  for (const auto& object : page.objects) must(co_await store.remove(object.key), "remove");
  for (const auto& object : rest.objects) must(co_await store.remove(object.key), "remove");
  const auto none = co_await store.head("生成/猫 5+~.png");
  check(!none && none.error().code() == "object_missing", "removed");
  out["ok"] = true;
}

int exercise_store(const std::string& config) {
  const json::object in = json::parse(config).as_object();
  boost::asio::io_context io;
  auto busy = boost::asio::make_work_guard(io);
  WorkPool pool(2, 16);
  auto client = net::make_http_client(io);
  StoreParts parts{*client, io.get_executor(), pool, system_clock()};
  if (!in.contains("file")) parts.multipart_above = parts.part_bytes = 5u << 20;
  const auto store = must(make_store(settings_of(in), parts), "settings");
  json::object out;
  std::exception_ptr failed;
  boost::asio::co_spawn(io, exercise(*store, *client, text(in, "file"), out), [&](std::exception_ptr error) {
    failed = error;
    busy.reset();
    client.reset();
  });
  io.run();
  if (failed) std::rethrow_exception(failed);
  std::cout << json::serialize(out) << "\n";
  return 0;
}

int serve_cos(const std::string& folder) {
  sandbox::CosOptions options;
  options.folder = folder;
  sandbox::CosSandbox cos(options);
  cos.start();
  std::cout << cos.base_url() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  crypto::initialise();
  const std::string what = argc > 1 ? argv[1] : "", config = argc > 2 ? argv[2] : "";
  try {
    if (what == "cos-sign") return answer_lines(cos_sign);
    if (what == "s3-sign") return answer_lines(s3_sign);
    if (what == "exercise") return exercise_store(config);
    if (what == "serve-cos") return serve_cos(config);
    std::cerr << "store_tool cos-sign | s3-sign | exercise JSON | serve-cos FOLDER\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 1;
}
