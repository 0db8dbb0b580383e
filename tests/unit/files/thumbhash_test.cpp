#include "files/thumbhash.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fluxgate::files {
namespace {

using Pixel = std::array<int, 4>;

std::string hash(int width, int height, const std::function<Pixel(int, int)>& at) {
  std::vector<unsigned char> rgba;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int part : at(x, y)) rgba.push_back(static_cast<unsigned char>(part));
  return thumbhash(width, height, rgba);
}

// The header's fields, read back after the format's description.
struct Header {
  double l, p, q, l_scale;
  bool has_alpha, landscape;
  int shorter;
};
Header header(const std::string& bytes) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(bytes[i]));
  };
  const unsigned head = byte(0) | byte(1) << 8 | byte(2) << 16, tail = byte(3) | byte(4) << 8;
  return {(head & 63) / 63.0,        (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1,
          (head >> 18 & 31) / 31.0,  (head >> 23) != 0,           (tail >> 15) != 0,
          static_cast<int>(tail & 7)};
}
std::array<double, 3> average(const Header& h) {
  const double b = h.l - 2.0 / 3 * h.p, r = (3 * h.l - b + h.q) / 2;
  return {r, r - h.q, b};
}

TEST(ThumbHash, RemembersAPlainColour) {
  for (const Pixel& colour :
       {Pixel{0, 0, 0, 255}, {255, 255, 255, 255}, {200, 40, 90, 255}, {10, 120, 250, 255}}) {
    const Header h = header(hash(10, 10, [&](int, int) { return colour; }));
    const auto rgb = average(h);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(rgb[i], colour[i] / 255.0, 0.06);
    EXPECT_NEAR(h.l_scale, 0, 0.02);
    EXPECT_FALSE(h.has_alpha);
  }
}

TEST(ThumbHash, RemembersTheShape) {
  const auto grey = [](int, int) { return Pixel{128, 128, 128, 255}; };
  EXPECT_TRUE(header(hash(100, 50, grey)).landscape);
  EXPECT_EQ(header(hash(100, 50, grey)).shorter, 4);  // round(7 × 50 / 100)
  EXPECT_FALSE(header(hash(50, 100, grey)).landscape);
  EXPECT_EQ(header(hash(100, 100, grey)).shorter, 7);
  EXPECT_EQ(header(hash(100, 1, grey)).shorter, 1);
}

TEST(ThumbHash, HasTheLengthThatTheNumberOfFrequenciesSays) {
  const auto grey = [](int, int) { return Pixel{128, 128, 128, 255}; };
  // A 7 × 7 triangle has 28 terms, 3 × 3 has 6: 27 + 5 + 5 nibbles behind 5 bytes.
  EXPECT_EQ(hash(20, 20, grey).size(), 5u + 19u);
  // With alpha: 5 × 5 for luminance and alpha, 14 + 5 + 5 + 14 nibbles behind 6 bytes.
  EXPECT_EQ(hash(20, 20, [](int, int) { return Pixel{9, 9, 9, 100}; }).size(), 6u + 19u);
}

TEST(ThumbHash, SeesWhereTheLightIs) {
  // The first luminance term is cos(πx): positive when the left is bright. It comes first after the header.
  const auto first = [](const std::string& bytes) { return static_cast<unsigned char>(bytes[5]) & 15; };
  const auto lit = [](bool left) {
    return [left](int x, int) { return (x < 16) == left ? Pixel{255, 255, 255, 255} : Pixel{0, 0, 0, 255}; };
  };
  EXPECT_EQ(first(hash(32, 32, lit(true))), 15);
  EXPECT_EQ(first(hash(32, 32, lit(false))), 0);
}

TEST(ThumbHash, LooksThroughTransparentPixels) {
  const auto half =
      hash(32, 32, [](int x, int) { return x < 16 ? Pixel{255, 0, 0, 255} : Pixel{0, 0, 255, 0}; });
  const Header h = header(half);
  EXPECT_TRUE(h.has_alpha);
  const auto rgb = average(h);
  EXPECT_NEAR(rgb[0], 1, 0.06);
  EXPECT_NEAR(rgb[2], 0, 0.06);
}

TEST(ThumbHash, TakesTheSmallestAndTheLargestPicture) {
  const auto noise = [](int x, int y) {
    return Pixel{(x * 37 + y * 91) % 256, (x * y) % 256, (x ^ y) & 255, 255};
  };
  EXPECT_EQ(hash(1, 1, noise).size(), 5u + 19u);
  EXPECT_EQ(hash(100, 100, noise).size(), 5u + 19u);
  EXPECT_EQ(hash(1, 1, [](int, int) { return Pixel{0, 0, 0, 0}; }).size(), 6u + 19u);
}

}  // namespace
}  // namespace fluxgate::files
