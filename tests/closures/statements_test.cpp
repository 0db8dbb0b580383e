// Every write closure of the product, failing at each of its statements in turn: nothing of it remains, its caller
// hears of it, and done again it does what it should. Called as the product calls them: by their routes, the
// console, the services; those of the engine as its closures are written.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "app/upkeep.h"
#include "base/ids.h"
#include "db/schema.h"
#include "files/objects.h"
#include "files/rows.h"
#include "files/rules.h"
#include "files/stock.h"
#include "house.h"
#include "notify/alerts.h"
#include "notify/events.h"
#include "tasks/durations.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

class Statements : public testing::TestWithParam<db::Dialect> {
 protected:
  // Fails at the first statement, the second … until it gets through.
  void at_every_statement(const std::string& name, const std::function<bool()>& act) {
    SCOPED_TRACE(name);
    int statement = 1;
    for (;; ++statement) {
      ASSERT_LT(statement, 2'000) << "it never gets through";
      house.database.fail_at(statement);
      const bool done = act();
      const bool failed = house.database.has_failed();
      const std::string left = house.database.left();
      house.database.fail_at(0);
      EXPECT_EQ(left, "") << "left of it, when statement " << statement << " failed";
      EXPECT_NE(done, failed) << "its caller hears the truth, when statement " << statement << " failed";
      if (!failed || left != "") break;
    }
    EXPECT_GT(statement, 1) << "no statement at all";
    EXPECT_EQ(house.audit(), "");
  }

  // A request; done when it succeeds, failed when it is 503.
  void request_fails(const std::string& name, const std::function<Answer()>& send) {
    at_every_statement(name, [&] {
      last = send();
      EXPECT_TRUE(last.status / 100 == 2 || last.status == 503) << last.status << " " << json::serialize(last.body);
      return last.status / 100 == 2;
    });
  }
  template <class F>
  void closure_fails(const std::string& name, F closure) {
    at_every_statement(name, [&] {
      try {
        house.write(closure);
        return true;
      } catch (const db::Failure&) {
        return false;
      }
    });
  }
  // Of a coroutine that throws.
  void work_fails(const std::string& name, const std::function<awaitable<void>()>& work) {
    at_every_statement(name, [&] {
      try {
        house.run(work());
        return true;
      } catch (const db::Failure&) {
        return false;
      }
    });
  }

  std::string made_id() const { return std::string(last.body.at("id").as_string()); }
  json::object picture(std::string prompt) const { return {{"model", kModel}, {"prompt", std::move(prompt)}}; }
  std::string submitted(const Person& person, const std::string& prompt) {
    const auto answer = house.send("POST", "/api/v1/flux/text-to-image", person.token, picture(prompt));
    EXPECT_EQ(answer.status, 200) << json::serialize(answer.body);
    return std::string(answer.body.at("id").as_string());
  }
  Millis now() const { return house.clock.now_ms(); }

  House house{GetParam()};
  Answer last;
};

TEST_P(Statements, OfAccounts) {
  const json::object form{{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}};
  request_fails("first sign-up", [&] { return house.send("POST", "/api/v1/auths/signup", "", form); });
  EXPECT_EQ(last.body.at("role"), "admin");
  const Person ann{made_id(), "ann@example.org", std::string(last.body.at("token").as_string())};
  json::object next = form;
  next["email"] = "bob@example.org";
  request_fails("sign-up", [&] { return house.send("POST", "/api/v1/auths/signup", "", next); });
  Person bob{made_id(), "bob@example.org", std::string(last.body.at("token").as_string())};
  next["email"] = "cem@example.org";
  next["role"] = "user";
  request_fails("an admin adds a user", [&] { return house.send("POST", "/api/v1/auths/add", ann.token, next); });
  const std::string cem = made_id();
  request_fails("profile", [&] {
    return house.send("POST", "/api/v1/auths/update/profile", bob.token, {{"name", "Robert"}, {"profile_image_url", "/user.png"}});
  });
  request_fails("an admin changes a user", [&] {
    return house.send("POST", "/api/v1/users/" + bob.id + "/update", ann.token,
                      {{"name", "Bob"}, {"email", "robert@example.org"}, {"profile_image_url", "/user.png"}, {"role", "user"},
                       {"password", "another horse"}});
  });
  EXPECT_EQ(house.send("GET", "/api/v1/auths", bob.token).status, 401) << "a new password ends tokens";
  last = house.send("POST", "/api/v1/auths/signin", "", {{"email", "robert@example.org"}, {"password", "another horse"}});
  bob.token = last.body.at("token").as_string();
  request_fails("password", [&] {
    return house.send("POST", "/api/v1/auths/update/password", bob.token, {{"password", "another horse"}, {"new_password", kPassword}});
  });
  request_fails("credit set", [&] { return house.send("PUT", "/api/v1/users/" + cem + "/credit", ann.token, {{"credit", 5}}); });
  request_fails("credit added", [&] { return house.send("PUT", "/api/v1/users/" + cem + "/credit", ann.token, {{"amount", 7}}); });
  request_fails("a user is deleted", [&] { return house.send("DELETE", "/api/v1/users/" + cem, ann.token); });
  work_fails("activity", [&]() -> awaitable<void> {
    house.clock.advance(60'000);
    static_cast<void>(co_await house.identity->authenticate(ann.token, "/"));
    co_await house.identity->flush_activity();
  });

  const auto by_console = [&](const std::string& name, const std::function<bool(identity::Console&)>& act) {
    at_every_statement(name, [&] {
      auto console = house.console();
      try {
        return act(console);
      } catch (const db::Failure&) {
        return false;
      }
    });
  };
  by_console("the console adds a user", [](auto& c) { return c.add({"Dan", "dan@example.org", kPassword, ""}, std::nullopt).has_value(); });
  by_console("the console sets a password", [](auto& c) { return c.set_password("dan@example.org", "third horse!").has_value(); });
  by_console("the console sets a role", [](auto& c) { return c.set_role("dan@example.org", identity::Role::admin).has_value(); });
}

TEST_P(Statements, OfKeysAndDocumentsAndSettings) {
  const Person ann = house.sign_up("ann@example.org");
  request_fails("default key", [&] { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); });
  request_fails("default key again", [&] { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); });
  request_fails("default key deleted", [&] { return house.send("DELETE", "/api/v1/auths/api_key", ann.token); });
  request_fails("key", [&] { return house.send("POST", "/api/v1/auths/api_keys", ann.token, {{"name", "laptop"}}); });
  const std::string key = made_id();
  request_fails("key deleted", [&] { return house.send("DELETE", "/api/v1/auths/api_keys/" + key, ann.token); });
  request_fails("settings", [&] { return house.send("POST", "/api/v1/users/user/settings/update", ann.token, {{"ui", {{"dark", true}}}}); });
  request_fails("info", [&] { return house.send("POST", "/api/v1/users/user/info/update", ann.token, {{"city", "Berlin"}}); });

