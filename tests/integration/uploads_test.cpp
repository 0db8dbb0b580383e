// Resumable uploads, films and sounds, imports: by the real program.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

#include "base/crypto.h"
#include "suite.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kUploads = "/api/v1/uploads";
const std::string kBodyType = "application/offset+octet-stream";

std::string fixture(const std::string& name) {
  std::ifstream file(std::string(FLUXGATE_SOURCE_DIR) + "/tests/fixtures/media/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string metadata(const std::string& name, const std::string& kind) {
  return "filename " + crypto::base64(name) + ",kind " + crypto::base64(kind);
}

// As Upload-Checksum has it.
std::string digest_of(const std::string& bytes) { return "sha256 " + crypto::base64(*crypto::unhex(crypto::sha256_hex(bytes))); }

// An upload as another request, or another node on the same folder, would hold it.
class Held {
 public:
  explicit Held(const std::string& path)
      : file_(::open((data_folder() / "files/uploads" / path.substr(path.rfind('/') + 1)).c_str(), O_RDWR | O_CLOEXEC)) {
    EXPECT_EQ(::flock(file_, LOCK_EX | LOCK_NB), 0);
  }
  ~Held() { ::close(file_); }
  Held(const Held&) = delete;

 private:
  const int file_;
};

class Tus : public testing::Test {
 protected:
  Answer speak(Call call) const {
    call.token = token_;
    call.headers.emplace_back("Tus-Resumable", "1.0.0");
    return client_->send(call);
  }
  Answer create(std::uint64_t length, const std::string& kind = "any", const std::string& name = "photo.png") const {
    return speak({.method = "POST",
                  .path = kUploads,
                  .headers = {{"Upload-Length", std::to_string(length)}, {"Upload-Metadata", metadata(name, kind)}}});
  }
  std::string created(std::uint64_t length, const std::string& kind = "any", const std::string& name = "photo.png") const {
    const Answer answer = create(length, kind, name);
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.header("location");
  }
  Answer patch(const std::string& path, std::uint64_t offset, std::string bytes, HeaderList more = {}) const {
    Call call{.method = "PATCH", .path = path, .body = std::move(bytes), .headers = std::move(more)};
    call.headers.emplace_back("Upload-Offset", std::to_string(offset));
    call.headers.emplace_back("Content-Type", kBodyType);
    return speak(std::move(call));
  }
  Answer head(const std::string& path) const { return speak({.method = "HEAD", .path = path}); }
  json::value told(const std::string& path) const { return client_->get(path, token_).json(); }

  const Person ann_ = somebody();
  std::string token_ = ann_.token;
  const Client* client_ = &api();
  const std::string picture_ = png(300, 200);
};

TEST_F(Tus, TellsWhatItSpeaks) {
  const Answer answer = api().send({.method = "OPTIONS", .path = kUploads});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.header("tus-version"), "1.0.0");
  EXPECT_EQ(answer.header("tus-resumable"), "1.0.0");
  EXPECT_EQ(answer.header("tus-extension"), "creation,creation-with-upload,expiration,checksum,termination,concatenation");
  EXPECT_EQ(answer.header("tus-max-size"), std::to_string(100 * 1024 * 1024));
  EXPECT_EQ(answer.header("tus-checksum-algorithm"), "sha1,md5,sha256");
}

TEST_F(Tus, TakesAFileInPiecesAndKeepsItUnderTheUploadsId) {
  const std::string path = created(picture_.size(), "image", "../../猫.exe");
  Answer answer = patch(path, 0, picture_.substr(0, 400));
  EXPECT_EQ(answer.status, 204) << answer.body;
  EXPECT_EQ(answer.header("upload-offset"), "400");
  EXPECT_FALSE(answer.header("upload-expires").empty());
  const Answer standing = head(path);
  EXPECT_EQ(standing.status, 200);
  EXPECT_EQ(standing.header("upload-offset"), "400");
  EXPECT_EQ(standing.header("upload-length"), std::to_string(picture_.size()));
  EXPECT_EQ(standing.header("cache-control"), "no-store");
  EXPECT_TRUE(told(path).at("file").is_null());
  answer = patch(path, 400, picture_.substr(400));
  EXPECT_EQ(answer.status, 204) << answer.body;
  const json::value whole = told(path);
  EXPECT_EQ(whole.at("file").at("file_id"), whole.at("id"));
  EXPECT_EQ(whole.at("file").at("filename"), "猫.png");
  EXPECT_EQ(api().get(std::string(whole.at("file").at("url").as_string())).status, 200);
}

