// The FLUX endpoints that the sandbox plays, as data: which fields each takes, with which defaults and
// limits, how long a run takes and what its answer looks like. Written from the upstream's own
// documentation (spec/upstream-fal.md §7, §9.1) and from nothing else of the product: if the catalogue
// and this table disagree, a test of the gateway fails, and that is what two tables are for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::sandbox {

enum class FieldKind {
  text,
  link,    // one image: URL or data URI
  links,   // a list of them
  size,    // preset name or {"width","height"}
  choice,  // one of `choices`
  integer,
  number,
  boolean,
  seed,        // any integer of 64 bits
  ratio,       // one of the nine aspect ratios
  free_ratio,  // one of them, or any "W:H"
  loras,       // [{"path", "scale"}]
};

struct Field {
  std::string name;
  FieldKind kind = FieldKind::text;
  bool required = false;
  std::optional<std::string> fallback;  // the default, as text
  std::optional<double> minimum, maximum;
  std::vector<std::string> choices;
};

// What the finished answer carries (§3.1).
enum class Shape {
  standard,  // images with sizes, timings, seed, has_nsfw_concepts, prompt
  kontext,   // the same, image details that may be null
  bare,      // images and seed only (hosted FLUX.2)
};

// Custom sizes (§7.1): each side, the product, and what they are rounded to.
struct SizeRule {
  int side_min = 1;
  int side_max = 14142;
  std::int64_t area_max = 16'777'216;  // ours, where no limit is documented: pictures are really painted
  int multiple_of = 0;                 // refused unless a multiple; 0 = rounded to 16 instead
};

struct Endpoint {
  std::string id;   // "fal-ai/flux-1/dev"
  std::string app;  // "fal-ai/flux-1": owns the queue, stands in follow-up URLs
  std::vector<Field> fields;
  Shape shape = Shape::standard;
  SizeRule sizes;
  double seconds = 1.0;  // one default image, in the sandbox's brisk profile
  bool per_megapixel = true;
  bool four_megapixels = false;  // aspect ratios mean about 4 MP instead of 1

  const Field* field(std::string_view name) const;
};

// nullptr when no such endpoint is played.
const Endpoint* find_endpoint(std::string_view id);
// True when some endpoint lives under that application.
bool knows_app(std::string_view app);
const std::vector<Endpoint>& all_endpoints();

// Owner, alias and the rest of an endpoint id (§1.2); nullopt when it is none.
struct EndpointPath {
  std::string app;   // "[namespace/]owner/alias"
  std::string path;  // what follows, without a leading slash
};
std::optional<EndpointPath> split_endpoint_id(std::string_view id);

}  // namespace fluxgate::sandbox
