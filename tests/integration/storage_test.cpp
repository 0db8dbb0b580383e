// Files and where they are kept: the caller's list, deleting, quotas, the configuration, the commands.
#include <fstream>

#include <fmt/format.h>

#include "base/crypto.h"
#include "store_house.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kConfig = "/api/v1/storage/config";
constexpr const char* kFiles = "/api/v1/storage/files/generated";
constexpr const char* kRules = "/api/v1/admin/files";

Answer upload(const Person& person, const std::string& bytes) {
  return api().send({.method = "POST", .path = "/api/v1/flux/upload-image", .token = person.token,
                     .parts = {{"file", "a.png", bytes, "image/png"}}});
}

Answer bare_post(const std::string& path) {
  return api().send({.method = "POST", .path = path, .token = admin().token});
}

json::object usage(const Person& person) {
  return api().get("/api/v1/storage/usage", person.token).json().as_object();
}

// Rules for as long as it lives; then those from before.
class RulesChanged {
 public:
  explicit RulesChanged(json::object change) : before_(api().get(kRules, admin().token).json().as_object()) {
    json::object next = before_;
    for (auto& [name, value] : change) next[name] = value;
    const Answer saved = api().put(kRules, admin().token, next);
    EXPECT_EQ(saved.status, 200) << saved.body;
  }
  ~RulesChanged() {
    before_["rev"] = api().get(kRules, admin().token).json().at("rev");
    EXPECT_EQ(api().put(kRules, admin().token, before_).status, 200);
  }

 private:
  json::object before_;
};

TEST(StoredFiles, AreListedToTheirOwnerAndDeleted) {
  const Person ann = somebody(), bob = somebody();
  const Answer made = upload(ann, png(21, 12));
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string id(made.json().at("file_id").as_string());
  ended(ann, submit(ann, text_body("a result beside an upload")));
  const json::value all = api().get(kFiles, ann.token).json();
  EXPECT_EQ(all.at("total"), 2);
  EXPECT_EQ(all.at("pages"), 1);
  EXPECT_EQ(all.at("data").at(0).at("source_type"), "flux") << "newest first";
  const json::value only = api().get(std::string(kFiles) + "?source_type=flux_input&file_type=image&limit=1000&page=-3", ann.token).json();
  ASSERT_EQ(only.at("data").as_array().size(), 1u);
  EXPECT_EQ(only.at("limit"), 20);
  EXPECT_EQ(only.at("page"), 1);
  const json::value& file = only.at("data").at(0);
  EXPECT_EQ(file.at("id"), json::value(id));
  EXPECT_EQ(file.at("status"), "uploaded");
  EXPECT_EQ(file.at("metadata").at("width"), 21);
  const std::string link(file.at("cloud_url").as_string());
  EXPECT_EQ(api().get(link).status, 200);
  EXPECT_EQ(api().get(kFiles, bob.token).json().at("total"), 0);
  EXPECT_EQ(api().del(std::string(kFiles) + "/" + id, bob.token).status, 404) << "another's";

  EXPECT_EQ(api().del(std::string(kFiles) + "/" + id, ann.token).status, 200);
  EXPECT_EQ(api().get(link).status, 404) << "its link ends";
  EXPECT_EQ(api().del(std::string(kFiles) + "/" + id, ann.token).status, 404) << "once";
  EXPECT_EQ(api().get(kFiles, ann.token).json().at("total"), 1);
  const Answer far = api().get(std::string(kFiles) + "?page=102&limit=100", ann.token);
  EXPECT_EQ(far.status, 422);
  EXPECT_EQ(first_loc(far), "query/page");
  EXPECT_EQ(api().get(std::string(kFiles) + "?page=101&limit=100", ann.token).status, 200) << "ten thousand may be skipped";
}

TEST(StoredFiles, OfTheSameBytesAreDeletedOneByOne) {
  const Person ann = somebody(), bob = somebody();
  const std::string bytes = png(33, 21);
  const Answer first = upload(ann, bytes), second = upload(bob, bytes);
  const std::string link(second.json().at("url").as_string());
  ASSERT_EQ(api().del(std::string(kFiles) + "/" + std::string(first.json().at("file_id").as_string()), ann.token).status, 200);
  EXPECT_EQ(api().get(link).status, 200) << "another has them still";
}

