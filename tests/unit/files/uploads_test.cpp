// Uploads in pieces and by link, on a real disk and a database in memory.
#include "files/uploads.h"

#include "../../support/memory_store.h"
#include "../net/test_server.h"
#include "base/crypto.h"
#include "db/schema.h"
#include "files/rules.h"
#include "files_fixture.h"

namespace fluxgate::files {
namespace {

class HandClock final : public Clock {
 public:
  Millis now_ms() const override { return now; }
  Millis now = 1'790'000'000'000;
};

class UploadsTest : public FilesTest {
 protected:
  UploadsTest() {
    database_->write_now([](db::Tx& tx) { db::create_missing(tx, 0); });
    start();
  }
  ~UploadsTest() override { uploads_.reset(); }
  // A process that begins, perhaps where another one was killed.
  void start() {
    uploads_.reset();
    client_ = net::make_http_client(io_, {.allow_private_for_tests = true});
    uploads_ = std::make_unique<Uploads>(options_of_uploads_, *files_, *database_, clock_, *client_, io_.get_executor());
  }
  Upload created(std::uint64_t length, Purpose purpose = Purpose::media_upload, const std::string& name = "photo.png") {
    auto upload = wait(uploads_->create("ann", purpose, name, length));
    if (!upload) throw std::runtime_error(upload.error().code());
    return *upload;
  }
  Result<Upload> add(const Upload& upload, std::uint64_t offset, std::string_view bytes, bool complete = true) {
    auto adding = wait(uploads_->add(upload.id, upload.user_id, offset));
    if (!adding) return std::unexpected(adding.error());
    static_cast<void>((*adding)->write(bytes));
    return wait((*adding)->finish(complete));
  }
  void forget_expired() {
    wait([](Uploads& uploads) -> awaitable<int> {
      co_await uploads.forget_expired();
      co_return 0;
    }(*uploads_));
  }
  std::string code_of(const Result<Upload>& result) { return result ? "taken" : result.error().code(); }
  Result<Upload> found(const Upload& upload, const std::string& user = "ann") { return wait(uploads_->find(upload.id, user)); }
  std::string path_of(const Upload& upload) { return directory_ / "uploads" / upload.id; }
  std::optional<FileRow> row_of(const std::string& id) {
    return database_->read_now([&](db::Tx& tx) { return files_->find(tx, id, "ann"); });
  }

  HandClock clock_;
  std::unique_ptr<db::Database> database_ = db::open(":memory:");
  UploadOptions options_of_uploads_{.directory = (directory_ / "uploads").string()};
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<Uploads> uploads_;
  const std::string picture_ = draw({.width = 300, .height = 200});
};

TEST_F(UploadsTest, GrowInPiecesAndBecomeAFileOfTheSameId) {
  const Upload upload = created(picture_.size(), Purpose::upload, "../../My photo.exe");
  std::uint64_t offset = 0;
  while (offset < picture_.size()) {
    const auto grown = add(upload, offset, std::string_view(picture_).substr(offset, 100));
    ASSERT_TRUE(grown) << grown.error().code();
    offset = grown->offset;
    EXPECT_EQ(grown->file.has_value(), offset == picture_.size());
  }
  const auto row = row_of(upload.id);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->filename, "My photo.png");
  EXPECT_EQ(look(content(row->key)).width, 300);
  EXPECT_FALSE(std::filesystem::exists(path_of(upload))) << "its bytes are the file's now";
  const auto later = found(upload);
  ASSERT_TRUE(later && later->file);
  EXPECT_EQ(later->offset, picture_.size());
  EXPECT_EQ(later->file->row.id, upload.id);
}

TEST_F(UploadsTest, GoOnWhereTheyWereAfterTheProcessWasKilled) {
  const Upload upload = created(picture_.size());
  ASSERT_TRUE(add(upload, 0, picture_.substr(0, 300), false)) << "the connection broke; what came is kept";
  start();
  const auto after = found(upload);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->offset, 300u);
  EXPECT_EQ(code_of(add(upload, 0, picture_)), "offset_mismatch");
  EXPECT_EQ(code_of(add(upload, 301, picture_.substr(301))), "offset_mismatch");
  const auto whole = add(upload, 300, picture_.substr(300));
  ASSERT_TRUE(whole && whole->file);
}

