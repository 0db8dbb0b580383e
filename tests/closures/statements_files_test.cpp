// The write closures about files, and of tidying, failing at each of their statements in turn (depot_test.cpp and
// duties_test.cpp have them at work).
#include "app/upkeep.h"
#include "base/ids.h"
#include "db/schema.h"
#include "files/objects.h"
#include "files/rows.h"
#include "files/rules.h"
#include "files/stock.h"
#include "notify/events.h"
#include "statements.h"
#include "tasks/inputs.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using FileStatements = Statements;

TEST_P(FileStatements, OfFilesAndOfTidying) {
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, "an event, a key");
  files::FileRow row{.id = new_id(now()), .user_id = ann.id, .filename = "in.png", .key = "ab/cd/x.png", .mime = "image/png",
                     .source_type = "upload", .created_at = now()};
  closure_fails("an upload", [&](db::Tx& tx) { house.files->insert(tx, row, {.key = row.key, .sha256 = "x", .size = 3, .mime = row.mime}); });
  closure_fails("an event", [&](db::Tx& tx) { notify::append(tx, ann.id, "test", {{"a", 1}}, now()); });
  house.send("POST", "/api/v1/flux/text-to-image", ann.token, picture("with a key"), "old key");
  closure_fails("tidying", [&](db::Tx& tx) { app::forget_what_is_old(tx, now() + 30 * app::kEventsKept); });
  EXPECT_EQ(house.number("SELECT (SELECT COUNT(*) FROM fg_event) + (SELECT COUNT(*) FROM fg_idempotency)"), 0);
  closure_fails("the schema", [&](db::Tx& tx) { db::create_missing(tx, now()); });
}

