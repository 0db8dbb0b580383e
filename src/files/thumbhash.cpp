#include "files/thumbhash.h"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <ranges>
#include <vector>

#include "base/result.h"

namespace fluxgate::files {
namespace {

struct Channel {
  double dc = 0;
  double scale = 0;        // the largest absolute AC coefficient
  std::vector<double> ac;  // mapped to 0…1 by the scale
};

// The triangle of low frequencies cx/nx + cy/ny < 1 of a two-dimensional cosine transform.
Channel transform(const std::vector<double>& values, int width, int height, int nx, int ny) {
  Channel channel;
  std::vector<double> across(static_cast<std::size_t>(width));
  for (int cy = 0; cy < ny; ++cy) {
    for (int cx = 0; cx * ny < nx * (ny - cy); ++cx) {
      for (int x = 0; x < width; ++x)
        across[static_cast<std::size_t>(x)] = std::cos(std::numbers::pi / width * cx * (x + 0.5));
      double sum = 0;
      for (int y = 0; y < height; ++y) {
        const double down = std::cos(std::numbers::pi / height * cy * (y + 0.5));
        double row = 0;
        for (int x = 0; x < width; ++x)
          row += values[static_cast<std::size_t>(y * width + x)] * across[static_cast<std::size_t>(x)];
        sum += row * down;
      }
      sum /= width * height;
      if (cx == 0 && cy == 0) {
        channel.dc = sum;
        continue;
      }
      channel.ac.push_back(sum);
      channel.scale = std::max(channel.scale, std::abs(sum));
    }
  }
  if (channel.scale > 0)
    for (double& coefficient : channel.ac) coefficient = 0.5 + 0.5 / channel.scale * coefficient;
  return channel;
}

// The picture as luminance, yellow-blue, red-green and alpha, laid over its own average colour.
struct Planes {
  std::vector<double> l, p, q, a;
  bool has_alpha = false;
};

Planes split(int pixels, std::span<const unsigned char> rgba) {
  const auto part = [&](int pixel, int band) {
    return rgba[static_cast<std::size_t>(pixel * 4 + band)] / 255.0;
  };
  double average[3] = {0, 0, 0};
  double alpha_sum = 0;
  for (int i = 0; i < pixels; ++i) {
    alpha_sum += part(i, 3);
    for (int band = 0; band < 3; ++band) average[band] += part(i, 3) * part(i, band);
  }
  if (alpha_sum > 0)
    for (double& band : average) band /= alpha_sum;

  Planes planes;
  planes.has_alpha = std::ranges::any_of(std::views::iota(0, pixels), [&](int i) { return part(i, 3) < 1; });
  for (int i = 0; i < pixels; ++i) {
    const double alpha = part(i, 3);
    double rgb[3];
    for (int band = 0; band < 3; ++band) rgb[band] = average[band] * (1 - alpha) + alpha * part(i, band);
    planes.l.push_back((rgb[0] + rgb[1] + rgb[2]) / 3);
    planes.p.push_back((rgb[0] + rgb[1]) / 2 - rgb[2]);
    planes.q.push_back(rgb[0] - rgb[1]);
    planes.a.push_back(alpha);
  }
  return planes;
}

std::uint32_t level(double value, int levels) {
  return static_cast<std::uint32_t>(std::clamp<long>(std::lround(levels * value), 0, levels));
}

}  // namespace

std::string thumbhash(int width, int height, std::span<const unsigned char> rgba) {
  FLUX_ASSERT(width >= 1 && height >= 1 && width <= kThumbHashSideMax && height <= kThumbHashSideMax);
  FLUX_ASSERT(rgba.size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4);
  const Planes planes = split(width * height, rgba);
  const int longer = std::max(width, height);
  const int l_limit = planes.has_alpha ? 5 : 7;
  const int lx = std::max(1, static_cast<int>(std::lround(1.0 * l_limit * width / longer)));
  const int ly = std::max(1, static_cast<int>(std::lround(1.0 * l_limit * height / longer)));
  const Channel l = transform(planes.l, width, height, std::max(3, lx), std::max(3, ly));
  const Channel p = transform(planes.p, width, height, 3, 3);
  const Channel q = transform(planes.q, width, height, 3, 3);
  const Channel a = planes.has_alpha ? transform(planes.a, width, height, 5, 5) : Channel{};

  const bool landscape = width > height;
  const std::uint32_t head = level(l.dc, 63) | level(0.5 + 0.5 * p.dc, 63) << 6 |
                             level(0.5 + 0.5 * q.dc, 63) << 12 | level(l.scale, 31) << 18 |
                             std::uint32_t{planes.has_alpha} << 23;
  const std::uint32_t tail = static_cast<std::uint32_t>(landscape ? ly : lx) | level(p.scale, 63) << 3 |
                             level(q.scale, 63) << 9 | std::uint32_t{landscape} << 15;
  std::string hash;
  for (const std::uint32_t byte : {head, head >> 8, head >> 16, tail, tail >> 8})
    hash += static_cast<char>(byte & 255);
  if (planes.has_alpha) hash += static_cast<char>(level(a.dc, 15) | level(a.scale, 15) << 4);

  bool low_half = true;  // two coefficients a byte, the lower half first
  for (const Channel* channel : {&l, &p, &q, &a}) {
    for (const double coefficient : channel->ac) {
      const std::uint32_t nibble = level(coefficient, 15);
      if (low_half)
        hash += static_cast<char>(nibble);
      else
        hash.back() = static_cast<char>(static_cast<unsigned char>(hash.back()) | nibble << 4);
      low_half = !low_half;
    }
  }
  return hash;
}

}  // namespace fluxgate::files