  json::value config = house.send("GET", "/api/v1/auths/admin/config", ann.token).body;
  config.as_object()["JWT_EXPIRES_IN"] = "2w";
  request_fails("admin's settings", [&] { return house.send("POST", "/api/v1/auths/admin/config", ann.token, config); });
  for (const char* path : {"/api/v1/admin/scheduling", "/api/v1/admin/result-cache"})
    for (int time = 0; time < 2; ++time) {  // made, then changed
      const json::value rules = house.send("GET", path, ann.token).body;
      request_fails(path, [&] { return house.send("PUT", path, ann.token, rules); });
    }
}

TEST_P(Statements, OfUpstreamAccountsAndAlerts) {
  const Person ann = house.sign_up("ann@example.org");
  request_fails("the provider's settings", [&] {
    return house.send("POST", "/api/v1/flux/config", ann.token, {{"api_key", "a-key"}, {"timeout", 120}, {"default_model", kModel}});
  });
  request_fails("the same in the other shape", [&] {
    return house.send("POST", "/api/v1/flux/admin/config", ann.token, {{"modelCredits", {{kModel, 7.125}}}});
  });
  const std::string path = "/api/v1/admin/upstream-accounts";
  request_fails("an account", [&] {
    return house.send("POST", path, ann.token, {{"name", "second"}, {"base_url", "https://queue.example"}, {"key", "k"}});
  });
  const std::string id = made_id();
  request_fails("a changed account", [&] { return house.send("PUT", path + "/" + id, ann.token, {{"rev", 1}, {"weight", 5}}); });
  closure_fails("an account that is refused", [&](db::Tx& tx) {
    house.accounts.take_out(tx, id, "no balance", "01a20ae7-f8e7-7352-9159-d79c3a12e5c4", now());
  });
  const auto alerts = house.send("GET", "/api/v1/admin/alerts", ann.token);
  ASSERT_EQ(alerts.body.at("data").as_array().size(), 1u);
  const std::string alert(alerts.body.at("data").at(0).at("id").as_string());
  request_fails("an alert that is resolved", [&] { return house.send("POST", "/api/v1/admin/alerts/" + alert + "/resolve", ann.token); });
  closure_fails("a resting account", [&](db::Tx& tx) {
    notify::raise(tx, "01a20ae7-f8e7-7352-9159-d79c3a12e5c5", "account_resting", id, {"It rests.", "休息中。"}, now());
  });
  closure_fails("a rested account", [&](db::Tx& tx) { notify::resolve(tx, "account_resting", id, now()); });
  request_fails("a removed account", [&] { return house.send("DELETE", path + "/" + id, ann.token); });
}

