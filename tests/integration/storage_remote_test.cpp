// Files in a store that is another process: the sandbox's COS bucket, which comes and goes.
#include <fstream>

#include <fmt/format.h>

#include "store_house.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kFiles = "/api/v1/storage/files/generated";
TEST(RemoteStorage, TakesWhatWasMadeAndServesIt) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket).status, 200);
  const Answer tested = house.client().send({.method = "POST", .path = "/api/v1/storage/test", .token = house.ann.token});
  EXPECT_EQ(tested.json().at("success"), json::value(true)) << tested.body;
  const std::string link = house.made("a cat in a bucket");
  const Answer here = house.client().get(link);
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  const Answer first = house.client().get(link);
  ASSERT_EQ(first.status, 302) << first.body;
  EXPECT_NE(first.header("cache-control").find("max-age="), std::string::npos);
  const Answer there = followed(house, link);
  EXPECT_EQ(there.status, 200);
  EXPECT_TRUE(there.header("content-type").starts_with("image/")) << there.header("content-type");
  if (here.status == 200) EXPECT_EQ(there.body, here.body);
  EXPECT_EQ(house.files_here(), 0) << "the copy here is gone";
  const Answer headed = house.client().send({.method = "HEAD", .path = link});
  EXPECT_EQ(headed.status, 302);
  EXPECT_EQ(fetched(headed.header("location"), "HEAD").status, 200) << "signed for HEAD";
  EXPECT_EQ(house.client().get(link + "&w=320").status, 200) << "previews are made from the store's";

  // Where the store's links carry no name, what is to be saved under one comes through this server.
  ASSERT_EQ(house.store_in(bucket, {{"links", "plain"}}).status, 200);
  EXPECT_EQ(house.client().get(link).header("location").find("sign"), std::string::npos);
  const Answer saved = house.client().get(link + "&download=1", house.ann.token);
  EXPECT_EQ(saved.status, 200);
  EXPECT_EQ(saved.body, there.body);
  EXPECT_NE(saved.header("content-disposition").find("a cat in a bucket"), std::string::npos) << saved.header("content-disposition");
  ASSERT_EQ(house.store_in(bucket, {{"links", "signed"}}).status, 200);
  EXPECT_EQ(house.client().get(link + "&download=1", house.ann.token).status, 302);

  // The same way, but through this server.
  ASSERT_EQ(house.store_in(bucket, {{"delivery", "proxy"}}).status, 200);
  const Answer proxied = house.client().get(link);
  EXPECT_EQ(proxied.status, 200);
  EXPECT_EQ(proxied.body, there.body);

  const json::value listed = house.client().get(kFiles, house.ann.token).json();
  const std::string id(listed.at("data").at(0).at("id").as_string());
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);

  // Deleted, it goes from the store too.
  json::object rules = house.client().get("/api/v1/admin/files", house.ann.token).json().as_object();
  rules["grace_s"] = 900;
  ASSERT_EQ(house.client().put("/api/v1/admin/files", house.ann.token, rules).status, 200);
  const WithoutGrace at_once(house.folder.path());
  const std::string store_link = [&] {
    house.store_in(bucket, {{"delivery", "redirect"}});
    return house.client().get(link).header("location");
  }();
  ASSERT_EQ(house.client().del(std::string(kFiles) + "/" + id, house.ann.token).status, 200);
  EXPECT_EQ(house.client().get(link).status, 404);
  const auto path = store_link.find('/', store_link.find("://") + 3);
  EXPECT_TRUE(eventually([&] { return Client(store_link.substr(0, path), nullptr).get(store_link.substr(path)).status == 404; }));
  EXPECT_EQ(house.run({"db", "verify"}).exit_code, 0);
}