TEST_P(FileStatements, OfUploads) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  std::string id;
  work_fails("begun", [&]() -> awaitable<void> {
    auto upload = co_await house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size());
    EXPECT_TRUE(upload);
    id = upload->id;
  });
  work_fails("it becomes a file", [&]() -> awaitable<void> {
    auto upload = co_await house.uploads->find(id, ann.id);
    if (!upload || upload->file) co_return;
    auto adding = co_await house.uploads->add(id, ann.id, upload->offset);
    EXPECT_TRUE(adding && (*adding)->write(std::string_view(sound).substr(upload->offset)));
    auto whole = co_await (*adding)->finish(true);
    EXPECT_TRUE(whole && whole->file);
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files WHERE id = $1", {id}), 1);
  work_fails("given up", [&]() -> awaitable<void> {
    auto removed = co_await house.uploads->remove(id, ann.id);
    EXPECT_TRUE(removed);
  });
  request_fails("in a form", [&] { return house.upload("/api/v1/kling-lip-sync/upload-audio", ann.token, "audio", "a.mp3", sound); });
  work_fails("pasted", [&]() -> awaitable<void> {
    auto kept = co_await house.uploads->import_bytes(ann.id, files::Purpose::audio_upload, "pasted", sound);
    EXPECT_TRUE(kept);
  });
  const auto bytes = [](char digit) { return files::Stored{.key = fmt::format("{0}{0}/{0}{0}/{1}.mp3", digit, std::string(64, digit)), .size = 3}; };
  work_fails("refused in the end", [&]() -> awaitable<void> { co_await house.uploads->abandon({bytes('4')}); });
  work_fails("refused with its submit", [&]() -> awaitable<void> { co_await tasks::abandon(house.database, {{{}, bytes('5')}}, now()); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_file_object WHERE refs = 0"), 2);
  const auto part = house.run(house.uploads->create(ann.id, files::Purpose::media_upload, "", sound.size(), "partial"));
  {
    const auto adding = house.run(house.uploads->add(part->id, ann.id, 0));
    ASSERT_TRUE(adding && (*adding)->write(sound) && house.run((*adding)->finish(true)));
  }
  work_fails("joined", [&]() -> awaitable<void> {
    auto joined = co_await house.uploads->concatenate(ann.id, files::Purpose::audio_upload, "a.mp3", {part->id}, "final;…");
    EXPECT_TRUE(joined || joined.error().code() == "upload_not_found");
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload WHERE concat <> ''"), 1);
  house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size()));
  house.clock.advance(2ll * 24 * 3600 * 1000);
  work_fails("forgotten", [&]() -> awaitable<void> { co_await house.uploads->forget_expired(); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 0);
}

TEST_P(FileStatements, OfDirectUploads) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  const auto begin = [&] { return house.uploads->begin_direct(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size(), "audio/mpeg"); };
  std::optional<files::DirectUpload> direct;
  work_fails("begun", [&]() -> awaitable<void> {
    auto begun = co_await begin();
    EXPECT_TRUE(begun);
    direct = std::move(*begun);
  });
  house.direct->put_by_client(direct->request, sound);
  work_fails("completed", [&]() -> awaitable<void> {
    auto kept = co_await house.uploads->complete_direct(direct->upload.id, ann.id, "");
    EXPECT_TRUE(kept);
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files WHERE id = $1", {direct->upload.id}), 1);
  const auto wrong = house.run(begin());
  house.direct->put_by_client(wrong->request, std::string(sound.size(), 'x'));
  work_fails("given up for what it is", [&]() -> awaitable<void> {
    auto kept = co_await house.uploads->complete_direct(wrong->upload.id, ann.id, "");
    EXPECT_FALSE(kept);
  });
  const auto unwanted = house.run(begin());
  work_fails("given up", [&]() -> awaitable<void> {
    auto removed = co_await house.uploads->remove(unwanted->upload.id, ann.id);
    EXPECT_TRUE(removed || removed.error().code() == "upload_not_found");
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload WHERE stored = $1", {files::fate::kGivenUp}), 2);
  house.clock.advance(2ll * 24 * 3600 * 1000);
  work_fails("forgotten", [&]() -> awaitable<void> { co_await house.uploads->forget_expired(); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 0);
  EXPECT_TRUE(house.direct->is_empty());
}

TEST_P(FileStatements, OfStoredFiles) {
  using files::objects::Object;
  const auto key = [](char digit) { return fmt::format("{0}{0}/{0}{0}/{1}.png", digit, std::string(64, digit)); };
  const std::string k1 = key('1'), k2 = key('2'), k3 = key('3');
  const Person ann = house.sign_up("ann@example.org");
  const json::object form{{"provider", "s3"}, {"enabled", true}, {"secret_id", "AKIDEXAMPLE"}, {"secret_key", "secret"},
                          {"bucket", "studio"}, {"region", "us-east-1"}, {"endpoint", "http://127.0.0.1:9"}};
  request_fails("the storage", [&] { return house.send("POST", "/api/v1/storage/config", ann.token, form); });
  const std::string store(last.body.at("config").at("id").as_string());
  request_fails("the storage again", [&] { return house.send("PUT", "/api/v1/storage/config", ann.token, form); });
  EXPECT_EQ(last.body.at("config").at("id"), json::value(store));
  for (int time = 0; time < 2; ++time) {  // made, then changed
    json::value rules = house.send("GET", "/api/v1/admin/files", ann.token).body;
    rules.as_object()["user_bytes"] = 1'000'000;
    request_fails("the rules for files", [&] { return house.send("PUT", "/api/v1/admin/files", ann.token, rules); });
  }
  const auto insert = [&](db::Tx& tx, const std::string& id, const std::string& key, const std::string& task) {
    house.files->insert(tx, {.id = id, .user_id = ann.id, .filename = "a.png", .source_type = "flux", .source_task_id = task, .created_at = now()},
                        {.key = key, .sha256 = "x", .size = 10, .mime = "image/png"});
  };
  closure_fails("an upload with room", [&](db::Tx& tx) {
    EXPECT_TRUE(files::check_room(tx, ann.id, 10));
    insert(tx, "upload", k1, "");
  });
  closure_fails("a result", [&](db::Tx& tx) { insert(tx, "result", k2, "task"); });
  closure_fails("the same bytes again", [&](db::Tx& tx) { insert(tx, "same", k2, ""); });
  closure_fails("an upload is used", [&](db::Tx& tx) { files::note_use(tx, "upload", "task"); });
  closure_fails("a store is reserved for", [&](db::Tx& tx) {
    EXPECT_TRUE(files::objects::reserve(tx, {.key = k3, .size = 3, .place = store, .cloud_path = "generated/" + k3}, now()));
  });
  std::vector<Object> due;
  closure_fails("a claim of what is due", [&](db::Tx& tx) { due = files::objects::claim(tx, "n", now(), 10); });
  // What a transaction that has just failed still locks is passed over, and claimed the next time.
  while (due.size() < 2) due = house.write([&](db::Tx& tx) { return files::objects::claim(tx, "n", now(), 10); });
  ASSERT_EQ(due.size(), 2u);
  closure_fails("an object is put back", [&](db::Tx& tx) { files::objects::put_back(tx, "n", k1, now(), "away", true); });
  const files::objects::Moved moved{store, "s3", "generated/images/" + k2, "http://there/" + k2, "etag"};
  closure_fails("an object has moved", [&](db::Tx& tx) { EXPECT_TRUE(files::objects::moved(tx, "n", due.at(1), moved, now())); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files WHERE storage_provider = 's3' AND cloud_path = $1", {moved.cloud_path}), 2);
  request_fails("a file is deleted", [&] { return house.send("DELETE", "/api/v1/storage/files/generated/same", ann.token); });
  request_fails("a result is deleted", [&] { return house.send("DELETE", "/api/v1/storage/files/generated/result", ann.token); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files WHERE status = 'deleted'"), 1);
  house.clock.advance(2 * 3'600'000);
  std::optional<Object> gone;
  closure_fails("a claim of one", [&](db::Tx& tx) { gone = files::objects::claim_one(tx, "n", k2, now()); });
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->refs, 0);
  closure_fails("an object is removed", [&](db::Tx& tx) { EXPECT_TRUE(files::objects::removed(tx, "n", k2, now())); });
  closure_fails("an object that somebody wants again", [&](db::Tx& tx) {
    EXPECT_TRUE(files::objects::claim_one(tx, "n", k1, now()));
    EXPECT_FALSE(files::objects::removed(tx, "n", k1, now()));
  });
  closure_fails("stock is taken", [&](db::Tx& tx) { files::take_stock(tx); });
}

FLUX_ON_BOTH_ENGINES(FileStatements);

}  // namespace
}  // namespace fluxgate::closures
