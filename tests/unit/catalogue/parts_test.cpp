// The small parts: decimals, products, nearest words, patterns, merge patches.
#include <random>

#include "catalogue/decimal.h"
#include "catalogue/merge.h"
#include "catalogue/nearest.h"
#include "catalogue/pattern.h"
#include "support.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

TEST(Decimal, ReadsNumbersAsTheyAreWritten) {
  const auto is = [](std::string_view text, std::int64_t digits, int scale) {
    auto read = decimal_of(text);
    return read && read->digits == digits && read->scale == scale;
  };
  EXPECT_TRUE(is("0", 0, 0));
  EXPECT_TRUE(is("12", 12, 0));
  EXPECT_TRUE(is("-0.5", -5, 1));
  EXPECT_TRUE(is("1.25e-3", 125, 5));
  EXPECT_TRUE(is("1e3", 1000, 0));
  EXPECT_TRUE(is("9223372036854775807", INT64_MAX, 0));
  for (const char* wrong : {"", "-", ".", ".5", "5.", "1.2.3", "+1", "1e", "1e5000", "x", "1x", " 1", "0x1",
                            "9223372036854775808", "1e-30"})
    EXPECT_FALSE(decimal_of(std::string_view(wrong))) << wrong;
}

TEST(Decimal, OfAJsonNumberIsItsShortestText) {
  for (const char* text : {"0.1", "0.15", "19.95", "1e-7", "0.30000000000000004", "123456.789"}) {
    auto from_json = decimal_of(json::parse(text)), from_text = decimal_of(std::string_view(text));
    ASSERT_TRUE(from_json && from_text) << text;
    EXPECT_TRUE(equal(*from_json, *from_text)) << text;
  }
}

TEST(Decimal, IsAMultipleExactlyWhenWholeStepsMakeIt) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto step = static_cast<std::int64_t>(random() % 1'000 + 1);
    const auto count = static_cast<std::int64_t>(random() % 10'000);
    const int scale = static_cast<int>(random() % 7);
    EXPECT_TRUE(is_multiple({step * count, scale}, {step, scale}));
    if (step > 1) EXPECT_FALSE(is_multiple({step * count + 1, scale}, {step, scale}));
  }
}

