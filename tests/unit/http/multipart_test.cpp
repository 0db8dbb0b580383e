#include "http/multipart.h"

#include <gtest/gtest.h>

#include "client.h"
#include "http/multipart_parser.h"

namespace fluxgate::http {
namespace {

using namespace test;

// Runs the parser over `pieces`; a line per part ("name|file|type|data"), "cut" at the end when the last
// boundary is missing, "error:…" when it was refused.
std::vector<std::string> parse(const std::vector<std::string_view>& pieces,
                               const std::string& boundary = "B") {
  MultipartParser parser(boundary);
  std::vector<std::string> parts;
  std::size_t fed = 0;
  for (;;) {
    const auto event = parser.next();
    if (!event) {
      parts.push_back("error");
      return parts;
    }
    switch (*event) {
      case MultipartParser::Event::need_more:
        if (fed == pieces.size()) {
          parts.push_back("cut");
          return parts;
        }
        parser.feed(pieces[fed++]);
        break;
      case MultipartParser::Event::header: {
        const PartHeader& header = parser.header();
        parts.push_back(header.name + "|" + header.file_name + "|" + header.content_type + "|");
        break;
      }
      case MultipartParser::Event::data: parts.back() += parser.data(); break;
      case MultipartParser::Event::part_end: parts.back() += ";"; break;
      case MultipartParser::Event::end: return parts;
    }
  }
}

const std::string kForm =
    "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n"
    "--B  \r\ncontent-disposition: form-data; filename=\"x \\\"y\\\".png\"; name=file\r\n"
    "Content-Type: image/png\r\n\r\n\r\n--BX\r\n--\r\r\n-B\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"bare\"\r\n\r\n"
    "--B--\r\nepilogue";
const std::vector<std::string> kParts = {"a|||one;", "file|x \"y\".png|image/png|\r\n--BX\r\n--\r\r\n-B;",
                                         "empty|||;", "bare|||;"};

TEST(Multipart, ReadsPartsWithTheirHeaders) { EXPECT_EQ(kParts, parse({kForm})); }

TEST(Multipart, ReadsNamesBeyondAsciiAsOldClientsWriteThem) {
  const auto named = [](const std::string& parameters) {
    return parse({"--B\r\nContent-Disposition: form-data; name=file; " + parameters + "\r\n\r\n1\r\n--B--"}).front();
  };
  EXPECT_EQ(named("filename*=UTF-8''%E5%9B%BE%20a.png"), "file|图 a.png||1;");
  EXPECT_EQ(named("filename*=utf-8'zh'%E5%9B%BE.png; filename=\"x.png\""), "file|图.png||1;");
  EXPECT_EQ(named("filename=\"x.png\"; filename*=utf-8''%E5%9B%BE.png"), "file|图.png||1;");
  for (const char* none : {"filename*=koi8-r''%C1", "filename*=UTF-8''%E", "filename*=UTF-8"})
    EXPECT_EQ(named(std::string(none) + "; filename=x"), "file|x||1;") << none;
}

TEST(Multipart, DoesNotCareWhereTheInputIsCut) {
  const std::string_view form = kForm;
  for (std::size_t i = 0; i <= form.size(); ++i)
    for (std::size_t j = i; j <= std::min(form.size(), i + 12); ++j)
      ASSERT_EQ(kParts, parse({form.substr(0, i), form.substr(i, j - i), form.substr(j)})) << i << " " << j;
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < form.size(); ++i) bytes.push_back(form.substr(i, 1));
  EXPECT_EQ(kParts, parse(bytes));
}

TEST(Multipart, NoticesEveryCutBeforeTheLastBoundary) {
  const std::size_t end = kForm.find("--B--") + 4;
  for (std::size_t size = 0; size <= end; ++size)
    ASSERT_EQ("cut", parse({std::string_view(kForm).substr(0, size)}).back()) << size;
}

TEST(Multipart, SkipsAPreambleAndTakesAnEmptyForm) {
  EXPECT_EQ(std::vector<std::string>{"a|||1;"},
            parse({"This is MIME.\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--"}));
  EXPECT_EQ(std::vector<std::string>{}, parse({"--B--\r\n"}));
}

TEST(Multipart, TreatsANestedMultipartAsData) {
  EXPECT_EQ(
      (std::vector<std::string>{"f||multipart/mixed; boundary=C|--C\r\n\r\nx\r\n--C--\r\n;"}),
      parse({"--B\r\nContent-Disposition: form-data; name=f\r\nContent-Type: multipart/mixed; boundary=C"
             "\r\n\r\n--C\r\n\r\nx\r\n--C--\r\n\r\n--B--"}));
}

TEST(Multipart, RefusesPartsItCannotName) {
  for (const std::string_view header :
       {"Content-Type: text/plain", "Content-Disposition: attachment; name=a",
        "Content-Disposition: form-data", "no colon",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"}) {
    const std::string form = fmt::format("--B\r\n{}\r\n\r\nx\r\n--B--", header);
    EXPECT_EQ("error", parse({form}).back()) << header;
  }
  EXPECT_EQ("error", parse({"--B\r\n\r\nx\r\n--B--"}).back());
}

TEST(Multipart, BoundsHeadersAndTheNumberOfParts) {
  const std::string part = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  EXPECT_EQ("error", parse({"--B\r\nX: " + std::string(9000, 'x')}).back());
  std::string form;
  for (int i = 0; i < 1000; ++i) form += part;
  EXPECT_EQ(1000u, parse({form + "--B--"}).size());
  EXPECT_EQ("error", parse({form + part + "--B--"}).back());
}

TEST(Multipart, FindsTheBoundaryInTheContentType) {
  EXPECT_EQ("abc", multipart_boundary("multipart/form-data; boundary=abc"));
  EXPECT_EQ("a b:c", multipart_boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b:c\""));
  for (const std::string_view type :
       {"", "application/json", "multipart/mixed; boundary=a", "multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a\x01\""})
    EXPECT_EQ(std::nullopt, multipart_boundary(type)) << type;
  EXPECT_EQ(std::nullopt, multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
}

awaitable<Result<Response>> list_parts(Request& request) {
  auto opened = MultipartReader::open(request, 100'000);
  if (!opened) co_return fail(opened.error());
  MultipartReader reader = std::move(*opened);
  std::string out;
  for (;;) {
    const auto part = co_await reader.next_part();
    if (!part) co_return fail(part.error());
    if (!*part) break;
    std::size_t size = 0;
    if ((*part)->name != "skipped") {
      for (;;) {
        const auto piece = co_await reader.read_some();
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) break;
        size += piece->size();
      }
    }
    out += fmt::format("{}={} ", (*part)->name, size);
  }
  co_return Response::text(std::move(out));
}

Router upload_routes() {
  Router router;
  router.post("/upload", list_parts);
  return router;
}

std::string form_of(std::size_t size) {
  return "--B\r\nContent-Disposition: form-data; name=skipped\r\n\r\n" + std::string(1000, 's') +
         "\r\n--B\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + std::string(size, 'f') +
         "\r\n--B--\r\n";
}
constexpr std::string_view kFormType = "Content-Type: multipart/form-data; boundary=B\r\n";

TEST(Multipart, ArrivesThroughAServerAndLeavesTheConnectionUsable) {
  TestServer server(upload_routes());
  Client client(server.port());
  EXPECT_EQ("skipped=0 f=90000 ", client.ask(post("/upload", form_of(90'000), kFormType)).body);
  EXPECT_EQ("skipped=0 f=0 ", client.ask(post("/upload", form_of(0), kFormType)).body);
}

TEST(Multipart, HoldsItsTotalLimitExactly) {
  TestServer server(upload_routes());
  const std::size_t fixed = form_of(0).size();
  EXPECT_EQ(200, server.ask(post("/upload", form_of(100'000 - fixed), kFormType)).status);
  EXPECT_EQ(413, server.ask(post("/upload", form_of(100'001 - fixed), kFormType)).status);
}

TEST(Multipart, RefusesAnotherTypeAndACutBody) {
  TestServer server(upload_routes());
  EXPECT_EQ(415, server.ask(post("/upload", form_of(1), "Content-Type: text/plain\r\n")).status);
  EXPECT_EQ(400, server.ask(post("/upload", form_of(1).substr(0, 1100), kFormType)).status);
}

}  // namespace
}  // namespace fluxgate::http