TEST_F(Tus, TakesTheFirstBytesWithTheCreation) {
  const Answer answer = speak({.method = "POST",
                               .path = kUploads,
                               .body = picture_,
                               .headers = {{"Upload-Length", std::to_string(picture_.size())}, {"Content-Type", kBodyType}}});
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.header("upload-offset"), std::to_string(picture_.size()));
  EXPECT_FALSE(told(answer.header("location")).at("file").is_null());
}

TEST_F(Tus, BeginsNothingWhenTheBytesOfTheCreationAreRefused) {
  const auto open = [&] { return client_->get(kUploads, token_).json().at("data").as_array(); };
  const auto begin = [&](std::uint64_t length, const std::string& checksum) {
    return speak({.method = "POST", .path = kUploads, .body = picture_,
                  .headers = {{"Upload-Length", std::to_string(length)}, {"Content-Type", kBodyType}, {"Upload-Checksum", checksum}}});
  };
  const std::string right = digest_of(picture_), wrong = digest_of("x");
  EXPECT_EQ(begin(picture_.size() - 1, right).status, 413);
  EXPECT_EQ(begin(picture_.size() + 1, wrong).status, 460);
  EXPECT_EQ(begin(picture_.size() + 1, "crc32 AAAA").code(), "checksum_algorithm");
  EXPECT_EQ(open(), json::array());
  const Answer begun = begin(picture_.size() + 1, right);
  ASSERT_EQ(begun.status, 201) << begun.body;
  const std::string other = created(10, "video", "b.mp4");
  const json::array two = open();
  ASSERT_EQ(two.size(), 2u) << "the oldest first";
  EXPECT_EQ(std::string(kUploads) + "/" + std::string(two.at(0).at("id").as_string()), begun.header("location"));
  EXPECT_EQ(two.at(0).at("offset"), json::value(picture_.size()));
  EXPECT_EQ(two.at(0).at("length"), json::value(picture_.size() + 1));
  EXPECT_EQ(two.at(1).at("name"), "b.mp4");
  EXPECT_EQ(two.at(1).at("kind"), "video");
  EXPECT_EQ(client_->get(kUploads, somebody().token).json().at("data").as_array().size(), 0u) << "each sees their own";
  EXPECT_EQ(speak({.method = "DELETE", .path = other}).status, 204);
  EXPECT_EQ(open().size(), 1u);
}