TEST(StoredFiles, AResultThatIsDeletedLeavesItsTaskWhichSaysSo) {
  const Person ann = somebody();
  const json::object task = ended(ann, submit(ann, text_body("to be deleted")));
  EXPECT_EQ(task.at("images").at(0).at("deleted"), false);
  const json::value listed = api().get(kFiles, ann.token).json();
  const std::string id(listed.at("data").at(0).at("id").as_string());
  EXPECT_EQ(listed.at("data").at(0).at("source_task_id"), task.at("id"));
  ASSERT_EQ(api().del(std::string(kFiles) + "/" + id, ann.token).status, 200);
  EXPECT_EQ(api().get(std::string(task.at("image_url").as_string())).status, 404);
  EXPECT_EQ(api().get(std::string(kFiles) + "?status=deleted", ann.token).json().at("total"), 1);
  const json::value after = api().get("/api/v1/flux/task/" + std::string(task.at("id").as_string()), ann.token).json();
  const json::value listed_after = api().get("/api/v1/flux/history", ann.token).json().at("data").at(0);
  for (const json::value& shown : {after, listed_after}) {
    EXPECT_TRUE(shown.at("image_url").is_null());
    EXPECT_TRUE(shown.at("images").at(0).at("url").is_null());
    EXPECT_EQ(shown.at("images").at(0).at("deleted"), true);
    EXPECT_EQ(shown.at("images").at(0).at("file_id"), json::value(id));
  }
  EXPECT_EQ(usage(ann).at("bytes"), 0);
}

TEST(StoredFiles, OfAnAccountThatIsGoneAreNobodys) {
  House house;
  const Client client = house.client();
  const json::value carl = client.post("/api/v1/auths/add", house.ann.token,
                                       {{"name", "Carl"}, {"email", "carl@example.org"}, {"password", kPassword}, {"role", "user"}}).json();
  const auto upload_as = [&](const std::string& token) {
    const Answer kept = client.send({.method = "POST", .path = "/api/v1/flux/upload-image", .token = token,
                                     .parts = {{"file", "a.png", png(31, 17), "image/png"}}});
    EXPECT_EQ(kept.status, 200) << kept.body;
    return std::string(kept.json().at("url").as_string());
  };
  const std::string his = upload_as(std::string(carl.at("token").as_string())), hers = upload_as(house.ann.token);
  EXPECT_EQ(client.del("/api/v1/users/" + std::string(carl.at("id").as_string()), house.ann.token).status, 200);
  // The server does this by itself, later.
  const Finished collected = house.run({"files", "gc", "--older-than", "0", "--yes"});
  EXPECT_EQ(collected.exit_code, 0) << collected.output;
  EXPECT_NE(collected.output.find("files of accounts that are gone: "), std::string::npos) << collected.output;
  EXPECT_EQ(client.get(his).status, 404);
  EXPECT_EQ(client.get(hers).status, 200);
  const json::value left = client.get("/api/v1/admin/files/usage", house.ann.token).json();
  EXPECT_EQ(left.at("files"), 1);
  ASSERT_EQ(left.at("users").as_array().size(), 1u);
  EXPECT_EQ(left.at("users").at(0).at("user_id"), json::value(house.ann.id));
}

TEST(Quotas, LetInWhatFitsAndNotAByteMore) {
  const Person ann = somebody();
  ASSERT_EQ(upload(ann, png(40, 41)).status, 200);
  const std::int64_t used = usage(ann).at("bytes").to_number<std::int64_t>();
  ASSERT_GT(used, 0);
  EXPECT_TRUE(usage(ann).at("limit").is_null());
  const Answer second = upload(ann, png(42, 43));
  const std::int64_t more = second.json().at("size").to_number<std::int64_t>();
  ASSERT_EQ(api().del(std::string(kFiles) + "/" + std::string(second.json().at("file_id").as_string()), ann.token).status, 200);
  ASSERT_EQ(usage(ann).at("bytes"), used) << "room that is given back";
  {
    RulesChanged rules(json::object{{"users", json::object{{ann.id, used + more - 1}}}});
    const Answer refused = upload(ann, png(42, 43));
    EXPECT_EQ(refused.status, 413) << refused.body;
    EXPECT_EQ(refused.code(), "storage_quota");
    EXPECT_EQ(refused.json().at("used"), used);
    EXPECT_EQ(refused.json().at("received"), more);
    EXPECT_EQ(usage(ann).at("limit"), used + more - 1);
  }
  RulesChanged rules(json::object{{"users", json::object{{ann.id, used + more}}}});
  EXPECT_EQ(upload(ann, png(42, 43)).status, 200);
  EXPECT_EQ(usage(ann).at("files"), 2);

  const double before = balance(ann);
  const Answer submitted = api().post("/api/v1/flux/text-to-image", ann.token, text_body("no room for it"));
  EXPECT_EQ(submitted.status, 422) << submitted.body;
  EXPECT_EQ(submitted.code(), "storage_quota");
  EXPECT_EQ(api().post("/api/v1/batches", ann.token, {{"requests", json::array{text_body("nor this")}}}).code(), "storage_quota");
  EXPECT_EQ(balance(ann), before) << "nothing is held";
}

