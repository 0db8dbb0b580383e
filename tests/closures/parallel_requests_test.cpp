// The write closures behind requests that little can be said of but that one after the other would be answered so: each
// sixty-four times at once, on both engines.
#include "base/ids.h"
#include "identity/passwords.h"
#include "notify/alerts.h"
#include "side_by_side.h"
#include "tasks/inputs.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using RequestsSideBySide = SideBySide;
using Counts = std::map<int, int>;

TEST_P(RequestsSideBySide, AreAnsweredAsIfOneAfterTheOther) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string key(house.send("POST", "/api/v1/auths/api_keys", ann.token, {{"name", "laptop"}}).body.at("id").as_string());
  house.send("POST", "/api/v1/auths/api_key", ann.token, json::object());
  const json::object s3{{"provider", "s3"}, {"enabled", true}, {"secret_id", "AKIDEXAMPLE"}, {"secret_key", "secret"},
                        {"bucket", "studio"}, {"region", "us-east-1"}, {"endpoint", "http://127.0.0.1:9"}};
  house.write([&](db::Tx& tx) {
    notify::raise(tx, "alert", "kind", "subject", {"It is so.", "如此。"}, now());
    house.files->insert(tx, {.id = "file", .user_id = ann.id, .filename = "a.png", .source_type = "upload", .created_at = now()},
                        {.key = "k", .size = 10, .mime = "image/png"});
  });
  const auto shown = [&](const char* path) { return house.send("GET", path, ann.token).body; };
  const struct {
    const char* method;
    std::string path;
    json::value body;
    Counts answers;
  } table[] = {
      {"POST", "/api/v1/auths/update/profile", {{"name", "Anna"}, {"profile_image_url", "/user.png"}}, {{200, 64}}},
      {"POST", "/api/v1/users/user/info/update", {{"city", "Berlin"}}, {{200, 64}}},
      {"DELETE", "/api/v1/auths/api_keys/" + key, nullptr, {{200, 1}, {404, 63}}},
      {"DELETE", "/api/v1/auths/api_key", nullptr, {{200, 64}}},
      {"POST", "/api/v1/admin/alerts/alert/resolve", nullptr, {{200, 64}}},
      {"POST", "/api/v1/storage/config", s3, {{200, 64}}},
      {"DELETE", "/api/v1/storage/files/generated/file", nullptr, {{200, 1}, {404, 63}}},
      {"PUT", "/api/v1/admin/files", shown("/api/v1/admin/files"), {{200, 1}, {409, 63}}},
      {"PUT", "/api/v1/admin/retention", shown("/api/v1/admin/retention"), {{200, 1}, {409, 63}}},
  };
  for (const auto& [method, path, body, answers] : table)
    EXPECT_EQ(statuses([&](int) { return house.send(method, path, ann.token, body); }), answers) << method << " " << path;
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM cloud_storage_config"), 1);
  EXPECT_EQ(statuses([&](int) { return house.upload("/api/v1/kling-lip-sync/upload-audio", ann.token, "audio", "a.mp3", a_sound()); }), (Counts{{200, 64}}));
  EXPECT_EQ(house.number("SELECT refs FROM fg_file_object WHERE place = 'local' AND refs > 0"), 64);
}

TEST_P(RequestsSideBySide, APasswordIsChangedByThoseWhoKnewItAndTheOthersAreSignedOut) {
  const Person ann = house.sign_up("ann@example.org");
  const auto answers = statuses([&](int i) {
    return house.send("POST", "/api/v1/auths/update/password", ann.token, {{"password", kPassword}, {"new_password", fmt::format("horse number {}", i)}});
  });
  EXPECT_GE(answers.at(200), 1);
  EXPECT_NE(house.send("POST", "/api/v1/auths/signin", "", {{"email", ann.email}, {"password", kPassword}}).status, 200);
}

TEST_P(RequestsSideBySide, AHashOfOtherCostsIsReplacedWhileAllSignIn) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string old = identity::hash_password(kPassword, identity::HashScheme::argon2id, {2, 8192, 4});
  house.write([&](db::Tx& tx) { tx.exec("UPDATE auth SET password = $1", {old}); });
  EXPECT_EQ(statuses([&](int) { return house.send("POST", "/api/v1/auths/signin", "", {{"email", ann.email}, {"password", kPassword}}); }), (Counts{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM auth WHERE password <> $1", {old}), 1);
}

TEST_P(RequestsSideBySide, ActivityOfAllNodesIsWrittenDown) {
  const Person ann = house.sign_up("ann@example.org");
  house.clock.advance(60'000);
  side_by_side(kSideBySide, [&](int) {
    const auto node = house.another_identity();
    EXPECT_TRUE(house.run(node->authenticate(ann.token, "/")));
    house.run(node->flush_activity());
    node->stop();
    return 0;
  });
  EXPECT_EQ(house.number("SELECT last_active_at FROM \"user\""), now() / 1'000);
}

TEST_P(RequestsSideBySide, UploadsBecomeFilesAndTheirLeftoversAreForgotten) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->import_bytes(ann.id, files::Purpose::audio_upload, "a.mp3", sound)).has_value(); }), 64);
  // What is refused in the end leaves its bytes to be removed, once, and nobody else's.
  const files::Stored mine{.key = fmt::format("44/44/{}.mp3", std::string(64, '4')), .size = 3};
  side_by_side(kSideBySide, [&](int) {
    house.run(house.uploads->abandon({mine}));
    house.run(tasks::abandon(house.database, {{{}, mine}}, now()));
    return 0;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_file_object WHERE refs = 0"), 1);
  EXPECT_EQ(house.number("SELECT refs FROM fg_file_object WHERE refs > 0"), 64);
  // What is no sound is given up by whoever sees it, whoever else does.
  const auto wrong = house.run(house.uploads->begin_direct(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size(), "audio/mpeg"));
  house.direct->put_by_client(wrong->request, std::string(sound.size(), 'x'));
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->complete_direct(wrong->upload.id, ann.id, "")).has_value(); }), 0);
  for (int i = 0; i < 10; ++i) house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", 100));
  house.clock.advance(2ll * 24 * 3600 * 1000);
  side_by_side(kSideBySide, [&](int) {
    house.run(house.uploads->forget_expired());
    return 0;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 0);
}

FLUX_ON_BOTH_ENGINES(RequestsSideBySide);

}  // namespace
}  // namespace fluxgate::closures