TEST_F(Tus, TellsTheMetadataAgainAsItWasGiven) {
  const std::string given = metadata("猫.png", "image") + ",note,color " + crypto::base64("red");
  const Answer begun = speak({.method = "POST", .path = kUploads, .headers = {{"Upload-Length", "10"}, {"Upload-Metadata", given}}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  EXPECT_EQ(head(begun.header("location")).header("upload-metadata"), given);
  const Answer bare = speak({.method = "POST", .path = kUploads, .headers = {{"Upload-Length", "10"}}});
  EXPECT_EQ(head(bare.header("location")).header("upload-metadata"), "");
}

TEST_F(Tus, MakesOneFileOfPartsThatCameSideBySide) {
  const auto part = [&](std::uint64_t length) {
    const Answer answer = speak({.method = "POST", .path = kUploads, .headers = {{"Upload-Length", std::to_string(length)}, {"Upload-Concat", "partial"}}});
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.header("upload-concat"), "partial");
    return answer.header("location");
  };
  const auto join = [&](const std::string& parts) {
    return speak({.method = "POST", .path = kUploads, .headers = {{"Upload-Concat", "final;" + parts}, {"Upload-Metadata", metadata("猫.png", "image")}}});
  };
  const std::string first = part(300), second = part(picture_.size() - 300);
  const std::string parts = first + " http://127.0.0.1" + second;
  EXPECT_EQ(patch(second, 0, picture_.substr(300)).status, 204);
  EXPECT_EQ(join(parts).code(), "part_unfinished");
  EXPECT_EQ(patch(first, 0, picture_.substr(0, 300)).status, 204);
  EXPECT_EQ(head(first).header("upload-concat"), "partial");
  EXPECT_EQ(join("/elsewhere/a").code(), "bad_header");
  EXPECT_EQ(join(first + " " + first).status, 400);
  EXPECT_EQ(join(first + " /api/v1/uploads/of-nobody").status, 404);
  const Answer whole = join(parts);
  ASSERT_EQ(whole.status, 201) << whole.body;
  const std::string path = whole.header("location");
  const Answer standing = head(path);
  EXPECT_EQ(standing.header("upload-concat"), "final;" + parts);
  EXPECT_EQ(standing.header("upload-offset"), standing.header("upload-length"));
  EXPECT_EQ(standing.header("upload-length"), std::to_string(picture_.size()));
  EXPECT_EQ(told(path).at("file").at("filename"), "猫.png");
  EXPECT_EQ(patch(path, picture_.size(), "x").status, 403);
  EXPECT_EQ(head(first).status, 404);
}

TEST_F(Tus, SaysWhatIsWrongWithARequest) {
  EXPECT_EQ(api().send({.method = "POST", .path = kUploads, .token = token_, .headers = {{"Upload-Length", "5"}}}).status, 412);
  const Answer old = api().send({.method = "POST", .path = kUploads, .token = token_, .headers = {{"Tus-Resumable", "0.2.2"}}});
  EXPECT_EQ(old.status, 412);
  EXPECT_EQ(old.header("tus-version"), "1.0.0");
  EXPECT_EQ(speak({.method = "POST", .path = kUploads}).code(), "bad_header");
  EXPECT_EQ(speak({.method = "POST", .path = kUploads, .headers = {{"Upload-Length", "5"}, {"Upload-Metadata", "a !"}}}).status, 400);
  EXPECT_EQ(create(5, "spreadsheet").status, 422);
  EXPECT_EQ(create(0).status, 422);
  const std::string path = created(picture_.size());
  EXPECT_EQ(patch(path, 7, "x").status, 409);
  EXPECT_EQ(patch(path, 0, std::string(picture_.size() + 1, 'x')).status, 413);
  EXPECT_EQ(speak({.method = "PATCH", .path = path, .body = "x", .headers = {{"Upload-Offset", "0"}, {"Content-Type", "text/plain"}}}).status, 415);
  EXPECT_EQ(speak({.method = "PATCH", .path = path, .body = "x", .headers = {{"Content-Type", kBodyType}}}).status, 400);
  EXPECT_EQ(api().send({.method = "PATCH", .path = path, .token = token_, .body = "x"}).status, 412);
  EXPECT_EQ(api().send({.method = "DELETE", .path = path, .token = token_}).status, 412);
  EXPECT_EQ(head(path).header("upload-offset"), "0") << "and nothing came of any of it";
}

TEST_F(Tus, ChecksPiecesThatComeWithADigest) {
  const std::string path = created(picture_.size());
  const std::string good = digest_of(picture_);
  const Answer wrong = patch(path, 0, picture_.substr(0, picture_.size() - 1) + "x", {{"Upload-Checksum", good}});
  EXPECT_EQ(wrong.status, 460) << wrong.body;
  EXPECT_EQ(head(path).header("upload-offset"), "0");
  EXPECT_EQ(patch(path, 0, picture_, {{"Upload-Checksum", "crc32 YWJj"}}).code(), "checksum_algorithm");
  EXPECT_EQ(patch(path, 0, picture_, {{"Upload-Checksum", good}}).status, 204);
}

TEST_F(Tus, RefusesByContentAndForgets) {
  const std::string page = created(5'000'000);
  EXPECT_EQ(patch(page, 0, "<html>" + std::string(1000, 'x')).status, 415);
  EXPECT_EQ(head(page).status, 404);
  const std::string half = created(picture_.size() / 2, "image");
  const Answer broken = patch(half, 0, picture_.substr(0, picture_.size() / 2));
  EXPECT_EQ(broken.status, 422);
  EXPECT_EQ(broken.code(), "broken_image");
  EXPECT_EQ(speak({.method = "POST", .path = kUploads, .body = "<html>" + std::string(994, 'x'),
                   .headers = {{"Upload-Length", "1000"}, {"Content-Type", kBodyType}}}).status, 415);
  EXPECT_EQ(create(100 * 1024 * 1024).status, 201);
  EXPECT_EQ(create(100 * 1024 * 1024 + 1).status, 413);
}

TEST_F(Tus, LetsOneRequestWriteAtATime) {
  const std::string path = created(picture_.size());
  {
    const Held held(path);
    EXPECT_EQ(patch(path, 0, picture_).status, 423);
  }
  EXPECT_EQ(patch(path, 0, picture_).status, 204);
}

TEST_F(Tus, CanBeGivenUp) {
  const std::string path = created(100);
  token_ = somebody().token;
  EXPECT_EQ(head(path).status, 404) << "another's";
  EXPECT_EQ(patch(path, 0, "x").status, 404);
  EXPECT_EQ(speak({.method = "DELETE", .path = path}).status, 404);
  token_ = ann_.token;
  EXPECT_EQ(speak({.method = "DELETE", .path = path}).status, 204);
  EXPECT_EQ(head(path).status, 404);
}

TEST_F(Tus, WorksWhereOnlyGetAndPostPass) {
  const std::string path = created(picture_.size());
  const auto post = [&](const std::string& target, const std::string& method, std::string bytes) {
    return speak({.method = "POST", .path = target, .body = std::move(bytes),
                  .headers = {{"X-HTTP-Method-Override", method}, {"Upload-Offset", "0"}, {"Content-Type", kBodyType}}});
  };
  EXPECT_EQ(post(path, "PATCH", picture_ + "x").status, 413);
  EXPECT_EQ(post(path, "PATCH", picture_).status, 204);
  EXPECT_EQ(post(path, "PATCH", picture_).status, 409);
  EXPECT_EQ(post(path, "PUT", "").status, 400);
  EXPECT_EQ(api().send({.method = "POST", .path = path, .token = token_, .headers = {{"X-HTTP-Method-Override", "DELETE"}}}).status, 412);
  EXPECT_EQ(post(path, "DELETE", "").status, 204);
  EXPECT_EQ(post(path, "DELETE", "").status, 404);
}

TEST_F(Tus, RefusesTheSameByPost) {
  const auto post = [&](const std::string& path, std::string bytes, HeaderList more = {}) {
    Call call{.method = "POST", .path = path, .body = std::move(bytes), .headers = std::move(more)};
    call.headers.insert(call.headers.end(), {{"X-HTTP-Method-Override", "PATCH"}, {"Upload-Offset", "0"}, {"Content-Type", kBodyType}});
    return speak(std::move(call)).status;
  };
  const std::string path = created(picture_.size());
  const std::string wrong = "sha256 " + crypto::base64(std::string(32, 'x'));
  EXPECT_EQ(post(path, picture_, {{"Upload-Checksum", wrong}}), 460);
  {
    const Held held(path);
    EXPECT_EQ(post(path, picture_), 423);
  }
  EXPECT_EQ(post(created(5'000'000), "<html>" + std::string(1000, 'x')), 415);
  EXPECT_EQ(post(created(picture_.size() / 2, "image"), picture_.substr(0, picture_.size() / 2)), 422);
}

TEST_F(Tus, KeepsAHundredOpenPerUser) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(create(100).status, 201) << i;
  const Answer refused = create(100);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.code(), "too_many_uploads");
}