// Bytes on the disk, whoever they belong to.
std::size_t objects() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder() / "files"))
    count += entry.is_regular_file() && entry.path().extension() == ".png";
  return count;
}

TEST(Quotas, LeaveNoBytesOfWhatTheyRefuse) {
  const Person ann = somebody();
  const std::string picture = "data:image/png;base64," + crypto::base64(png(61, 62));
  const RulesChanged rules(json::object{{"users", json::object{{ann.id, 1}}}, {"grace_s", 900}});
  const WithoutGrace at_once(data_folder());
  const std::size_t before = objects();
  EXPECT_EQ(upload(ann, png(63, 64)).code(), "storage_quota");
  EXPECT_EQ(api().post("/api/v1/uploads/import", ann.token, {{"source", picture}}).code(), "storage_quota");
  json::object submit{{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "no room"}, {"image_url", picture}};
  EXPECT_EQ(api().post("/api/v1/flux/image-to-image", ann.token, submit).code(), "storage_quota");
  EXPECT_TRUE(eventually([&] { return objects() <= before; })) << objects() << " of " << before;
}

TEST(Quotas, OfAllTogetherHoldForEverybody) {
  const Person ann = somebody();
  const json::value all = api().get("/api/v1/admin/files/usage", admin().token).json();
  RulesChanged rules(json::object{{"total_bytes", all.at("bytes").to_number<std::int64_t>() + 1}});
  const Answer refused = upload(ann, png(50, 51));
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.json().at("scope"), "all");
}