TEST_F(UploadsTest, WholeOnesBecomeAFileWhenACrashHadKeptThemFromIt) {
  const Upload upload = created(picture_.size());
  std::ofstream(path_of(upload), std::ios::binary) << picture_;  // all bytes came, then the power went
  start();
  const auto after = found(upload);
  ASSERT_TRUE(after && after->file);
  EXPECT_EQ(after->file->stored.width, 300);
  EXPECT_TRUE(row_of(upload.id));
}

TEST_F(UploadsTest, AreWrittenByOneRequestAtATime) {
  const Upload upload = created(picture_.size());
  auto first = wait(uploads_->add(upload.id, "ann", 0));
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of(add(upload, 0, picture_)), "upload_locked");
  first->reset();
  EXPECT_EQ(code_of(add(upload, 0, picture_)), "taken");
}

TEST_F(UploadsTest, OfPartsBecomeOneFileInTheirOrder) {
  const std::string head = picture_.substr(0, 300), tail = picture_.substr(300);
  const auto part = [&](const std::string& bytes) {
    const Upload upload = *wait(uploads_->create("ann", Purpose::media_upload, "", bytes.size(), "partial"));
    EXPECT_EQ(add(upload, 0, bytes)->offset, bytes.size());
    EXPECT_FALSE(found(upload)->file) << "a part is no file, and what begins it is not judged";
    return upload;
  };
  const auto join = [&](std::vector<std::string> ids, const std::string& user = "ann") {
    return wait(uploads_->concatenate(user, Purpose::upload, "whole.png", std::move(ids), "final;…"));
  };
  const Upload second = part(tail), first = part(head);
  EXPECT_EQ(code_of(join({first.id, second.id}, "bob")), "upload_not_found");
  const Upload begun = *wait(uploads_->create("ann", Purpose::media_upload, "", 2, "partial"));
  ASSERT_TRUE(add(begun, 0, "x", false));
  EXPECT_EQ(code_of(join({first.id, second.id, begun.id})), "part_unfinished");
  {
    const auto locked = wait(uploads_->add(second.id, "ann", second.length));
    ASSERT_TRUE(locked);
    EXPECT_EQ(code_of(join({first.id, second.id})), "part_unfinished");
  }
  const auto whole = join({first.id, second.id});
  ASSERT_TRUE(whole && whole->file) << code_of(whole);
  EXPECT_EQ(whole->length, picture_.size());
  EXPECT_EQ(look(content(row_of(whole->id)->key)).width, 300);
  EXPECT_EQ(found(*whole)->concat, "final;…");
  EXPECT_EQ(code_of(add(*whole, whole->length, "x")), "upload_final");
  for (const Upload& gone : {first, second}) {
    EXPECT_EQ(code_of(found(gone)), "upload_not_found");
    EXPECT_FALSE(std::filesystem::exists(path_of(gone)));
  }
}

TEST_F(UploadsTest, OfPartsAreJudgedAsAllOthers) {
  const std::string half = picture_.substr(0, picture_.size() / 2);
  const Upload part = *wait(uploads_->create("ann", Purpose::media_upload, "", half.size(), "partial"));
  ASSERT_TRUE(add(part, 0, half));
  EXPECT_EQ(code_of(wait(uploads_->concatenate("ann", Purpose::upload, "", {part.id}, "final;…"))), "broken_image");
  EXPECT_EQ(code_of(found(part)), "upload_not_found") << "what can never become a file is given up";
  EXPECT_FALSE(std::filesystem::exists(path_of(part)));
  // Each may have the largest size there is; together they have their kind's.
  const Upload large = *wait(uploads_->create("ann", Purpose::media_upload, "", options_.upload_limit + 1, "partial"));
  std::filesystem::resize_file(path_of(large), large.length);
  EXPECT_EQ(code_of(wait(uploads_->concatenate("ann", Purpose::upload, "", {large.id}, "final;…"))), "file_too_large");
  EXPECT_TRUE(found(large)) << "it may be a film's";
}