TEST_F(Tus, SurvivesAKill) {
  TempFolder folder;
  ServerProcess server(folder.path(), {"--sandbox"}, {{"DEFAULT_USER_ROLE", "user"}});
  server.start();
  const Client client(server.base_url(), &contract());
  client_ = &client;
  token_ = std::string(client.post("/api/v1/auths/signup", "", {{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}})
                           .json().at("token").as_string());
  const std::string path = created(picture_.size());
  EXPECT_EQ(patch(path, 0, picture_.substr(0, 500)).status, 204);
  server.kill();
  server.start();
  const Client again(server.base_url(), &contract());
  client_ = &again;
  EXPECT_EQ(head(path).header("upload-offset"), "500");
  EXPECT_EQ(patch(path, 500, picture_.substr(500)).status, 204);
  EXPECT_FALSE(told(path).at("file").is_null());
  EXPECT_EQ(server.stop(), 0);
}

// ---- films, sounds, imports ----

Answer upload_media(const Person& person, const std::string& part, const std::string& bytes) {
  return api().send({.method = "POST",
                     .path = "/api/v1/kling-lip-sync/upload-" + part,
                     .token = person.token,
                     .parts = {{part, "file.bin", bytes, "application/octet-stream"}}});
}

TEST(Media, FilmsAndSoundsAreTakenByContent) {
  const Person ann = somebody();
  const Answer film = upload_media(ann, "video", fixture("turned.mov"));
  ASSERT_EQ(film.status, 200) << film.body;
  EXPECT_EQ(film.json().at("content_type"), "video/quicktime");
  EXPECT_EQ(film.json().at("height"), 96);
  EXPECT_EQ(film.json().at("duration_ms"), 1500);
  const std::string link(film.json().at("video_url").as_string());
  EXPECT_EQ(api().get(link + "&w=320").header("content-type"), "image/webp");
  EXPECT_EQ(api().send({.path = link, .headers = {{"Range", "bytes=4-7"}}}).body, "ftyp");
  const Answer sound = upload_media(ann, "audio", fixture("sound.mp3"));
  ASSERT_EQ(sound.status, 200) << sound.body;
  EXPECT_EQ(api().get(std::string(sound.json().at("audio_url").as_string()) + "&w=320").status, 415);
}