TEST(RemoteStorage, MakesPreviewsWhereItIsToldTo) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket, {{"image_processing", true}}).status, 200);
  EXPECT_EQ(house.client().get("/api/v1/storage/config", house.ann.token).json().at("image_processing"), json::value(true));
  const Answer kept = house.client().send({.method = "POST", .path = "/api/v1/flux/upload-image", .token = house.ann.token,
                                           .parts = {{"file", "a.png", png(900, 600), "image/png"}}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  const std::string link(kept.json().at("url").as_string());
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  const Answer preview = house.client().get(link + "&w=320");
  ASSERT_EQ(preview.status, 302) << preview.body;
  EXPECT_EQ(preview.header("vary"), "Accept");
  const Answer made = fetched(preview.header("location"));
  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.header("content-type"), "image/webp");
  EXPECT_TRUE(made.body.starts_with("RIFF"));
  EXPECT_EQ(fetched(house.client().get(link + "&w=1280&f=avif").header("location")).header("content-type"), "image/avif");
  EXPECT_EQ(bucket.stats().at("images"), (json::array{"imageMogr2/thumbnail/320x320>/strip/format/webp/quality/80",
                                                      "imageMogr2/thumbnail/1280x1280>/strip/format/avif/quality/60"}));
  EXPECT_EQ(bucket.count("get"), 0) << "nothing was fetched for it";
  EXPECT_EQ(fetched(house.client().get(link).header("location")).header("content-type"), "image/png") << "the picture itself";

  // Without the setting, and through this server, they are made here.
  ASSERT_EQ(house.store_in(bucket, {{"image_processing", true}, {"delivery", "proxy"}}).status, 200);
  EXPECT_EQ(house.client().get(link + "&w=320").header("content-type"), "image/webp");
  ASSERT_EQ(house.store_in(bucket, {{"image_processing", false}, {"delivery", "redirect"}}).status, 200);
  EXPECT_EQ(house.client().get(link + "&w=320").status, 200);
  EXPECT_EQ(bucket.count("image"), 2);
}