TEST_P(Statements, OfTasksAndBatches) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string text_to_image = "/api/v1/flux/text-to-image";
  request_fails("submit", [&] { return house.send("POST", text_to_image, ann.token, picture("a")); });
  request_fails("submit with a key", [&] { return house.send("POST", text_to_image, ann.token, picture("b"), "key-1"); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), 2) << "the ones that failed made none";
  const std::string id = made_id();
  request_fails("cancel", [&] { return house.send("DELETE", "/api/v1/flux/task/" + id, ann.token); });

  json::array requests;
  for (int i = 0; i < 3; ++i) requests.push_back(picture(fmt::format("item {}", i)));
  request_fails("batch", [&] { return house.send("POST", "/api/v1/batches", ann.token, {{"requests", requests}}, "key-2"); });
  const std::string batch = made_id();
  request_fails("batch cancelled", [&] { return house.send("DELETE", "/api/v1/batches/" + batch, ann.token); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE batch_id = $1 AND status = 'cancelled'", {batch}), 3);

  closure_fails("a claim", [&](db::Tx& tx) { EXPECT_EQ(tasks::claim(tx, {"flux", "n1", now(), 10, {{"environment", 1, 9}}}).size(), 1u); });
  closure_fails("cancelled at work", [&](db::Tx& tx) {
    const auto task = tasks::store::find(tx, tx.first("SELECT id FROM fg_task WHERE owner = 'n1'", {}, [](const auto& r) { return r.str(0); }).value(), "");
    EXPECT_TRUE(tasks::store::request_cancel(tx, *task, now()));
  });
  closure_fails("a take-over", [&](db::Tx& tx) { EXPECT_EQ(tasks::store::take_over(tx, "n2", now(), 10).size(), 1u); });
  closure_fails("durations", [&](db::Tx& tx) { tasks::add_durations(tx, kModel, "1", {900, 1'000}, now()); });
  closure_fails("durations again", [&](db::Tx& tx) { tasks::add_durations(tx, kModel, "1", {1'100}, now()); });
  closure_fails("a lease", [&](db::Tx& tx) { tasks::store::renew_lease(tx, "n2", 10'000, now()); });
  closure_fails("a lease that ends", [&](db::Tx& tx) { tasks::store::end_lease(tx, "n2"); });
}

TEST_P(Statements, OfEveryTransition) {
  using tasks::TaskState;
  const Person ann = house.sign_up("ann@example.org");
  for (const auto& [from, to] : tasks::kTaskMoves) {
    submitted(ann, fmt::format("{} {}", name(from), name(to)));
    const auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "n", now(), 1, {{"environment", 1, 99}}}); });
    const auto before = house.brought_to(claimed.at(0), from);
    auto move = house.move_to(to);
    if (to == TaskState::succeeded) move.captured = before.quote;
    closure_fails(fmt::format("{} to {}", name(from), name(to)),
                  [&, target = to, attempt = new_id()](db::Tx& tx) {
                    tasks::Task after = before;
                    EXPECT_TRUE(tasks::store::move(tx, after, move));
                    tasks::store::insert_attempt(tx, {.id = attempt, .task_id = after.id, .account_id = "a"});
                    tasks::store::accept_attempt(tx, attempt, {{"id", 1}}, now());
                    tasks::store::finish_attempt(tx, attempt, "done", now());
                    if (target == TaskState::succeeded) house.deliver(tx, after);
                  });
    if (to == TaskState::queued) house.send("DELETE", "/api/v1/flux/task/" + before.id, ann.token);
  }
  submitted(ann, "given back");
  const auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "n", now(), 1, {{"environment", 1, 99}}}); });
  closure_fails("given back", [&](db::Tx& tx) { EXPECT_TRUE(tasks::give_back(tx, claimed.at(0), now(), now())); });
}

TEST_P(Statements, OfFilesAndOfTidying) {
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

TEST_P(Statements, OfUploads) {
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
  work_fails("pasted", [&]() -> awaitable<void> {
    auto kept = co_await house.uploads->import_bytes(ann.id, files::Purpose::audio_upload, "pasted", sound);
    EXPECT_TRUE(kept);
  });
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

TEST_P(Statements, OfDirectUploads) {
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

TEST_P(Statements, OfStoredFiles) {
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

INSTANTIATE_TEST_SUITE_P(Engines, Statements, testing::Values(db::Dialect::sqlite, db::Dialect::postgresql),
                         [](const auto& engine) { return engine.param == db::Dialect::sqlite ? "sqlite" : "postgresql"; });

}  // namespace
}  // namespace fluxgate::closures
