#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "client.h"
#include "http/compress.h"
#include "http/conditions.h"

namespace fluxgate::http {
namespace {

using namespace test;

// A directory that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "http_test.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string letters(std::size_t size) {
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i * 7 % 26);
  return out;
}

std::string gunzip(const std::string& coded) {
  std::string out(1 << 20, '\0');
  z_stream stream{};
  inflateInit2(&stream, 31);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));
  stream.avail_in = static_cast<uInt>(coded.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

Router file_routes(const std::string& path, const std::string& type, const std::string& etag = "v1") {
  Router router;
  router.get("/file", [=](Request&) -> awaitable<Result<Response>> {
    co_return Response::file({path, type, etag}).with("Cache-Control", "private");
  });
  return router;
}

TEST(File, IsSentWholeWithItsValidators) {
  const Folder folder;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10}, std::size_t{65'537}, std::size_t{5'000'000}}) {
    const std::string content = letters(size);
    TestServer server(file_routes(folder.write("f", content), "image/png"));
    Client client(server.port());
    const Answer answer = client.ask(get("/file"));
    EXPECT_EQ(200, answer.status);
    EXPECT_EQ(content, answer.body);
    EXPECT_EQ("image/png", answer.header("content-type"));
    EXPECT_EQ("\"v1\"", answer.header("etag"));
    EXPECT_EQ("bytes", answer.header("accept-ranges"));
    EXPECT_EQ("private", answer.header("cache-control"));
    EXPECT_TRUE(answer.header("last-modified").ends_with("GMT"));
    client.send("HEAD /file HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(std::to_string(size), client.read_answer(true).header("content-length"));
    EXPECT_EQ(content, client.ask(get("/file")).body) << "no byte of a body followed the head";
  }
}

struct RangeRow {
  std::string_view range;
  int status;
  std::string_view content_range;
  std::size_t first, size;
};

TEST(File, HonoursOneRange) {
  const Folder folder;
  const std::string content = letters(100'000);
  TestServer server(file_routes(folder.write("f", content), "video/mp4"));
  static constexpr RangeRow kRows[] = {
      {"bytes=0-0", 206, "bytes 0-0/100000", 0, 1},
      {"bytes=10-19", 206, "bytes 10-19/100000", 10, 10},
      {"bytes=99990-", 206, "bytes 99990-99999/100000", 99'990, 10},
      {"bytes=-5", 206, "bytes 99995-99999/100000", 99'995, 5},
      {"bytes=0-99999999999999999999999", 206, "bytes 0-99999/100000", 0, 100'000},
      {"bytes=-200000", 206, "bytes 0-99999/100000", 0, 100'000},
      {"BYTES= 1-2", 206, "bytes 1-2/100000", 1, 2},
      {"bytes=100000-", 416, "bytes */100000", 0, 0},
      {"bytes=-0", 416, "bytes */100000", 0, 0},
      {"bytes=5-4", 200, "", 0, 100'000},
      {"bytes=0-1,5-6", 200, "", 0, 100'000},
      {"bytes=a-b", 200, "", 0, 100'000},
      {"bytes=-", 200, "", 0, 100'000},
      {"pages=1-2", 200, "", 0, 100'000},
  };
  Client client(server.port());
  client.send("HEAD /file HTTP/1.1\r\nHost: test\r\nRange: bytes=0-0\r\n\r\n");
  EXPECT_EQ(200, client.read_answer(true).status) << "ranges are for GET (RFC 9110 §14.2)";
  for (const RangeRow& row : kRows) {
    const Answer answer = client.ask(get("/file", fmt::format("Range: {}\r\n", row.range)));
    EXPECT_EQ(row.status, answer.status) << row.range;
    EXPECT_EQ(row.content_range, answer.header("content-range")) << row.range;
    EXPECT_EQ(content.substr(row.first, row.size), answer.body) << row.range;
  }
}

TEST(File, IsSentOnlyIfItIsWhatTheCallerHas) {
  const Folder folder;
  const std::string content = letters(10);
  TestServer server(file_routes(folder.write("f", content), "video/mp4"));
  Client client(server.port());
  const std::pair<const char*, int> rows[] = {
      {"If-Match: \"v1\"\r\n", 200},        {"If-Match: *\r\n", 200},       {"If-Match: \"a\", \"v1\"\r\n", 200},
      {"If-Match: \"v2\"\r\n", 412},        {"If-Match: W/\"v1\"\r\n", 412}, {"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 412},
      {"If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n", 200}, {"If-Unmodified-Since: today\r\n", 200},
      {"If-Match: \"v1\"\r\nIf-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 200}};
  for (const auto& [headers, status] : rows) {
    const Answer answer = client.ask(get("/file", headers));
    EXPECT_EQ(status, answer.status) << headers;
    EXPECT_EQ(status == 200 ? content : "", answer.body) << headers;
  }
  EXPECT_EQ(412, client.ask(get("/file", "If-Match: \"v2\"\r\nRange: bytes=0-1\r\n")).status);
}

TEST(File, SendsTheWholeWhenIfRangeNamesAnotherVersion) {
  const Folder folder;
  TestServer server(file_routes(folder.write("f", letters(100)), "video/mp4"));
  Client client(server.port());
  const std::string modified = client.ask(get("/file")).header("last-modified");
  const auto status = [&](std::string_view if_range) {
    return client.ask(get("/file", fmt::format("Range: bytes=0-1\r\nIf-Range: {}\r\n", if_range))).status;
  };
  EXPECT_EQ(206, status("\"v1\""));
  EXPECT_EQ(200, status("\"v0\""));
  EXPECT_EQ(200, status("W/\"v1\""));
  EXPECT_EQ(206, status(modified));
  EXPECT_EQ(200, status("Mon, 01 Jan 2001 00:00:00 GMT"));
}

TEST(File, IsNotSentAgainWhenTheClientHasIt) {
  const Folder folder;
  TestServer server(file_routes(folder.write("f", letters(100)), "video/mp4"));
  Client client(server.port());
  const std::string modified = client.ask(get("/file")).header("last-modified");
  const auto status = [&](std::string_view headers) { return client.ask(get("/file", headers)).status; };
  EXPECT_EQ(304, status("If-None-Match: \"v1\"\r\n"));
  EXPECT_EQ(304, status("If-None-Match: \"a,b\", W/\"v1\"\r\n"));
  EXPECT_EQ(304, status("If-None-Match: *\r\n"));
  EXPECT_EQ(200, status("If-None-Match: \"v0\"\r\n"));
  EXPECT_EQ(304, status("If-Modified-Since: " + modified + "\r\n"));
  EXPECT_EQ(200, status("If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n"));
  EXPECT_EQ(200, status("If-Modified-Since: nonsense\r\n"));
  EXPECT_EQ(200, status("If-None-Match: \"v0\"\r\nIf-Modified-Since: " + modified + "\r\n"));
}

TEST(File, ThatIsMissingOrNoFileIsNotFound) {
  const Folder folder;
  TestServer missing(file_routes(folder.path() + "/none", "image/png"));
  EXPECT_EQ(404, missing.ask(get("/file")).status);
  TestServer directory(file_routes(folder.path(), "image/png"));
  EXPECT_EQ(404, directory.ask(get("/file")).status);
}

TEST(File, OfTextIsCompressedWithAWeakTag) {
  const Folder folder;
  const std::string content = letters(50'000);
  TestServer server(file_routes(folder.write("f.js", content), "text/javascript"));
  Client client(server.port());
  for (int i = 0; i < 2; ++i) {
    const Answer answer = client.ask(get("/file", "Accept-Encoding: gzip\r\n"));
    EXPECT_EQ("gzip", answer.header("content-encoding"));
    EXPECT_EQ("W/\"v1\"", answer.header("etag"));
    EXPECT_EQ("Accept-Encoding", answer.header("vary"));
    EXPECT_EQ(content, gunzip(answer.body));
  }
  const Answer part = client.ask(get("/file", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n"));
  EXPECT_EQ("", part.header("content-encoding"));
  EXPECT_EQ(content.substr(0, 10), part.body);
}

TEST(File, ThatChangedIsNotServedFromTheCodedCopy) {
  const Folder folder;
  TestServer server(file_routes(folder.write("f.js", letters(2000)), "text/javascript"));
  Client client(server.port());
  EXPECT_EQ(letters(2000), gunzip(client.ask(get("/file", "Accept-Encoding: gzip\r\n")).body));
  folder.write("f.js", letters(3000));
  EXPECT_EQ(letters(3000), gunzip(client.ask(get("/file", "Accept-Encoding: gzip\r\n")).body));
}

TEST(Memory, AnswersWithATagAreRevalidated) {
  Router router;
  router.get("/models", [](Request&) -> awaitable<Result<Response>> {
    co_return Response::json_text("{}").with("ETag", "\"m1\"");
  });
  TestServer server(std::move(router));
  Client client(server.port());
  const Answer fresh = client.ask(get("/models", "If-None-Match: \"m1\"\r\n"));
  EXPECT_EQ(304, fresh.status);
  EXPECT_EQ("\"m1\"", fresh.header("etag"));
  EXPECT_EQ("{}", client.ask(get("/models", "If-None-Match: \"m0\"\r\n")).body);
}

TEST(Compression, ChoosesByTheClientsWeights) {
  using enum Coding;
  EXPECT_EQ(identity, negotiate_coding(""));
  EXPECT_EQ(gzip, negotiate_coding("gzip"));
  EXPECT_EQ(brotli, negotiate_coding("gzip, deflate, br"));
  EXPECT_EQ(gzip, negotiate_coding("br;q=0.5, gzip;q=0.8"));
  EXPECT_EQ(gzip, negotiate_coding("br;q=0, *"));
  EXPECT_EQ(brotli, negotiate_coding("*"));
  EXPECT_EQ(identity, negotiate_coding("*;q=0"));
  EXPECT_EQ(identity, negotiate_coding("identity, gzip;q=0.5"));
  EXPECT_EQ(gzip, negotiate_coding("GZIP ; Q=1.0"));
  EXPECT_EQ(identity, negotiate_coding("gzip;q=nonsense, deflate"));
}

Router text_routes() {
  Router router;
  router.get("/text/{size:int}/{type}", [](Request& request) -> awaitable<Result<Response>> {
    const std::size_t size = std::stoul(std::string(request.param("size")));
    co_return Response::text(letters(size), std::string(request.param("type"))).with("ETag", "\"t\"");
  });
  const auto shared = std::make_shared<const std::string>(letters(5000));
  router.get("/shared", [shared](Request&) -> awaitable<Result<Response>> {
    co_return Response{200, {{"Content-Type", "application/json"}}, shared};
  });
  return router;
}

TEST(Compression, IsForTextOfAKibibyteAndMore) {
  TestServer server(text_routes());
  Client client(server.port());
  const auto coding = [&](std::string_view target) {
    return client.ask(get(target, "Accept-Encoding: gzip\r\n")).header("content-encoding");
  };
  EXPECT_EQ("", coding("/text/1023/application%2Fjson"));
  EXPECT_EQ("gzip", coding("/text/1024/application%2Fjson"));
  EXPECT_EQ("gzip", coding("/text/1024/text%2Fhtml;%20charset=utf-8"));
  EXPECT_EQ("", coding("/text/5000/image%2Fpng"));
  EXPECT_EQ("", coding("/text/5000/text%2Fevent-stream"));
  const Answer plain = client.ask(get("/text/5000/text%2Fplain"));
  EXPECT_EQ("", plain.header("content-encoding"));
  EXPECT_EQ("Accept-Encoding", plain.header("vary")) << "a cache must know that there are others";
  EXPECT_EQ("\"t\"", plain.header("etag"));
}

TEST(Compression, GivesBackTheSameTextInEachCoding) {
  TestServer server(text_routes());
  Client client(server.port());
  for (const std::string_view target : {"/text/5000/text%2Fplain", "/shared", "/shared"}) {
    EXPECT_EQ(letters(5000), gunzip(client.ask(get(target, "Accept-Encoding: gzip\r\n")).body));
    const Answer answer = client.ask(get(target, "Accept-Encoding: br\r\n"));
    EXPECT_EQ("br", answer.header("content-encoding"));
    std::string out(8000, '\0');
    std::size_t size = out.size();
    EXPECT_EQ(
        BROTLI_DECODER_RESULT_SUCCESS,
        BrotliDecoderDecompress(answer.body.size(), reinterpret_cast<const std::uint8_t*>(answer.body.data()),
                                &size, reinterpret_cast<std::uint8_t*>(out.data())));
    EXPECT_EQ(letters(5000), out.substr(0, size));
  }
}

TEST(Compression, CanBeSwitchedOff) {
  ServerOptions options;
  options.compress = false;
  TestServer server(text_routes(), options);
  EXPECT_EQ("", server.ask(get("/shared", "Accept-Encoding: gzip\r\n")).header("content-encoding"));
}

TEST(Header, CannotBeInjectedThroughAValue) {
  Router router;
  router.get("/go", [](Request& request) -> awaitable<Result<Response>> {
    co_return Response::redirect(*request.query("to")).with("Content-Length", "99");
  });
  TestServer server(std::move(router));
  const Answer answer = server.ask(get("/go?to=/x%0d%0aSet-Cookie:%20a=b"));
  EXPECT_EQ(302, answer.status);
  EXPECT_EQ("", answer.header("set-cookie"));
  EXPECT_EQ("0", answer.header("content-length"));
}

}  // namespace
}  // namespace fluxgate::http
