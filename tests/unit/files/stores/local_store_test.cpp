// The local disk as a store.
#include <sys/stat.h>

#include "store_fixture.h"

namespace fluxgate::files {
namespace {

class LocalStoreTest : public StoreTest {
 protected:
  std::unique_ptr<Store> open() {
    auto store = make_store(LocalSettings{folder_.path("store")}, parts(*client_));
    EXPECT_TRUE(store) << code(store);
    return std::move(*store);
  }
  std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(LocalStoreTest, KeepsObjectsAndGivesThemBack) {
  const auto store = open();
  const std::string bytes = noise(700'000);
  ASSERT_TRUE(put(*store, "ab/cd/猫 1.png", bytes));
  EXPECT_EQ(read(store->local_path("ab/cd/猫 1.png")), bytes);
  EXPECT_EQ(get(*store, "ab/cd/猫 1.png").value(), bytes);
  EXPECT_EQ(get(*store, "ab/cd/猫 1.png", Range{300'000, 300'009}).value(), bytes.substr(300'000, 10));
  EXPECT_EQ(get(*store, "ab/cd/猫 1.png", Range{699'999}).value(), bytes.substr(699'999));
  EXPECT_EQ(code(get(*store, "ab/cd/猫 1.png", Range{700'000})), "range_not_satisfiable");
  EXPECT_EQ(wait(store->head("ab/cd/猫 1.png"))->size, bytes.size());
  EXPECT_TRUE(wait(store->remove("ab/cd/猫 1.png")));
  EXPECT_TRUE(wait(store->remove("ab/cd/猫 1.png")));
  EXPECT_EQ(code(get(*store, "ab/cd/猫 1.png")), "object_missing");
  EXPECT_EQ(code(wait(store->head("ab/cd"))), "object_missing") << "a folder is no object";
}

TEST_F(LocalStoreTest, TakesAFileWithoutCopyingIt) {
  const auto store = open();
  const std::string path = folder_.write("staged", noise(1000));
  struct stat before{}, after{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  Put object{.key = "a/b", .source = open_file_source(path).value()};
  object.may_move = true;
  ASSERT_TRUE(wait(store->put(std::move(object))));
  ASSERT_EQ(::stat(store->local_path("a/b").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LocalStoreTest, LeavesAFileThatItMayNotTake) {
  const auto store = open();
  const std::string path = folder_.write("mine", noise(1000));
  ASSERT_TRUE(wait(store->put({.key = "a", .source = open_file_source(path).value()})));
  EXPECT_EQ(read(path), noise(1000));
  EXPECT_EQ(read(store->local_path("a")), noise(1000));
}

TEST_F(LocalStoreTest, PublishesNothingOfASourceThatFails) {
  const auto store = open();
  const std::string path = folder_.write("shrinking", noise(500'000));
  const auto source = open_file_source(path).value();
  std::filesystem::resize_file(path, 300'000);
  EXPECT_EQ(code(wait(store->put({.key = "a", .source = source}))), "storage_failed");
  EXPECT_EQ(code(wait(store->head("a"))), "object_missing");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path("store/tmp")));
}

TEST_F(LocalStoreTest, RefusesKeysThatWouldLeaveItsFolder) {
  const auto store = open();
  for (std::string key : {"", "/etc/passwd", "../a", "a/../b", "a/./b", "a//b", "tmp/x", "thumbs/x"}) {
    EXPECT_EQ(code(put(*store, key, "x")), "object_key_invalid") << key;
    EXPECT_EQ(store->local_path(key), "") << key;
  }
}

TEST_F(LocalStoreTest, ListsInTheOrderOfWholeKeys) {
  const auto store = open();
  std::vector<std::string> keys{"a.b", "a/1", "a/2/x", "a0", "b"};
  for (const auto& key : keys) ASSERT_TRUE(put(*store, key, "x"));
  std::vector<std::string> seen;
  std::string after;
  do {
    const auto page = wait(store->list("", after, 2));
    ASSERT_TRUE(page);
    for (const auto& object : page->objects) seen.push_back(object.key);
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(seen, keys);
  EXPECT_EQ(wait(store->list("a/", "", 10))->objects.size(), 2u);
  EXPECT_EQ(wait(store->list("a/2", "", 10))->objects.size(), 1u);
}

TEST_F(LocalStoreTest, SweepsWhatACrashLeft) {
  const auto store = open();
  folder_.write("store/tmp/rest", "half");
  EXPECT_EQ(wait(store->sweep_uploads("", clock_.now_ms() - 3'600'000)).value(), 0);
  EXPECT_EQ(wait(store->sweep_uploads("", clock_.now_ms() + 10'000)).value(), 1);
}

TEST_F(LocalStoreTest, PassesItsConnectionTestAndSignsNothing) {
  const auto store = open();
  EXPECT_TRUE(wait(store->test()).ok);
  EXPECT_EQ(code(store->presigned_get("a", {})), "store_cannot_sign");
  EXPECT_EQ(code(store->presigned_put("a", "image/png", 1, 1000)), "store_cannot_sign");
  EXPECT_TRUE(wait(store->list("", "", 10))->objects.empty());
}

}  // namespace
}  // namespace fluxgate::files