// The test clip with a box behind it that players pass over.
std::string film_of(std::size_t bytes) {
  std::ifstream file(std::string(FLUXGATE_SOURCE_DIR) + "/tests/fixtures/media/clip.mp4", std::ios::binary);
  std::string film{std::istreambuf_iterator<char>(file), {}};
  const std::size_t box = bytes - film.size();
  for (int shift = 24; shift >= 0; shift -= 8) film += static_cast<char>(box >> shift);
  film += "free";
  for (std::size_t i = film.size(); i < bytes; ++i) film += static_cast<char>(i * 2'654'435'761u >> 24);
  return film;
}

// The same bucket, spoken to as COS and as S3.
class StoreKind : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(RemoteStorage, StoreKind, ::testing::Values("tencent-cos", "s3"),
                         [](const auto& kind) { return std::string(kind.param).substr(0, 2) == "s3" ? "s3" : "cos"; });

TEST_P(StoreKind, AKilledUploadInPartsGoesOnWithThem) {
  // Of three parts one arrives; the others hang until the server is killed.
  Bucket bucket({"part-hang;after=1;times=2"});
  House house;
  ASSERT_EQ(house.store_in(bucket, {{"provider", GetParam()}}).status, 200);
  const std::string film = film_of(20u << 20);
  const Answer kept = house.client().send({.method = "POST", .path = "/api/v1/kling-lip-sync/upload-video", .token = house.ann.token,
                                           .parts = {{"video", "a.mp4", film, "video/mp4"}}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  ASSERT_TRUE(eventually([&] { return bucket.count("part") == 3 && bucket.stats().at("parts") == 1; })) << house.server.log();
  house.server.kill();
  house.server.start();
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  EXPECT_EQ(bucket.count("part"), 5) << "the one that was there is not sent again";
  EXPECT_EQ(bucket.count("initiate"), 1);
  EXPECT_EQ(bucket.count("complete"), 1);
  EXPECT_TRUE(followed(house, std::string(kept.json().at("url").as_string())).body == film);
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);
}

TEST(RemoteStorage, ThatIsDownHoldsUpNobody) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket).status, 200);
  bucket.end();
  std::vector<std::string> links;
  for (int i = 0; i < 3; ++i) links.push_back(house.made(fmt::format("while it is away {}", i)));
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200) << "from the spool";
  EXPECT_EQ(house.waiting(), 3);
  EXPECT_TRUE(eventually([&] { return house.has_alert("storage_unreachable"); }, std::chrono::seconds(60))) << house.server.log();
  // Killed meanwhile, nothing is forgotten.
  house.server.kill();
  house.server.start();
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200);
  bucket.start();
  EXPECT_TRUE(eventually([&] { return house.waiting() == 0; }, std::chrono::seconds(90))) << house.server.log();
  EXPECT_TRUE(eventually([&] { return !house.has_alert("storage_unreachable"); }));
  for (const auto& link : links) EXPECT_EQ(followed(house, link).status, 200);
  EXPECT_EQ(house.files_here(), 0);
  const Finished verified = house.run({"files", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;

  // What it keeps cannot be had while it is away, and that is said.
  ASSERT_EQ(house.store_in(bucket, {{"delivery", "proxy"}}).status, 200);
  bucket.end();
  const Answer away = house.client().get(links.front());
  EXPECT_EQ(away.status, 503) << away.body;
  EXPECT_EQ(away.code(), "store_unavailable");
  bucket.start();  // and empty: it has lost everything
  const Finished lost = house.run({"files", "verify"});
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_NE(lost.output.find("3 findings"), std::string::npos) << lost.output;
}

TEST(RemoteStorage, AMoveThatIsKilledIsDoneAgain) {
  Bucket bucket;
  House house;
  std::vector<std::string> links;
  for (int i = 0; i < 12; ++i) links.push_back(house.made(fmt::format("to be moved {}", i)));
  ASSERT_EQ(house.store_in(bucket).status, 200);
  for (int round = 0; round < 3; ++round) {
    // The command is killed with the server's own moves under way.
    for (int i = 0; i < 4; ++i) links.push_back(house.made(fmt::format("round {} {}", round, i)));
    house.server.kill();
    house.server.start();
    for (const auto& link : links) {
      const Answer answer = followed(house, link);
      EXPECT_EQ(answer.status, 200) << link;
    }
  }
  const Finished moved = house.run({"files", "migrate", "--from", "local", "--to", "cos"});
  EXPECT_EQ(moved.exit_code, 0) << moved.output;
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  for (const auto& link : links) EXPECT_EQ(followed(house, link).status, 200);
  EXPECT_EQ(house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate", .token = house.ann.token}).json().at("remaining"), 0);
  const Finished verified = house.run({"files", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;

  // And home again.
  const Finished back = house.run({"files", "migrate", "--from", "cos", "--to", "local"});
  EXPECT_EQ(back.exit_code, 0) << back.output;
  bucket.end();
  for (const auto& link : links) EXPECT_EQ(house.client().get(link).status, 200);
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);
}

// The connection test, with all that can be wrong in the settings.
TEST(RemoteStorage, SaysWhatIsWrongWithItsSettings) {
  Bucket bucket;
  House house;
  const struct {
    json::object change;
    const char* code;
    const char* words;
  } wrongs[] = {
      {{{"provider", "s3"}, {"region", "eu-west-1"}}, "store_region_wrong", "The bucket is in ap-guangzhou, not in eu-west-1"},
      {{{"provider", "s3"}, {"secret_key", "another"}}, "store_key_rejected", "check secret_key"},
      {{{"provider", "s3"}, {"secret_id", "another"}}, "store_key_rejected", "check secret_id"},
      {{{"provider", "s3"}, {"bucket", "elsewhere"}}, "bucket_missing", "no bucket elsewhere"},
      {{{"provider", "s3"}, {"endpoint", "http://127.0.0.1:9"}}, "store_unreachable", "refuses the connection"},
      {{{"provider", "s3"}, {"endpoint", house.server.base_url()}}, "object_missing", "not as an object store"},
      {{{"secret_key", "another"}}, "store_key_rejected", "check secret_key"},
      {{{"secret_id", "another"}}, "store_key_rejected", "check secret_id"},
      {{{"endpoint", "http://name.invalid"}}, "store_unreachable", "cannot be resolved"},
      {{{"endpoint", "https://" + bucket.endpoint().substr(7)}}, "store_tls", "does not speak TLS"},
  };
  for (const auto& [change, code, words] : wrongs) {
    ASSERT_EQ(house.store_in(bucket, change).status, 200) << json::serialize(change);
    const json::object said = house.tried();
    EXPECT_EQ(said.at("success"), json::value(false));
    EXPECT_EQ(said.at("details").at("status"), json::value(code)) << json::serialize(said);
    EXPECT_NE(said.at("message").as_string().find(words), json::string::npos) << json::serialize(said);
  }
  for (const char* provider : {"s3", "tencent-cos"}) {
    ASSERT_EQ(house.store_in(bucket, {{"provider", provider}}).status, 200);
    EXPECT_EQ(house.tried().at("success"), json::value(true));
  }
}

TEST(RemoteStorage, SaysWhichPermissionIsMissingAndThatTheClockIsWrong) {
  Bucket bucket({"put-RequestTimeTooSkewed;times=2", "put-AccessDenied;times=2", "get-AccessDenied;times=2", "delete-AccessDenied;times=4"});
  House house;
  const std::pair<const char*, const char*> wrongs[] = {{"store_clock_wrong", "clock"}, {"store_forbidden", ":PutObject on studio-1250000000"},
                                                        {"store_forbidden", ":GetObject on studio-1250000000"},
                                                        {"store_forbidden", ":DeleteObject on studio-1250000000"}};
  for (const auto& [code, words] : wrongs)
    for (const char* provider : {"s3", "tencent-cos"}) {
      ASSERT_EQ(house.store_in(bucket, {{"provider", provider}}).status, 200);
      const json::object said = house.tried();
      EXPECT_EQ(said.at("details").at("status"), json::value(code)) << json::serialize(said);
      EXPECT_NE(said.at("message").as_string().find(words), json::string::npos) << json::serialize(said);
    }
}

// COS's own hosts are reached by way of a proxy, which is the bucket.
TEST(RemoteStorage, OfCosInAnotherRegionIsSaidToBeThere) {
  Bucket bucket;
  House house({"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0"}, {{"http_proxy", bucket.endpoint()}, {"no_proxy", "127.0.0.1"}});
  const auto region = [&](const std::string& name) {
    return house.store_in(bucket, {{"region", name}, {"endpoint", "http://studio-1250000000.cos." + name + ".myqcloud.com"}}).status;
  };
  ASSERT_EQ(region("ap-beijing"), 200);
  const json::object said = house.tried();
  EXPECT_EQ(said.at("details").at("status"), json::value("store_region_wrong")) << json::serialize(said);
  EXPECT_NE(said.at("message").as_string().find("The bucket is in ap-guangzhou, not in ap-beijing"), json::string::npos) << json::serialize(said);
  ASSERT_EQ(region("ap-guangzhou"), 200);
  EXPECT_EQ(house.tried().at("success"), json::value(true));
}

// COS and its S3 side: what is moved from one to the other is there already, and is nobody's garbage.
TEST(RemoteStorage, UnderTwoNamesIsOneBucket) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket, {{"provider", "s3"}}).status, 200);
  const std::string link = house.made("in one bucket");
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  ASSERT_EQ(house.store_in(bucket).status, 200);
  for (int round = 0; round < 2; ++round) {
    const Finished collected = house.run({"files", "gc", "--older-than", "0", "--yes"});
    EXPECT_EQ(collected.exit_code, 0) << collected.output;
    EXPECT_EQ(collected.output.find(", removed"), std::string::npos) << collected.output;
    const Finished moved = house.run({"files", "migrate", "--from", "s3", "--to", "cos"});
    EXPECT_EQ(moved.exit_code, 0) << moved.output;
    EXPECT_NE(moved.output.find(round == 0 ? "1 moved" : "0 moved"), std::string::npos) << moved.output;
    EXPECT_EQ(followed(house, link).status, 200);
  }
  const Finished verified = house.run({"files", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

TEST(RemoteStorage, OfANewBucketTakesOverFromTheOldOne) {
  Bucket old_bucket, new_bucket;
  House house;
  const auto migrate = [&](const char* from, const char* to) { return house.run({"files", "migrate", "--from", from, "--to", to}); };
  ASSERT_EQ(house.store_in(old_bucket).status, 200);
  EXPECT_EQ(migrate("cos", "cos").exit_code, 1) << "there is only one";
  EXPECT_EQ(migrate("local", "local").exit_code, 1);
  EXPECT_NE(migrate("s3", "cos").output.find("No s3 storage"), std::string::npos);
  const std::string link = house.made("from bucket to bucket");
  ASSERT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  ASSERT_EQ(house.store_in(new_bucket).status, 200);
  const Finished moved = migrate("cos", "cos");
  EXPECT_EQ(moved.exit_code, 0) << moved.output;
  EXPECT_NE(moved.output.find("1 moved"), std::string::npos) << moved.output;
  EXPECT_EQ(old_bucket.count("delete"), 1) << "its copy";
  old_bucket.end();
  EXPECT_EQ(followed(house, link).status, 200);
  // What is broken elsewhere is named and left out, and the rest is looked at.
  const Finished collected = house.run({"files", "gc", "--older-than", "0"});
  EXPECT_EQ(collected.exit_code, 1);
  EXPECT_NE(collected.output.find("It was left out."), std::string::npos) << collected.output;
  EXPECT_NE(collected.output.find("could not be removed: 0"), std::string::npos) << collected.output;
}

TEST(RemoteStorage, SaysWhyFilesStayHere) {
  Bucket bucket;
  House house;
  for (int i = 0; i < 3; ++i) house.made(fmt::format("picture {}", i));
  const Answer kept = house.client().send({.method = "POST", .path = "/api/v1/kling-lip-sync/upload-video", .token = house.ann.token,
                                           .parts = {{"video", "a.mp4", film_of(10'000), "video/mp4"}}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  ASSERT_EQ(house.store_in(bucket, {{"auto_upload", false}, {"allowed_types", json::array{"video/*"}}}).status, 200);
  // They are in nobody's way: one at a time the film is reached, wherever its name stands among theirs.
  const json::value done = house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate?batch_size=1", .token = house.ann.token}).json();
  EXPECT_EQ(done.at("migrated_count"), 1);
  const json::value again = house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate?batch_size=1", .token = house.ann.token}).json();
  EXPECT_EQ(again.at("migrated_count"), 0);
  EXPECT_EQ(again.at("kept_count"), 3);
  EXPECT_EQ(again.at("remaining"), 0);
  EXPECT_NE(again.at("message").as_string().find("does not take their type or size"), json::string::npos);
  const Finished moved = house.run({"files", "migrate", "--to", "cos"});
  EXPECT_EQ(moved.exit_code, 0);
  EXPECT_NE(moved.output.find("3 left where they are"), std::string::npos) << moved.output;
  EXPECT_NE(moved.output.find("3: not taken by the storage as it is configured (allowed_types video/*;"), std::string::npos) << moved.output;
}

TEST(RemoteStorage, ThatRefusesTheKeyIsAnAlert) {
  Bucket bucket;
  House house;
  ASSERT_EQ(house.store_in(bucket, {{"secret_key", "another"}}).status, 200);
  const Answer tested = house.client().send({.method = "POST", .path = "/api/v1/storage/test", .token = house.ann.token});
  EXPECT_EQ(tested.json().at("success"), json::value(false)) << tested.body;
  const std::string link = house.made("kept here");
  EXPECT_TRUE(eventually([&] { return house.has_alert("storage_refused"); })) << house.server.log();
  EXPECT_EQ(house.client().get(link).status, 200);
  const Answer moved = house.client().send({.method = "POST", .path = "/api/v1/storage/files/migrate", .token = house.ann.token});
  EXPECT_EQ(moved.json().at("success"), json::value(false)) << moved.body;
  EXPECT_EQ(moved.json().at("failed_count"), 1);
  // The right one is in force without a restart.
  ASSERT_EQ(house.store_in(bucket).status, 200);
  EXPECT_TRUE(eventually([&] { return house.waiting() == 0; })) << house.server.log();
  EXPECT_TRUE(eventually([&] { return !house.has_alert("storage_refused"); }));
  EXPECT_EQ(followed(house, link).status, 200);
}

TEST(RemoteStorage, GarbageIsShownAndThenRemoved) {
  House house;
  const std::string link = house.made("kept");
  const std::string hash(64, 'a');
  const auto stray = house.folder.path() / "files" / "aa" / "aa" / (hash + ".png");
  std::filesystem::create_directories(stray.parent_path());
  std::ofstream(stray) << "stray";
  const auto collect = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"files", "gc"};
    words.insert(words.end(), more.begin(), more.end());
    return house.run(words);
  };
  EXPECT_NE(collect({"--yes"}).output.find("without a row: 0"), std::string::npos) << "it is young";
  const Finished shown = collect({"--older-than", "0"});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_NE(shown.output.find("without a row: 1"), std::string::npos) << shown.output;
  EXPECT_EQ(collect({"--older-than", "0", "--dry-run"}).output, shown.output) << "which is what it does anyway";
  EXPECT_NE(collect({"--dry-run", "--yes"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(stray)) << "only shown";
  EXPECT_EQ(collect({"--older-than", "0", "--yes"}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_EQ(house.client().get(link).status, 200);
  EXPECT_EQ(house.run({"files", "verify"}).exit_code, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(house.folder.path() / "files"))
    if (entry.is_regular_file() && entry.path().extension() != "" && entry.path().string().find("/thumbs/") == std::string::npos)
      std::ofstream(entry.path(), std::ios::app) << "damaged";
  const Finished damaged = house.run({"files", "verify", "--quick"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.output.find(": 1 finding\n"), std::string::npos) << damaged.output;
}

}  // namespace
}  // namespace fluxgate::integration