TEST(Quotas, AreCheckedAndNeverOverwriteEachOther) {
  const json::object read = api().get(kRules, admin().token).json().as_object();
  const auto kept = [](const char* name, std::int64_t days) { return json::object{{"retention_days", json::object{{name, days}}}}; };
  const std::pair<json::object, const char*> wrongs[] = {{json::object{{"user_bytes", -1}}, "body/user_bytes"},
                                                         {json::object{{"total_bytes", "much"}}, "body/total_bytes"},
                                                         {json::object{{"users", json::object{{"u", -1}}}}, "body/users"},
                                                         {kept("uploads", -1), "body/retention_days/uploads"},
                                                         {kept("uploads", 36'501), "body/retention_days/uploads"},
                                                         {kept("downloads", 1), "body/retention_days/downloads"},
                                                         {json::object{{"grace_s", 899}}, "body/grace_s"},
                                                         {json::object{{"rev", -1}}, "body/rev"}};
  for (const auto& [change, loc] : wrongs) {
    json::object body = read;
    for (const auto& [name, value] : change) body[name] = value;
    const Answer refused = api().put(kRules, admin().token, body);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(first_loc(refused), loc);
  }
  RulesChanged rules(kept("unused_uploads", 36'500));
  EXPECT_EQ(api().get(kRules, admin().token).json().at("retention_days").at("unused_uploads"), 36'500);
  EXPECT_EQ(api().put(kRules, admin().token, read).status, 409) << "read before";
  EXPECT_EQ(api().get("/api/v1/admin/files/usage?limit=0", admin().token).status, 422);
  const json::value most = api().get("/api/v1/admin/files/usage?limit=2", admin().token).json();
  EXPECT_LE(most.at("users").as_array().size(), 2u);
}

TEST(StorageConfig, IsCheckedSealedAndMasked) {
  const json::object form{{"provider", "tencent-cos"}, {"enabled", false}, {"secret_id", "AKIDsecretidentity"},
                          {"secret_key", "a-key-nobody-should-read"}, {"region", "ap-guangzhou"}, {"bucket", "studio-1250000000"}};
  const Answer saved = api().post(kConfig, admin().token, form);
  ASSERT_EQ(saved.status, 200) << saved.body;
  EXPECT_EQ(saved.json().at("config").at("bucket"), "studio-1250000000");
  json::object shown = api().get(kConfig, admin().token).json().as_object();
  EXPECT_EQ(shown.at("secret_id"), "AKIDsecr****");
  EXPECT_EQ(shown.at("secret_key"), "****");
  EXPECT_EQ(shown.at("base_path"), "generated/");

  // What was read is sent back; the masks do not become the secrets.
  shown["region"] = "ap-shanghai";
  ASSERT_EQ(api().put(kConfig, admin().token, shown).status, 200);
  EXPECT_EQ(api().get(kConfig, admin().token).json().at("secret_id"), "AKIDsecr****");
  EXPECT_EQ(api().get(kConfig, admin().token).json().at("region"), "ap-shanghai");
  for (const auto& entry : std::filesystem::directory_iterator(data_folder())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(bytes.find("a-key-nobody-should-read"), std::string::npos) << entry.path();
  }

  const std::pair<json::object, const char*> wrongs[] = {
      {json::object{{"provider", "ftp"}}, "body/provider"},
      {json::object{{"base_path", "../up"}}, "body/base_path"},
      {json::object{{"image_path", "/images"}}, "body/image_path"},
      {json::object{{"allowed_types", json::array{"pictures"}}}, "body/allowed_types"},
      {json::object{{"max_file_size", -1}}, "body/max_file_size"},
      {json::object{{"links", "none"}}, "body/links"},
      {json::object{{"delivery", "pigeon"}}, "body/delivery"},
      {json::object{{"link_seconds", 59}}, "body/link_seconds"},
      {json::object{{"link_seconds", 604'801}}, "body/link_seconds"},
      {json::object{{"addressing", "odd"}}, "body/addressing"},
      {json::object{{"enabled", true}, {"secret_key", ""}}, "body/secret_key"},
      {json::object{{"enabled", true}, {"bucket", ""}}, "body/bucket"},
      {json::object{{"enabled", true}, {"domain", "ftp://cdn.example.org"}}, "body/domain"},
      {json::object{{"enabled", true}, {"provider", "s3"}, {"endpoint", "http://127.0.0.1:9000"}, {"addressing", "virtual"}}, "body/addressing"},
      {json::object{{"secret_kye", "x"}}, "body/secret_kye"}};
  for (const auto& [change, loc] : wrongs) {
    const Answer refused = api().post(kConfig, admin().token, change);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(first_loc(refused), loc);
  }
  EXPECT_EQ(bare_post("/api/v1/storage/test").status, 400) << "it is not enabled";
  EXPECT_EQ(bare_post("/api/v1/storage/files/migrate").code(), "storage_off");
  EXPECT_EQ(bare_post("/api/v1/storage/files/migrate?batch_size=1001").status, 422);
  for (const int seconds : {60, 604'800}) EXPECT_EQ(api().post(kConfig, admin().token, {{"link_seconds", seconds}}).status, 200);
}

TEST(StorageStats, CountWhatIsThere) {
  const Person ann = somebody();
  ASSERT_EQ(upload(ann, png(60, 61)).status, 200);
  const json::value stats = api().get("/api/v1/storage/stats", admin().token).json().at("stats");
  EXPECT_GE(stats.at("summary").at("uploaded_files").to_number<int>(), 1);
  EXPECT_EQ(stats.at("summary").at("pending_files"), 0);
  EXPECT_EQ(stats.at("places").at(0).at("provider"), "local");
  EXPECT_TRUE(stats.at("type_distribution").as_object().contains("image"));
  EXPECT_TRUE(stats.at("source_distribution").as_object().contains("flux_input"));
  EXPECT_GE(stats.at("daily_trend").as_array().size(), 1u);
}

}  // namespace
}  // namespace fluxgate::integration