TEST(Media, HaveLimitsOfTheirOwn) {
  const Person ann = somebody();
  const auto mp3 = [](std::size_t bytes) {
    std::string sound = fixture("sound.mp3");
    sound.resize(bytes, '\0');
    return sound;
  };
  EXPECT_EQ(upload_media(ann, "audio", mp3(5 * 1024 * 1024)).status, 200);
  EXPECT_EQ(upload_media(ann, "audio", mp3(5 * 1024 * 1024 + 1)).status, 413);
  const auto mp4 = [](std::size_t bytes) {
    std::string film = fixture("clip.mp4");
    const std::size_t rest = bytes - film.size();  // a box that every reader passes over
    std::string box;
    for (int shift = 24; shift >= 0; shift -= 8) box += static_cast<char>(rest >> shift & 0xFF);
    return film + box + "free" + std::string(rest - 8, '\0');
  };
  EXPECT_EQ(upload_media(ann, "video", mp4(100 * 1024 * 1024)).status, 200);
  EXPECT_EQ(upload_media(ann, "video", mp4(100 * 1024 * 1024 + 1)).status, 413);
}

TEST(Media, RefusesWhatItIsNot) {
  const Person ann = somebody();
  for (const char* part : {"video", "audio"}) {
    EXPECT_EQ(upload_media(ann, part, png(10, 10)).status, 415);
    EXPECT_EQ(upload_media(ann, part, "").status, 422);
    const Answer cut = api().send({.method = "POST", .path = std::string("/api/v1/kling-lip-sync/upload-") + part, .token = ann.token,
                                   .body = "--b\r\n", .headers = {{"Content-Type", "multipart/form-data; boundary=b"}}});
    EXPECT_EQ(cut.status, 400);
  }
  const Answer broken = upload_media(ann, "video", fixture("clip.mp4").substr(0, 800));
  EXPECT_EQ(broken.status, 422);
  EXPECT_EQ(first_loc(broken), "body/video");
}

Answer import(const Person& person, json::object body) { return api().post("/api/v1/uploads/import", person.token, std::move(body)); }

