#include "sandbox/endpoints.h"

#include <charconv>
#include <cstdlib>
#include <initializer_list>

#include "base/result.h"

namespace fluxgate::sandbox {
namespace {

// A field is written name[!]:kind[=default][[limits]]; "!" marks what must be given. Limits are
// "low..high" or a list of words. Later fields of the same name replace earlier ones.
constexpr std::string_view kPrompt = "prompt!:text";
constexpr std::string_view kAnyPrompt = "prompt:text=";
constexpr std::string_view kImage = "image_url!:link";
constexpr std::string_view kImages = "image_urls!:links";
constexpr std::string_view kMask = "mask_url!:link";
constexpr std::string_view kSize = "image_size:size=landscape_4_3";
constexpr std::string_view kSizeOfInput = "image_size:size";
constexpr std::string_view kSizeAuto = "image_size:size=auto";
constexpr std::string_view kSteps28 = "num_inference_steps:integer=28[1..50]";
constexpr std::string_view kSteps30 = "num_inference_steps:integer=30[1..50]";
constexpr std::string_view kSteps40 = "num_inference_steps:integer=40[10..50]";
constexpr std::string_view kSteps4 = "num_inference_steps:integer=4[1..12]";
constexpr std::string_view kGuidance = "guidance_scale:number=3.5[1..20]";
constexpr std::string_view kGuidance45 = "guidance_scale:number=4.5[1..20]";
constexpr std::string_view kGuidance25 = "guidance_scale:number=2.5[0..20]";
constexpr std::string_view kGuidance5 = "guidance_scale:number=5[0..20]";
constexpr std::string_view kBasic = "seed:seed sync_mode:boolean=false";
constexpr std::string_view kUsual = "seed:seed sync_mode:boolean=false num_images:integer=1[1..4]";
constexpr std::string_view kChecker = "enable_safety_checker:boolean=true";
constexpr std::string_view kJpeg = "output_format:choice=jpeg[jpeg,png]";
constexpr std::string_view kPng = "output_format:choice=png[jpeg,png]";
constexpr std::string_view kPngWebp = "output_format:choice=png[jpeg,png,webp]";
constexpr std::string_view kTolerance6 = "safety_tolerance:choice=2[1,2,3,4,5,6]";
constexpr std::string_view kTolerance5 = "safety_tolerance:choice=2[1,2,3,4,5]";
constexpr std::string_view kEnhance = "enhance_prompt:boolean=false";
constexpr std::string_view kExpand = "enable_prompt_expansion:boolean=false";
constexpr std::string_view kPlain = "acceleration:choice=none[none,regular,high]";
constexpr std::string_view kFaster = "acceleration:choice=regular[none,regular,high]";
constexpr std::string_view kPlainOrRegular = "acceleration:choice=none[none,regular]";
constexpr std::string_view kRatioOfInput = "aspect_ratio:ratio";
constexpr std::string_view kRatioSquare = "aspect_ratio:ratio=1:1";
constexpr std::string_view kFreeRatio = "aspect_ratio:free_ratio=16:9";
constexpr std::string_view kLoras = "loras:loras";
constexpr std::string_view kStrength = "strength:number=0.95[0.01..1]";
constexpr std::string_view kStrength85 = "strength:number=0.85[0.01..1]";
constexpr std::string_view kImageStrength = "image_prompt_strength:number=0.1[0..1]";
constexpr std::string_view kRaw = "raw:boolean=false";
constexpr std::string_view kNegative = "negative_prompt:text=";
constexpr std::string_view kResolution =
    "resolution_mode:choice=match_input"
    "[auto,match_input,1:1,16:9,21:9,3:2,2:3,4:5,5:4,3:4,4:3,9:16,9:21]";
constexpr std::string_view kFinetune = "finetune_id!:text finetune_strength!:number";

constexpr SizeRule kFlux2Sizes{.side_min = 512, .side_max = 2048};
constexpr SizeRule kHosted2Sizes{.side_min = 256, .side_max = 2560, .area_max = 4'194'304, .multiple_of = 16};

struct Row {
  std::string_view id;
  double seconds;
  std::initializer_list<std::string_view> fields;
};

struct Family {
  Shape shape;
  SizeRule sizes;
  bool per_megapixel;
  bool four_megapixels;
  std::initializer_list<Row> rows;
};

// clang-format off: a table, to be read as one

// §7.2, §7.6: open weights. `flux/…` and `flux-1/…` differ in the default acceleration only.
const Family kFlux1{Shape::standard, {}, true, false, {
  {"fal-ai/flux/dev", 1.4, {kPrompt, kSize, kSteps28, kGuidance, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/dev", 1.2, {kPrompt, kSize, kSteps28, kGuidance, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/schnell", 0.5, {kPrompt, kSize, kSteps4, kGuidance, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/schnell", 0.5, {kPrompt, kSize, kSteps4, kGuidance, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/krea", 1.4, {kPrompt, kSize, kSteps28, kGuidance45, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/krea", 1.4, {kPrompt, kSize, kSteps28, kGuidance45, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/srpo", 1.4, {kPrompt, kSize, kSteps28, kGuidance45, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/srpo", 1.4, {kPrompt, kSize, kSteps28, kGuidance45, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/dev/image-to-image", 1.5,
   {kImage, kPrompt, kStrength, kSteps40, kGuidance, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/dev/image-to-image", 1.5,
   {kImage, kPrompt, kStrength, kSteps40, kGuidance, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/dev/redux", 1.5, {kImage, kSize, kSteps28, kGuidance, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/dev/redux", 1.5, {kImage, kSize, kSteps28, kGuidance, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux/schnell/redux", 0.7, {kImage, kSize, kSteps4, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-1/schnell/redux", 0.7, {kImage, kSize, kSteps4, kUsual, kChecker, kJpeg, kFaster}},
  {"fal-ai/flux-lora", 1.5,
   {kPrompt, kSize, kSteps28, kGuidance, kLoras, kUsual, kChecker, kJpeg, kPlainOrRegular}},
  {"fal-ai/flux-lora/image-to-image", 1.5,
   {kPrompt, kImage, kStrength85, kSizeOfInput, kSteps28, kGuidance, kLoras, kUsual, kChecker, kJpeg,
    kPlainOrRegular}},
  {"fal-ai/flux-lora/inpainting", 1.5,
   {kPrompt, kImage, kMask, kStrength85, kSizeOfInput, kSteps28, kGuidance, kLoras, kUsual, kChecker,
    kJpeg, kPlainOrRegular}},
  {"fal-ai/flux-lora-fill", 1.6,
   {kAnyPrompt, kImage, kMask, "guidance_scale:number=30[1..50]", kSteps28, kSizeOfInput,
    "paste_back:boolean=true resize_to_original:boolean=false", kLoras, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-kontext/dev", 1.6,
   {kPrompt, kImage, kResolution, kSteps28, kGuidance25, kUsual, kChecker, kJpeg, kPlain}},
  {"fal-ai/flux-kontext-lora", 1.6,
   {kPrompt, kImage, kResolution, kSteps30, kGuidance25, kLoras, kUsual, kChecker, kPng, kPlain}},
  {"fal-ai/flux-kontext-lora/text-to-image", 1.6,
   {kPrompt, kSize, kSteps30, kGuidance25, kLoras, kUsual, kChecker, kPng, kPlain}},
  {"fal-ai/flux-kontext-lora/inpaint", 1.6,
   {kPrompt, kImage, kMask, "reference_image_url!:link strength:number=0.88[0.01..1]", kSteps30, kGuidance25,
    kLoras, kUsual, kChecker, kPng, kPlain}},
}};

// §7.3: hosted FLUX.1 pro.
const Family kPro{Shape::standard, {}, true, false, {
  {"fal-ai/flux-pro/v1.1", 1.6, {kPrompt, kSize, kUsual, kEnhance, kTolerance6, kJpeg, kChecker}},
  {"fal-ai/flux-pro/new", 1.6,
   {kPrompt, kSize, kSteps28, kGuidance, kUsual, kEnhance, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/v1.1/redux", 1.6,
   {kImage, kAnyPrompt, kSize, kSteps28, kGuidance, kUsual, kEnhance, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/v1/redux", 1.6,
   {kImage, kAnyPrompt, kSize, kSteps28, kGuidance, kUsual, kEnhance, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/v1/fill", 1.6, {kPrompt, kImage, kMask, kUsual, kEnhance, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/v1/fill-finetuned", 1.6,
   {kPrompt, kImage, kMask, kFinetune, kUsual, kEnhance, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/v1/erase", 1.2,
   {kImage, kMask, "dilate_pixels:integer=10[0..512] sync_mode:boolean=false", kJpeg}},
  {"fal-ai/flux-pro/v1/vto", 1.7,
   {kPrompt, "human_image_url!:link garment_image_url!:link", kBasic, kJpeg}},
}};

const Family kUltra{Shape::standard, {}, false, true, {
  {"fal-ai/flux-pro/v1.1-ultra", 1.8,
   {kPrompt, kFreeRatio, kRaw, "image_url:link", kImageStrength, kEnhance, kUsual, kTolerance6, kJpeg,
    kChecker}},
  {"fal-ai/flux-pro/v1.1-ultra-finetuned", 1.8,
   {kPrompt, kFinetune, kFreeRatio, kRaw, "image_url:link", kImageStrength, kEnhance, kUsual,
    kTolerance6, kJpeg, kChecker}},
  {"fal-ai/flux-pro/v1.1-ultra/redux", 1.8,
   {kImage, kAnyPrompt, kFreeRatio, kRaw, kImageStrength, kEnhance, kUsual, kTolerance6, kJpeg,
    kChecker}},
}};

// §7.4: hosted Kontext.
const Family kKontext{Shape::kontext, {}, false, false, {
  {"fal-ai/flux-pro/kontext", 1.5,
   {kPrompt, kImage, kRatioOfInput, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/kontext/max", 1.7,
   {kPrompt, kImage, kRatioOfInput, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/kontext/multi", 1.7,
   {kPrompt, kImages, kRatioOfInput, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/kontext/max/multi", 1.8,
   {kPrompt, kImages, kRatioOfInput, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/kontext/text-to-image", 1.5,
   {kPrompt, kRatioSquare, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
  {"fal-ai/flux-pro/kontext/max/text-to-image", 1.7,
   {kPrompt, kRatioSquare, kGuidance, kEnhance, kUsual, kTolerance6, kJpeg}},
}};

// §7.7: FLUX.2, open models.
const Family kFlux2{Shape::kontext, kFlux2Sizes, true, false, {
  {"fal-ai/flux-2", 1.5,
   {kPrompt, kSize, kSteps28, kGuidance25, kFaster, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/edit", 1.7,
   {kPrompt, kImages, kSizeOfInput, kSteps28, kGuidance25, kFaster, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/lora", 1.6,
   {kPrompt, kSize, kSteps28, kGuidance25, kFaster, kExpand, kLoras, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/lora/edit", 1.7,
   {kPrompt, kImages, kSizeOfInput, kSteps28, kGuidance25, kFaster, kExpand, kLoras, kUsual, kChecker,
    kPngWebp}},
  {"fal-ai/flux-2/turbo", 0.8, {kPrompt, kSize, kGuidance25, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/flash", 0.6, {kPrompt, kSize, kGuidance25, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/turbo/edit", 0.9,
   {kPrompt, kImages, "image_size:size=square_hd", kGuidance25, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/flash/edit", 0.7,
   {kPrompt, kImages, "image_size:size=square_hd", kGuidance25, kExpand, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/4b", 0.5, {kPrompt, kSize, kSteps4, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/9b", 0.7, {kPrompt, kSize, kSteps4, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/4b/edit", 0.6, {kPrompt, kImages, kSizeOfInput, kSteps4, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/9b/edit", 0.8, {kPrompt, kImages, kSizeOfInput, kSteps4, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/4b/base", 1.0,
   {kPrompt, kSize, kSteps28, kGuidance5, kNegative, kFaster, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/9b/base", 1.2,
   {kPrompt, kSize, kSteps28, kGuidance5, kNegative, kFaster, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/4b/base/edit", 1.1,
   {kPrompt, kImages, kSizeOfInput, kSteps28, kGuidance5, kNegative, kFaster, kUsual, kChecker, kPngWebp}},
  {"fal-ai/flux-2/klein/9b/base/edit", 1.3,
   {kPrompt, kImages, kSizeOfInput, kSteps28, kGuidance5, kNegative, kFaster, kUsual, kChecker, kPngWebp}},
}};

// §7.7: FLUX.2, hosted. One image per request: there is no num_images.
const Family kHosted2{Shape::bare, kHosted2Sizes, true, false, {
  {"fal-ai/flux-2-pro", 1.7, {kPrompt, kSize, kTolerance5, kChecker, kBasic, kJpeg}},
  {"fal-ai/flux-2-pro/edit", 1.8, {kPrompt, kImages, kSizeAuto, kTolerance5, kChecker, kBasic, kJpeg}},
  {"fal-ai/flux-2-max", 1.9, {kPrompt, kSize, kTolerance5, kChecker, kBasic, kJpeg}},
  {"fal-ai/flux-2-max/edit", 1.9, {kPrompt, kImages, kSizeAuto, kTolerance5, kChecker, kBasic, kJpeg}},
  {"fal-ai/flux-2-flex", 1.8, {kPrompt, kSize, kSteps28, kGuidance, kTolerance5, kChecker, kBasic, kJpeg}},
  {"fal-ai/flux-2-flex/edit", 1.9,
   {kPrompt, kImages, kSizeAuto, kSteps28, kGuidance, kTolerance5, kChecker, kBasic, kJpeg}},
}};

// clang-format on

FieldKind kind_named(std::string_view word) {
  static constexpr std::pair<std::string_view, FieldKind> kWords[] = {
      {"text", FieldKind::text},     {"link", FieldKind::link},       {"links", FieldKind::links},
      {"size", FieldKind::size},     {"choice", FieldKind::choice},   {"integer", FieldKind::integer},
      {"number", FieldKind::number}, {"boolean", FieldKind::boolean}, {"seed", FieldKind::seed},
      {"ratio", FieldKind::ratio},   {"loras", FieldKind::loras},     {"free_ratio", FieldKind::free_ratio}};
  for (const auto& [name, kind] : kWords)
    if (name == word) return kind;
  FLUX_ASSERT(!"a kind of field that does not exist");
  return FieldKind::text;
}

double to_number(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

void read_limits(std::string_view limits, Field& field) {
  if (auto dots = limits.find(".."); dots != limits.npos) {
    field.minimum = to_number(limits.substr(0, dots));
    field.maximum = to_number(limits.substr(dots + 2));
    return;
  }
  while (!limits.empty()) {
    auto comma = limits.find(',');
    field.choices.emplace_back(limits.substr(0, comma));
    limits = comma == limits.npos ? std::string_view() : limits.substr(comma + 1);
  }
}

Field read_field(std::string_view text) {
  Field field;
  auto colon = text.find(':');
  auto name = text.substr(0, colon);
  field.required = name.ends_with('!');
  if (field.required) name.remove_suffix(1);
  field.name = name;
  auto rest = text.substr(colon + 1);
  if (auto bracket = rest.find('['); bracket != rest.npos) {
    read_limits(rest.substr(bracket + 1, rest.size() - bracket - 2), field);
    rest = rest.substr(0, bracket);
  }
  auto equals = rest.find('=');
  field.kind = kind_named(rest.substr(0, equals));
  if (equals != rest.npos) field.fallback = std::string(rest.substr(equals + 1));
  return field;
}

void add_fields(std::string_view text, std::vector<Field>& fields) {
  while (!text.empty()) {
    auto space = text.find(' ');
    fields.push_back(read_field(text.substr(0, space)));
    text = space == text.npos ? std::string_view() : text.substr(space + 1);
  }
}

void add_family(const Family& family, std::vector<Endpoint>& all) {
  for (const Row& row : family.rows) {
    Endpoint endpoint;
    endpoint.id = row.id;
    endpoint.app = split_endpoint_id(row.id)->app;
    for (auto fragment : row.fields) add_fields(fragment, endpoint.fields);
    endpoint.shape = family.shape;
    endpoint.sizes = family.sizes;
    endpoint.seconds = row.seconds;
    endpoint.per_megapixel = family.per_megapixel;
    endpoint.four_megapixels = family.four_megapixels;
    all.push_back(std::move(endpoint));
  }
}

}  // namespace

const Field* Endpoint::field(std::string_view name) const {
  for (const Field& candidate : fields)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

const std::vector<Endpoint>& all_endpoints() {
  static const std::vector<Endpoint> endpoints = [] {
    std::vector<Endpoint> all;
    for (const Family* family : {&kFlux1, &kPro, &kUltra, &kKontext, &kFlux2, &kHosted2})
      add_family(*family, all);
    return all;
  }();
  return endpoints;
}

const Endpoint* find_endpoint(std::string_view id) {
  for (const Endpoint& endpoint : all_endpoints())
    if (endpoint.id == id) return &endpoint;
  return nullptr;
}

bool knows_app(std::string_view app) {
  for (const Endpoint& endpoint : all_endpoints())
    if (endpoint.app == app) return true;
  return false;
}

std::optional<EndpointPath> split_endpoint_id(std::string_view id) {
  auto cut = [&](std::size_t from) { return id.find('/', from); };
  auto first = cut(0);
  if (first == id.npos || first == 0) return std::nullopt;
  auto owner = id.substr(0, first);
  // "workflows" and "comfy" stand before the owner (§1.2).
  if (owner == "workflows" || owner == "comfy") {
    first = cut(first + 1);
    if (first == id.npos) return std::nullopt;
  }
  auto second = cut(first + 1);
  EndpointPath path;
  path.app = id.substr(0, second);
  if (path.app.ends_with('/')) return std::nullopt;
  if (second != id.npos) path.path = id.substr(second + 1);
  return path;
}

}  // namespace fluxgate::sandbox
