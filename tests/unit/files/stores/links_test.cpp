// Links for many are the same for half of their life: browsers know what they have by its link.
#include "store_fixture.h"

namespace fluxgate::files {
namespace {

constexpr Millis kLife = 600'000, kStep = kLife / 2;
constexpr Millis kStart = 6'000'000 * kStep;

class LinksTest : public StoreTest {
 protected:
  // One of each kind, under the same credentials.
  std::vector<std::unique_ptr<Store>> both(Millis credentials_end = 0) {
    CosSettings cos{.bucket = "studio-1250000000", .region = "ap-guangzhou"};
    S3Settings s3{.endpoint = "https://s3.example.com"};
    s3.bucket = "studio";
    cos.credentials = s3.credentials = {"id", "secret", "", credentials_end};
    std::vector<std::unique_ptr<Store>> stores;
    for (StoreSettings settings : {StoreSettings(cos), StoreSettings(s3)}) {
      auto made = make_store(std::move(settings), parts(*client_));
      EXPECT_TRUE(made) << code(made);
      stores.push_back(std::move(*made));
    }
    return stores;
  }
  SignedRequest link(const Store& store, Millis now, Millis life = kLife) {
    clock_.pin(now);
    return *store.presigned_get("a.png", {.lifetime_ms = life, .content_type = "image/png"});
  }
};

TEST_F(LinksTest, StayTheSameFromOneLineOfTheGridToTheNext) {
  for (const auto& store : both()) {
    const auto first = link(*store, kStart), last = link(*store, kStart + kStep - 1);
    EXPECT_EQ(first.url, last.url) << store->kind();
    EXPECT_NE(link(*store, kStart - 1).url, first.url);
    EXPECT_NE(link(*store, kStart + kStep).url, first.url);
    EXPECT_EQ(first.expires_at, kStart + kLife);
    EXPECT_EQ(last.expires_at - (kStart + kStep - 1), kStep + 1) << "half of its life is left at least";
  }
}

TEST_F(LinksTest, HaveAGridForTheShortestAndTheLongestLife) {
  constexpr Millis kWeek = 7ll * 24 * 3600 * 1000;
  for (const auto& store : both())
    for (const Millis life : {Millis{1'000}, kWeek}) {
      const Millis step = std::max<Millis>(life / 2, 1'000), start = kStart / step * step;
      EXPECT_EQ(link(*store, start, life).url, link(*store, start + step - 1, life).url);
      EXPECT_NE(link(*store, start, life).url, link(*store, start + step, life).url);
      EXPECT_EQ(link(*store, start + step - 1, life).expires_at, start + life);
    }
}

TEST_F(LinksTest, EndWithTheirCredentialsAndNotBefore) {
  const Millis end = kStart + kStep + 100'000;
  for (const auto& store : both(end)) {
    EXPECT_EQ(link(*store, kStart).expires_at, end);
    EXPECT_EQ(link(*store, end - 1).expires_at, end);
    clock_.pin(end);
    EXPECT_EQ(code(store->presigned_get("a.png", {.lifetime_ms = kLife})), "store_token_expired");
  }
}

TEST_F(LinksTest, ForUploadsAreForOneAndBeginNow) {
  for (const auto& store : both()) {
    clock_.pin(kStart + 1'000);
    const auto first = *store->presigned_put("a.png", "image/png", 5, kLife);
    clock_.pin(kStart + 2'000);
    EXPECT_NE(store->presigned_put("a.png", "image/png", 5, kLife)->url, first.url);
    EXPECT_EQ(first.expires_at, kStart + 1'000 + kLife);
  }
}

}  // namespace
}  // namespace fluxgate::files