TEST(Product, RoundsUpOnceAndStopsAtTheLargestAmount) {
  Product third(10'000);
  third.times(1, 3);
  third.times(3, 1);
  EXPECT_EQ(third.rounded_up(), 10'000);
  Product up(1);
  up.times(1, 1'000'000);
  EXPECT_EQ(up.rounded_up(), 1);
  Product none(5);
  none.times(0, 1);
  EXPECT_EQ(none.rounded_up(), 0);
  Product vast(INT64_MAX);
  for (int i = 0; i < 5; ++i) vast.times(UINT64_MAX, 1);
  EXPECT_EQ(vast.rounded_up(), INT64_MAX);
  Product negative(100);
  negative.times(Decimal{-5, 0});
  EXPECT_EQ(negative.rounded_up(), 0);
}

TEST(Product, DoesNotDependOnTheOrderOfItsFactors) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> factors;
    factors.reserve(5);
    for (int n = 0; n < 5; ++n) factors.emplace_back(random() % 1'000, random() % 999 + 1);
    Product forth(static_cast<std::int64_t>(random() % 100'000)), back = forth;
    for (auto factor = factors.begin(); factor != factors.end(); ++factor)
      forth.times(factor->first, factor->second);
    for (auto factor = factors.rbegin(); factor != factors.rend(); ++factor)
      back.times(factor->first, factor->second);
    EXPECT_EQ(forth.rounded_up(), back.rounded_up());
  }
}

TEST(FractionText, IsADecimalWhereOneIsExact) {
  EXPECT_EQ(fraction_text(4, 1), "4");
  EXPECT_EQ(fraction_text(5, 4), "1.25");
  EXPECT_EQ(fraction_text(1, 1'000'000), "0.000001");
  EXPECT_EQ(fraction_text(20, 28), "5/7");
  EXPECT_EQ(fraction_text(0, 7), "0");
}

TEST(Nearest, ForgivesSlipsAndKnowsPartsOfNames) {
  const std::vector<std::string> names{"prompt", "num_images", "num_inference_steps", "guidance_scale",
                                       "image_size"};
  EXPECT_EQ(nearest("promt", names), "prompt");
  EXPECT_EQ(nearest("rpompt", names), "prompt");
  EXPECT_EQ(nearest("num_image", names), "num_images");
  EXPECT_EQ(nearest("steps", names), "num_inference_steps");
  EXPECT_EQ(nearest("guidance", names), "guidance_scale");
  EXPECT_EQ(nearest("width", names), "");
  EXPECT_EQ(nearest("mage", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(5'000'000, 'a'), names), "");
  EXPECT_EQ(nearest("prompt", {}), "");
}

TEST(Pattern, CostsLittleWhateverTheTextIs) {
  // The recursive executors explode on these: 2^40 ways, a frame per character.
  Pattern nested;
  EXPECT_EQ(nested.compile("^(a+)+$"), "");
  EXPECT_FALSE(nested.matches(std::string(999, 'a') + "!"));
  Pattern any;
  EXPECT_EQ(any.compile("^(.|\\n)*$"), "");
  EXPECT_TRUE(any.matches(std::string(1'000, 'x')));
  EXPECT_FALSE(any.matches(std::string(5'000'000, 'x')));  // longer than a schema with a pattern takes
}

TEST(MergePatch, DoesWhatTheRfcsExamplesSay) {
  // RFC 7396, appendix A.
  for (const auto& [target, patch, result] : std::vector<std::array<const char*, 3>>{
           {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
           {R"({"a":"b"})", R"({"a":null})", R"({})"},
           {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
           {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
           {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
           {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
           {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
           {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
           {R"({"a":"foo"})", R"(null)", R"(null)"},
           {R"({"a":"foo"})", R"("bar")", R"("bar")"},
           {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
           {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
           {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}}) {
    json::value merged = json::parse(target);
    merge_patch(merged, json::parse(patch));
    EXPECT_EQ(merged, json::parse(result)) << target << " + " << patch;
  }
}

TEST(MergePatch, KeepsTheOrderOfMembers) {
  json::value merged = json::parse(R"({"a":1,"b":2,"c":3,"d":4})");
  merge_patch(merged, json::parse(R"({"b":null,"e":5,"a":9})"));
  EXPECT_EQ(json::serialize(merged), R"({"a":9,"c":3,"d":4,"e":5})");
}

// As long as a member that is an object in one is an object in the others, which holds for descriptors.
TEST(MergePatch, JoinedIsOnePatchForTwo) {
  std::mt19937_64 random(3);
  const auto document = [&](auto&& self, int depth) -> json::value {
    json::object object;
    for (const char* name : {"a", "b", "c"})
      if (depth < 3 && random() % 2) object[name] = self(self, depth + 1);
    for (const char* name : {"x", "y", "z"}) {
      const auto kind = random() % 3;
      if (kind == 0) object[name] = static_cast<std::int64_t>(random() % 5);
      if (kind == 1) object[name] = nullptr;
    }
    return object;
  };
  for (int i = 0; i < 2'000; ++i) {
    const json::value first = document(document, 0), second = document(document, 0);
    json::value at_once = json::object(), one_by_one, joined = first;
    merge_patch(at_once, document(document, 0));
    one_by_one = at_once;
    merge_patch(one_by_one, first);
    merge_patch(one_by_one, second);
    join_patches(joined, second);
    merge_patch(at_once, joined);
    EXPECT_EQ(at_once, one_by_one);
  }
}

}  // namespace
}  // namespace fluxgate::catalogue