TEST_F(UploadsTest, TakeNoByteBeyondTheirLength) {
  const Upload upload = created(picture_.size() - 1);
  auto adding = wait(uploads_->add(upload.id, "ann", 0));
  EXPECT_EQ((*adding)->room(), picture_.size() - 1);
  EXPECT_EQ((*adding)->write(picture_).error().errc(), Errc::payload_too_large);
}

TEST_F(UploadsTest, DropAPieceWhoseChecksumIsWrongOrWhoseEndNeverCame) {
  const Upload upload = created(picture_.size());
  const auto piece = [&](std::string_view algorithm, const std::string& digest, bool complete) {
    auto adding = wait(uploads_->add(upload.id, "ann", 0));
    const auto expected = (*adding)->expect(algorithm, digest);
    if (!expected) return expected.error().code();
    EXPECT_TRUE((*adding)->write(picture_));
    return code_of(wait((*adding)->finish(complete)));
  };
  const std::string good = *crypto::unhex(crypto::sha256_hex(picture_));
  EXPECT_EQ(piece("crc32", "abcd", true), "checksum_algorithm");
  EXPECT_EQ(piece("sha256", std::string(32, 'x'), true), "checksum_mismatch");
  EXPECT_EQ(piece("sha256", good, false), "checksum_mismatch");
  EXPECT_EQ(found(upload)->offset, 0u) << "as if they had never come";
  EXPECT_EQ(piece("sha256", good, true), "taken");
  EXPECT_TRUE(found(upload)->file);
}

// One that takes a few turns, and knows how many others are at it.
class SlowIncoming final : public Incoming {
 public:
  SlowIncoming(int turns, int& under_way, int& most) : turns_(turns), under_way_(under_way), most_(most) {}
  Result<void> write(std::string_view) override { return {}; }
  awaitable<Result<Stored>> finish() override {
    most_ = std::max(most_, ++under_way_);
    for (int i = 0; i < turns_; ++i) co_await boost::asio::post(co_await boost::asio::this_coro::executor, use_awaitable);
    --under_way_;
    if (turns_ % 2 == 0) co_return fail(Errc::invalid, fmt::format("refused_{}", turns_), {});
    co_return Stored{.key = std::to_string(turns_)};
  }

 private:
  const int turns_;
  int& under_way_;
  int& most_;
};

TEST_F(UploadsTest, OfOneFormAreFinishedSideBySideAndToldInTheirOrder) {
  int under_way = 0, most = 0;
  std::vector<std::unique_ptr<Incoming>> all;
  for (int turns : {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}) all.push_back(std::make_unique<SlowIncoming>(turns, under_way, most));
  const auto finished = wait(Uploads::finish_all(std::move(all)));
  EXPECT_EQ(most, 10);
  ASSERT_EQ(finished.size(), 10u);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(finished[i] ? finished[i]->key : finished[i].error().code(), i % 2 == 0 ? fmt::format("refused_{}", 10 - i) : std::to_string(10 - i));
}

// Their bytes are on the disk already when it turns out that they may not stay.
TEST_F(UploadsTest, ThatAreRefusedInTheEndAreLeftToBeRemoved) {
  database_->write_now([](db::Tx& tx) { EXPECT_TRUE(save_rules(tx, {.user_bytes = 1}, 0)); });
  const auto unwanted = [&] { return database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_file_object WHERE refs = 0 AND next_at IS NOT NULL"); }); };
  const auto kept = wait(uploads_->import_bytes("ann", Purpose::upload, "a.png", picture_));
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code(), "storage_quota");
  EXPECT_EQ(unwanted(), 1);
  // The same bytes, kept after all.
  database_->write_now([](db::Tx& tx) { EXPECT_TRUE(save_rules(tx, {.rev = 1}, 0)); });
  EXPECT_TRUE(wait(uploads_->import_bytes("ann", Purpose::upload, "a.png", picture_)));
  EXPECT_EQ(unwanted(), 0);
  // And refused to another: whoever has them keeps them.
  wait([](Uploads& uploads, Stored stored) -> awaitable<int> {
    co_await uploads.abandon({stored});
    co_return 0;
  }(*uploads_, *put(Purpose::upload, picture_)));
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT refs FROM fg_file_object"); }), 1);
  EXPECT_EQ(unwanted(), 0);
}