TEST(Imports, KeepWhatWasPasted) {
  const Person ann = somebody();
  const Answer kept = import(ann, {{"source", "data:image/png;base64," + crypto::base64(png(20, 10))}, {"filename", "from clipboard"}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(kept.json().at("filename"), "from clipboard.png");
  EXPECT_EQ(kept.json().at("width"), 20);
  EXPECT_EQ(import(ann, {{"source", "data:audio/mpeg;base64," + crypto::base64(fixture("sound.mp3"))}, {"kind", "audio"}}).status, 200);
  EXPECT_EQ(import(ann, {{"source", "data:text/html;base64," + crypto::base64("<html>")}}).status, 415);
  EXPECT_EQ(import(ann, {{"source", "data:image/png;base64," + crypto::base64("<html>")}, {"kind", "image"}}).status, 415) << "by the same rules as a form";
  EXPECT_EQ(import(ann, {{"source", "data:image/png;base64,###"}}).status, 422);
  EXPECT_EQ(import(ann, {{"source", std::string(15 * 1024 * 1024, 'x')}}).status, 413);
  EXPECT_EQ(api().send({.method = "POST", .path = "/api/v1/uploads/import", .token = ann.token, .body = "{", .headers = {{"Content-Type", "application/json"}}}).status, 400);
}

TEST(Imports, FetchNothingPrivate) {
  const Person ann = somebody();
  for (const char* url : {"http://127.0.0.1/a.png", "http://[::1]/a.png", "http://0x7f.1/a.png", "http://169.254.169.254/latest", "ftp://example.org/a",
                          "http://example.org:22/a", "http://user@example.org/a", "http://localhost/a.png"}) {
    const Answer refused = import(ann, {{"source", url}});
    EXPECT_EQ(refused.status, 422) << url;
    EXPECT_EQ(first_loc(refused), "body/source") << url;
  }
  const Answer kind = import(ann, {{"source", "https://example.org/a"}, {"kind", "spreadsheet"}});
  EXPECT_EQ(first_loc(kind), "body/kind");
  EXPECT_EQ(first_loc(import(ann, {{"source", uploaded(ann)}})), "body/source") << "it is here already";
}

// ---- previews and names ----

TEST(Previews, AreAvifForBrowsersThatTakeIt) {
  const Person ann = somebody();
  const std::string link = uploaded(ann);
  const Answer chosen = api().send({.path = link + "&w=320", .headers = {{"Accept", "image/avif,image/webp,*/*"}}});
  EXPECT_EQ(chosen.header("content-type"), "image/avif");
  EXPECT_EQ(chosen.header("vary"), "Accept");
  EXPECT_EQ(api().get(link + "&w=320&f=avif").header("content-type"), "image/avif");
  EXPECT_EQ(api().send({.path = link + "&w=320&f=webp", .headers = {{"Accept", "image/avif"}}}).header("content-type"), "image/webp");
  EXPECT_EQ(api().send({.path = link + "&w=320", .headers = {{"Accept", "image/avif;q=0, image/*"}}}).header("content-type"), "image/webp");
  EXPECT_EQ(api().send({.path = link + "&w=320", .headers = {{"Accept", "image/avif;q=0.8, image/*"}}}).header("content-type"), "image/avif");
  EXPECT_EQ(first_loc(api().get(link + "&w=320&f=jpeg")), "query/f");
  EXPECT_NE(chosen.header("etag"), api().get(link + "&w=320").header("etag"));
}

TEST(Downloads, AreNamedByDateAndPromptForTheirOwner) {
  const Person ann = somebody();
  const std::string id = submit(ann, text_body("a lighthouse: dawn/\"灯塔\""));
  const auto task = ended(ann, id);
  const std::string link(task.at("image_url").as_string());
  const std::string named = api().get(link + "&download=1", ann.token).header("content-disposition");
  EXPECT_NE(named.find("a lighthouse_ dawn__"), std::string::npos) << named;
  EXPECT_NE(named.find("filename*=UTF-8''20"), std::string::npos) << named;
  EXPECT_TRUE(named.starts_with("attachment; filename=\"20")) << named;
  for (const std::string& token : {std::string(), somebody().token})
    EXPECT_EQ(api().get(link + "&download=1", token).header("content-disposition").find("lighthouse"), std::string::npos)
        << "who was given the link is not told the prompt";

  // A preview is another kind of picture than the file.
  for (const std::string format : {"webp", "avif"}) {
    const Answer preview = api().get(link + "&w=320&download=1&f=" + format, ann.token);
    EXPECT_EQ(preview.header("content-type"), "image/" + format);
    EXPECT_NE(preview.header("content-disposition").find("." + format + "\""), std::string::npos) << preview.header("content-disposition");
    EXPECT_NE(api().get(link + "&w=320&f=" + format).header("content-disposition").find("." + format + "\""), std::string::npos);
  }
}

}  // namespace
}  // namespace fluxgate::integration