TEST(Digests, AreThePublishedOnes) {
  const auto hex = [](std::string_view algorithm) {
    auto digest = Digest::of(algorithm);
    digest->update("a");
    digest->update("bc");
    const std::string raw = digest->finish();
    return crypto::hex({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()});
  };
  EXPECT_EQ(hex("sha1"), "a9993e364706816aba3e25717850c26c9cd0d89d");  // FIPS 180-2, A.1
  EXPECT_EQ(hex("md5"), "900150983cd24fb0d6963f7d28e17f72");           // RFC 1321, A.5
  EXPECT_EQ(hex("sha256"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_FALSE(Digest::of("SHA1"));
}

TEST_F(UploadsTest, AreRefusedByTheirFirstBytesAndForgotten) {
  const Upload page = created(5'000'000);
  EXPECT_EQ(code_of(add(page, 0, "<html>" + std::string(300, 'x'))), "unsupported_media");
  EXPECT_EQ(code_of(found(page)), "upload_not_found");
  EXPECT_FALSE(std::filesystem::exists(path_of(page)));
  const Upload huge = created(90'000'000);  // as a video it could be
  EXPECT_EQ(code_of(add(huge, 0, picture_.substr(0, 300))), "file_too_large");
  const Upload cut = created(picture_.size() / 2);
  EXPECT_EQ(code_of(add(cut, 0, picture_.substr(0, picture_.size() / 2))), "broken_image");
  EXPECT_EQ(code_of(found(cut)), "upload_not_found");
}

TEST_F(UploadsTest, HaveALimitByTheirKind) {
  const auto code = [&](Purpose purpose, std::uint64_t length) {
    return code_of(wait(uploads_->create("ann", purpose, "", length)));
  };
  EXPECT_EQ(code(Purpose::upload, options_.upload_limit), "taken");
  EXPECT_EQ(code(Purpose::upload, options_.upload_limit + 1), "file_too_large");
  EXPECT_EQ(code(Purpose::audio_upload, options_.audio_limit), "taken");
  EXPECT_EQ(code(Purpose::audio_upload, options_.audio_limit + 1), "file_too_large");
  EXPECT_EQ(code(Purpose::media_upload, options_.video_limit), "taken");
  EXPECT_EQ(code(Purpose::media_upload, options_.video_limit + 1), "file_too_large");
  EXPECT_EQ(code(Purpose::upload, 0), "empty_file");
}

TEST_F(UploadsTest, AreSoManyPerUser) {
  options_of_uploads_.open_per_user = 2;
  start();
  const Upload first = created(100);
  created(100);
  EXPECT_EQ(code_of(wait(uploads_->create("ann", Purpose::upload, "", 100))), "too_many_uploads");
  EXPECT_TRUE(wait(uploads_->create("bob", Purpose::upload, "", 100)));
  EXPECT_TRUE(wait(uploads_->remove(first.id, "ann")));
  EXPECT_TRUE(wait(uploads_->create("ann", Purpose::upload, "", 100)));
}

TEST_F(UploadsTest, AreTheirUsersAlone) {
  const Upload upload = created(100);
  EXPECT_EQ(code_of(found(upload, "bob")), "upload_not_found");
  EXPECT_EQ(wait(uploads_->add(upload.id, "bob", 0)).error().code(), "upload_not_found");
  EXPECT_FALSE(wait(uploads_->remove(upload.id, "bob")));
  EXPECT_TRUE(wait(uploads_->remove(upload.id, "ann")));
  EXPECT_EQ(code_of(found(upload)), "upload_not_found");
  EXPECT_FALSE(std::filesystem::exists(path_of(upload)));
  EXPECT_EQ(wait(uploads_->find("../../etc/passwd", "ann")).error().code(), "upload_not_found");
}

TEST_F(UploadsTest, EndWithTheirTimeButTheirFilesStay) {
  const Upload open = created(100), whole = created(picture_.size());
  ASSERT_TRUE(add(whole, 0, picture_));
  clock_.now = open.expires_at - 1;
  forget_expired();
  EXPECT_TRUE(found(open));
  clock_.now = open.expires_at;
  EXPECT_EQ(code_of(found(open)), "upload_not_found");
  EXPECT_TRUE(std::filesystem::exists(path_of(open)));
  forget_expired();
  EXPECT_FALSE(std::filesystem::exists(path_of(open)));
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_upload"); }), 0);
  EXPECT_TRUE(row_of(whole.id));
}

// ---- by link ----

TEST_F(UploadsTest, ComeFromALinkByTheSameRules) {
  net::TestServer server(io_, [this](net::TestServer::Peer& peer) -> awaitable<void> {
    const std::string request = co_await peer.request();
    if (request.starts_with("GET /moved")) co_await peer.answer(302, "Location: /cat.png?size=big\r\n", "");
    else if (request.starts_with("GET /cat.png")) co_await peer.answer(200, "Content-Type: text/html\r\n", picture_);
    else if (request.starts_with("GET /page")) co_await peer.answer(200, "Content-Type: image/png\r\n", "<html>" + std::string(300, ' '));
    else if (request.starts_with("GET /inside")) co_await peer.answer(302, "Location: file:///etc/passwd\r\n", "");
    else co_await peer.answer(404, "", "");
  });
  const auto taken = wait(uploads_->import_url("ann", Purpose::upload, server.url("/cat.png?size=big")));
  ASSERT_TRUE(taken) << taken.error().code();
  EXPECT_EQ(taken->row.filename, "cat.png");
  EXPECT_TRUE(row_of(taken->row.id));
  EXPECT_TRUE(wait(uploads_->import_url("ann", Purpose::upload, server.url("/moved"))));
  const auto type = [&](std::string_view path) {
    const auto refused = wait(uploads_->import_url("ann", Purpose::upload, server.url(path)));
    if (refused) return std::string("taken");
    return refused.error().fields().empty() ? refused.error().code() : refused.error().fields()[0].type;
  };
  EXPECT_EQ(type("/page"), "unsupported_image");
  EXPECT_EQ(type("/none"), "url_status");
  EXPECT_EQ(type("/inside"), "url_unreachable");
}

TEST_F(UploadsTest, ComeFromNoPrivateAddress) {
  client_ = net::make_http_client(io_, {});
  uploads_ = std::make_unique<Uploads>(options_of_uploads_, *files_, *database_, clock_, *client_, io_.get_executor());
  const auto refused = wait(uploads_->import_url("ann", Purpose::upload, "http://localhost:8080/x.png"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fields()[0].type, "url_address");
}

TEST_F(UploadsTest, ComeInsideARequest) {
  const auto taken = wait(uploads_->import_bytes("ann", Purpose::media_upload, "pasted", fixture("sound.mp3")));
  ASSERT_TRUE(taken) << taken.error().code();
  EXPECT_EQ(taken->row.filename, "pasted.mp3");
  EXPECT_EQ(wait(uploads_->import_bytes("ann", Purpose::upload, "pasted", fixture("sound.mp3"))).error().code(), "unsupported_image");
}

// ---- by way of the store ----

class DirectUploads : public UploadsTest {
 protected:
  DirectUploads() {
    options_of_uploads_.direct_store = [this]() -> Result<DirectStore> { return DirectStore{current_, base_path_, current_ == store_ ? "one" : "two"}; };
    options_of_uploads_.store_named = [this](const std::string& id) -> Result<std::shared_ptr<Store>> {
      if (id == "one" && one_is_known_) return store_;
      if (id == "two") return other_;
      return fail(Errc::not_found, "store_unknown", {"Unknown.", "未知。"});
    };
    start();
  }
  DirectUpload begun(std::uint64_t length) {
    auto direct = wait(uploads_->begin_direct("ann", Purpose::upload, "photo.png", length, "image/png"));
    if (!direct) throw std::runtime_error(direct.error().code());
    return *direct;
  }
  std::string complete(const DirectUpload& direct, const std::string& sha256 = "") {
    const auto kept = wait(uploads_->complete_direct(direct.upload.id, "ann", sha256));
    return kept ? "taken" : kept.error().code();
  }
  std::shared_ptr<test::MemoryStore> store_ = std::make_shared<test::MemoryStore>(), other_ = std::make_shared<test::MemoryStore>();
  std::shared_ptr<test::MemoryStore> current_ = store_;
  std::string base_path_ = "generated/";
  bool one_is_known_ = true;
};

TEST_F(UploadsTest, GoStraightToNoLocalDisk) {
  EXPECT_EQ(wait(uploads_->begin_direct("ann", Purpose::upload, "", 100, "image/png")).error().code(), "direct_upload_unsupported");
}

TEST_F(DirectUploads, BecomeAFileOnceTheirBytesAreThere) {
  const DirectUpload direct = begun(picture_.size());
  EXPECT_EQ(direct.request.url, "generated/incoming/" + direct.upload.id);
  EXPECT_EQ(direct.request.headers[1].second, std::to_string(picture_.size()));
  EXPECT_EQ(complete(direct), "upload_incomplete");
  const auto seen = wait(uploads_->find(direct.upload.id, "ann"));
  EXPECT_TRUE(seen && seen->direct && !seen->file);
  EXPECT_EQ(code_of(add(direct.upload, 0, picture_)), "upload_not_found") << "its bytes do not come here";
  store_->put_by_client(direct.request, picture_);
  EXPECT_EQ(complete(direct, crypto::sha256_hex(picture_)), "taken");
  EXPECT_EQ(complete(direct), "taken") << "told again to who asks again";
  EXPECT_EQ(row_of(direct.upload.id)->filename, "photo.png");
  EXPECT_TRUE(store_->is_empty());
  EXPECT_EQ(wait(uploads_->complete_direct(direct.upload.id, "bob", "")).error().code(), "upload_not_found");
  const Upload other = created(picture_.size());
  EXPECT_EQ(wait(uploads_->complete_direct(other.id, "ann", "")).error().code(), "upload_not_found") << "its bytes come here";
}

TEST_F(DirectUploads, OfAnotherLengthOrHashAreRemovedAndMayComeAgain) {
  const DirectUpload direct = begun(picture_.size());
  for (const std::string& wrong : {picture_ + "x", picture_.substr(1)}) {
    store_->put_by_client(direct.request, wrong);
    EXPECT_EQ(complete(direct), "wrong_length");
    EXPECT_TRUE(store_->is_empty());
  }
  store_->put_by_client(direct.request, picture_);
  EXPECT_EQ(complete(direct, std::string(64, '0')), "wrong_sha256");
  EXPECT_TRUE(store_->is_empty());
  store_->put_by_client(direct.request, picture_);
  EXPECT_EQ(complete(direct, crypto::sha256_hex(picture_)), "taken");
}

TEST_F(DirectUploads, AreJudgedAsEveryUpload) {
  const DirectUpload direct = begun(500);
  store_->put_by_client(direct.request, "<html>" + std::string(494, ' '));
  EXPECT_EQ(complete(direct), "unsupported_image");
  EXPECT_TRUE(store_->is_empty());
  EXPECT_EQ(complete(direct), "upload_not_found");
  const auto begin = [&](std::uint64_t length) { return wait(uploads_->begin_direct("ann", Purpose::upload, "", length, "image/png")); };
  EXPECT_TRUE(begin(options_.upload_limit));
  EXPECT_EQ(begin(options_.upload_limit + 1).error().code(), "file_too_large");
}

TEST_F(DirectUploads, AreToldBeforehandThatThereIsNoRoom) {
  Rules rules;
  rules.user_bytes = 1'000;
  database_->write_now([&](db::Tx& tx) { save_rules(tx, rules, clock_.now); });
  const auto begin = [&](std::uint64_t length) { return wait(uploads_->begin_direct("ann", Purpose::upload, "", length, "image/png")); };
  EXPECT_TRUE(begin(1'000));
  EXPECT_EQ(begin(1'001).error().code(), "storage_quota");
  EXPECT_EQ(wait(uploads_->create("ann", Purpose::upload, "", 1'001)).error().code(), "storage_quota");
}

TEST_F(DirectUploads, ThatNoLongerFitWaitForRoom) {
  const DirectUpload direct = begun(picture_.size());
  store_->put_by_client(direct.request, picture_);
  Rules rules;
  rules.user_bytes = 10;
  database_->write_now([&](db::Tx& tx) { save_rules(tx, rules, clock_.now); });
  EXPECT_EQ(complete(direct), "storage_quota");
  EXPECT_FALSE(store_->is_empty());
  rules = database_->read_now([](db::Tx& tx) { return load_rules(tx); });
  rules.user_bytes = 0;
  database_->write_now([&](db::Tx& tx) { EXPECT_TRUE(save_rules(tx, rules, clock_.now)); });
  EXPECT_EQ(complete(direct), "taken");
}

TEST_F(DirectUploads, StayWhereTheyBeganWhateverIsSetMeanwhile) {
  const DirectUpload first = begun(picture_.size()), second = begun(picture_.size()), third = begun(picture_.size());
  for (const DirectUpload* upload : {&first, &second, &third}) store_->put_by_client(upload->request, picture_);
  base_path_ = "elsewhere/";
  EXPECT_EQ(complete(first), "taken");
  EXPECT_EQ(store_->size(), 2u);
  current_ = other_;
  EXPECT_EQ(complete(second), "taken");
  EXPECT_TRUE(wait(uploads_->remove(third.upload.id, "ann")));
  EXPECT_TRUE(store_->is_empty());
  const DirectUpload there = begun(picture_.size());
  EXPECT_EQ(there.request.url, "elsewhere/incoming/" + there.upload.id);
  other_->put_by_client(there.request, picture_);
  store_->put_by_client(first.request, picture_);  // once more, by the link that still holds
  clock_.now = there.upload.expires_at + 1'000;
  store_->away = true;
  forget_expired();
  EXPECT_TRUE(other_->is_empty()) << "one store that is away keeps nothing in the other";
  EXPECT_EQ(store_->size(), 1u);
  store_->away = false;
  forget_expired();
  EXPECT_TRUE(store_->is_empty());
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_upload"); }), 0);
}

TEST_F(DirectUploads, OfAStoreThatIsNotKnownAnyMoreAreOver) {
  const DirectUpload direct = begun(picture_.size());
  one_is_known_ = false;
  EXPECT_EQ(complete(direct), "upload_not_found");
  clock_.now = direct.upload.expires_at + 1'000;
  forget_expired();
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_upload"); }), 0);
}

TEST_F(DirectUploads, CanBeGivenUp) {
  const DirectUpload direct = begun(picture_.size());
  store_->put_by_client(direct.request, picture_);
  EXPECT_EQ(wait(uploads_->remove(direct.upload.id, "bob")).error().code(), "upload_not_found");
  EXPECT_TRUE(wait(uploads_->remove(direct.upload.id, "ann")));
  EXPECT_TRUE(store_->is_empty());
  EXPECT_EQ(complete(direct), "upload_not_found");
  EXPECT_EQ(wait(uploads_->remove(direct.upload.id, "ann")).error().code(), "upload_not_found");
}

// Whatever the client did with its link after the upload had ended.
TEST_F(DirectUploads, LeaveNothingInTheStoreWhenTheirTimeIsOver) {
  const DirectUpload never = begun(picture_.size()), done = begun(picture_.size()), refused = begun(500), given_up = begun(500);
  store_->put_by_client(done.request, picture_);
  EXPECT_EQ(complete(done), "taken");
  store_->put_by_client(refused.request, std::string(500, 'x'));
  EXPECT_EQ(complete(refused), "unsupported_image");
  EXPECT_TRUE(wait(uploads_->remove(given_up.upload.id, "ann")));
  for (const DirectUpload* upload : {&never, &done, &refused, &given_up}) store_->put_by_client(upload->request, picture_);
  clock_.now = never.upload.expires_at + 1'000;
  store_->away = true;
  forget_expired();
  EXPECT_EQ(store_->size(), 4u) << "the store is away: later";
  store_->away = false;
  forget_expired();
  EXPECT_TRUE(store_->is_empty());
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_upload"); }), 0);
  EXPECT_TRUE(row_of(done.upload.id)) << "the file stays";
}

}  // namespace
}  // namespace fluxgate::files
