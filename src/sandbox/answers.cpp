#include "sandbox/answers.h"

#include <charconv>
#include <cmath>

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr std::string_view kNsfwTrigger = "nsfw-trigger";
constexpr std::string_view kPolicyTrigger = "policy-trigger";
constexpr double kRunMax = 2.2;
constexpr std::uint64_t kTinyMotifs = 32;

struct Failure {
  int status;
  std::string_view type;
  std::string_view message;
  std::string_view field;  // "" = a plain string as detail
};
// Result faults that replace the outcome, by action (§4.1, §4.2).
constexpr std::pair<std::string_view, Failure> kFailures[] = {
    {"422", {422, "value_error", "The input was refused.", "prompt"}},
    {"policy", {422, "content_policy_violation", "The content was flagged by a content checker.", "prompt"}},
    {"policy-categories",
     {422, "content_policy_violation", "The content was flagged by a content checker.", "prompt"}},
    {"file-download", {422, "file_download_error", "The file could not be fetched.", "image_url"}},
    {"image-load", {422, "image_load_error", "The image could not be decoded.", "image_url"}},
    {"image-too-large", {422, "image_too_large", "The image has too many pixels.", "image_url"}},
    {"file-too-large", {422, "file_too_large", "The file is too large.", "image_url"}},
    {"no-media", {422, "no_media_generated", "No picture came out of this run.", ""}},
    {"crash", {500, "internal_server_error", "Internal Server Error", ""}},
    {"gpu", {503, "runner_server_error", "GPU error", ""}},
    {"generation-timeout", {504, "generation_timeout", "The generation took too long.", ""}},
};

void fail_with(Outcome& outcome, int status, json::value detail, std::string error, std::string type) {
  outcome.status = status;
  outcome.body = {{"detail", std::move(detail)}};
  outcome.error = std::move(error);
  outcome.error_type = std::move(type);
  outcome.pictures.clear();
  outcome.headers = {{"X-Fal-Billable-Units", "0"}};
}

void fail_with(Outcome& outcome, const Failure& failure, json::object context) {
  json::value detail(json::string(failure.message));
  if (failure.type == "no_media_generated")
    detail =
        json::array{problem({"body"}, failure.message, failure.type, json::object(), std::move(context))};
  else if (!failure.field.empty())
    detail = json::array{problem({"body", json::string(failure.field)}, failure.message, failure.type,
                                 nullptr, std::move(context))};
  fail_with(outcome, failure.status, std::move(detail), std::string(failure.message),
            std::string(failure.type));
}

const Failure* failure_named(std::string_view action) {
  for (const auto& [name, failure] : kFailures)
    if (name == action) return &failure;
  return nullptr;
}

json::object context_of(std::string_view action) {
  if (action == "policy-categories") return {{"categories", json::array{"sexual", "violence"}}};
  if (action == "image-too-large") return {{"max_height", 14142}, {"max_width", 14142}};
  if (action == "file-too-large") return {{"max_size", 52'428'800}};
  return {};
}

std::string first_problem(const json::array& problems) {
  const auto& entry = problems.front().as_object();
  std::string where;
  for (const auto& step : entry.at("loc").as_array())
    if (step.is_string() && step.get_string() != "body")
      where += (where.empty() ? "" : ".") + std::string(step.get_string());
  return fmt::format("{}: {}", where, std::string_view(entry.at("msg").as_string()));
}

// The endings that need no run: cancelled, never started, invalid.
bool ended_early(const Record& record, const json::array& problems, Outcome& outcome) {
  if (record.cancelled()) {
    fail_with(outcome, 499, "Request was cancelled", "Request was cancelled", "client_cancelled");
    outcome.body["error_type"] = "client_cancelled";
    outcome.headers.emplace_back("X-Fal-Error-Type", "client_cancelled");
    return true;
  }
  if (record.start_timeout) {
    constexpr std::string_view kLate = "No runner picked the request up in time.";
    fail_with(outcome, 504, json::string(kLate), std::string(kLate), "request_timeout");
    outcome.body["error_type"] = "request_timeout";
    outcome.headers.emplace_back("X-Fal-Error-Type", "request_timeout");
    outcome.headers.emplace_back("X-Fal-Request-Timeout-Type", "user");
    return true;
  }
  if (problems.empty()) return false;
  std::string type(problems.front().as_object().at("type").as_string());
  fail_with(outcome, 422, problems, first_problem(problems), type);
  return true;
}

json::value seed_value(const Record& record) {
  const json::value* given = record.input.if_contains("seed");
  if (given && given->is_int64()) return *given;
  return record.seed;
}

PixelSize picture_size(PixelSize asked, const AnswerOptions& options) {
  if (options.tiny_images) return {16, 16};
  auto side = [&](int pixels) {
    return std::max(16, static_cast<int>(std::lround(pixels * options.image_scale)));
  };
  return {side(asked.width), side(asked.height)};
}

std::vector<PictureSpec> pictures_of(const Record& record, const Input& input, const AnswerOptions& options,
                                     bool black) {
  std::vector<PictureSpec> pictures;
  std::string name = record.endpoint.substr(record.endpoint.find('/') + 1);
  for (int index = 0; index < input.count; ++index) {
    PictureSpec picture;
    picture.size = picture_size(input.size, options);
    picture.format = input.format;
    picture.motif = stable_digest(fmt::format("{}\n{}\n{}\n{}\n{}", record.endpoint, input.prompt,
                                              record.seed, index, input.images_digest));
    picture.black = black;
    picture.caption = fmt::format("{}  SEED {}  #{}", name, record.seed, index + 1);
    if (options.tiny_images) {  // a few pictures for all: a benchmark measures the gateway, not the painter
      picture.motif %= kTinyMotifs;
      picture.caption.clear();
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

json::object image_entry(const PictureSpec& picture, Shape shape, std::string_view fault) {
  json::object image;
  image["url"] = "";
  image["width"] = picture.size.width;
  image["height"] = picture.size.height;
  image["content_type"] = media_type(picture.format);
  if (shape != Shape::standard) {
    // Hosted models name the file and leave its size open (§3.1).
    image["file_name"] = nullptr;
    image["file_size"] = nullptr;
  }
  if (fault == "null-sizes") {
    image["width"] = image["height"] = nullptr;
    image["content_type"] = nullptr;
  }
  return image;
}

void succeed(const Record& record, const Endpoint& endpoint, const Input& input, bool flagged,
             std::string_view fault, Outcome& outcome) {
  json::array images;
  if (fault != "empty-images")
    for (const PictureSpec& picture : outcome.pictures)
      images.push_back(image_entry(picture, endpoint.shape, fault));
  json::object& body = outcome.body;
  if (endpoint.shape != Shape::bare) {
    body["timings"] = {{"inference", std::round(record.run_seconds() * 0.92 * 1e4) / 1e4}};
    body["has_nsfw_concepts"] = json::array(images.size(), flagged);
    body["prompt"] = input.prompt;
  }
  if (fault != "no-images") body["images"] = std::move(images);
  body["seed"] = seed_value(record);
  if (fault == "seed-big") body["seed"] = 196'912'345'678'901'237;
  if (fault == "seed-null") body["seed"] = nullptr;
  std::int64_t units = input.count;
  if (endpoint.per_megapixel)
    units *= (std::int64_t{input.size.width} * input.size.height + 999'999) / 1'000'000;
  outcome.headers = {{"X-Fal-Billable-Units", std::to_string(units)}};
}

std::string progress_bar(int step, int steps) {
  int done = 10 * step / steps;
  return fmt::format("{:3}%|{}{}| {}/{}", 100 * step / steps, std::string(done, '#'),
                     std::string(10 - done, ' '), step, steps);
}

}  // namespace

Phase phase_at(const Record& record, Millis now) {
  if (record.cancelled() || now >= record.end_ms) return Phase::completed;
  return now < record.start_ms ? Phase::queued : Phase::running;
}

Outcome outcome_of(const Record& record, const ProbeImage& probe, const AnswerOptions& options,
                   std::string_view fault) {
  Outcome outcome;
  const Endpoint* endpoint = find_endpoint(record.endpoint);
  if (!endpoint) {
    fail_with(outcome, 404, "Path not found", "Path not found", "not_found");
    return outcome;
  }
  auto [input, problems] = check_input(*endpoint, record.input, probe);
  if (ended_early(record, problems, outcome)) return outcome;
  if (const Failure* failure = failure_named(fault)) {
    fail_with(outcome, *failure, context_of(fault));
    return outcome;
  }
  bool explicit_content = fault == "nsfw" || (input.safety_checker && input.prompt.contains(kNsfwTrigger));
  bool refused =
      input.prompt.contains(kPolicyTrigger) || (explicit_content && endpoint->shape == Shape::bare);
  if (refused) {
    fail_with(outcome, *failure_named("policy"), {});
    return outcome;
  }
  outcome.as_data_uri = input.as_data_uri || fault == "huge-data-uri";
  outcome.pictures = pictures_of(record, input, options, explicit_content);
  succeed(record, *endpoint, input, explicit_content, fault, outcome);
  return outcome;
}

boost::json::array logs_at(const Record& record, const Endpoint* endpoint, Millis now) {
  json::array lines;
  if (record.start_timeout || (record.cancelled() && record.cancelled_ms <= record.start_ms)) return lines;
  const Millis until = record.cancelled() ? std::min(now, record.cancelled_ms) : now;
  auto line = [&](double part, std::string message) {
    Millis at =
        record.start_ms + static_cast<Millis>(part * static_cast<double>(record.end_ms - record.start_ms));
    if (at > until) return;
    lines.push_back({{"message", std::move(message)},
                     {"timestamp", iso8601(at)},
                     {"level", "INFO"},
                     {"source", "USER"},
                     {"labels", json::object()}});
  };
  line(0, "Request picked up by runner sandbox-1");
  line(0.05, fmt::format("Loading {}", record.endpoint));
  int steps = 28;
  const json::value* given = record.input.if_contains("num_inference_steps");
  const Field* field = endpoint ? endpoint->field("num_inference_steps") : nullptr;
  if (given && given->is_int64() && given->get_int64() > 0 && given->get_int64() <= 50)
    steps = static_cast<int>(given->get_int64());
  else if (field && field->fallback)
    steps = std::stoi(*field->fallback);
  const int bars = std::min(4, steps);
  for (int bar = 1; bar <= bars; ++bar)
    line(0.05 + 0.85 * bar / bars, progress_bar(steps * bar / bars, steps));
  line(1, fmt::format("Done in {:.2f} s", record.run_seconds()));
  return lines;
}

void add_links(const Record& record, std::string_view base, boost::json::object& body) {
  auto parts = split_endpoint_id(record.endpoint);
  std::string link = fmt::format("{}/{}/requests/{}", base, parts ? parts->app : record.endpoint, record.id);
  body["request_id"] = record.id;
  body["response_url"] = link;
  body["status_url"] = link + "/status";
  body["cancel_url"] = link + "/cancel";
}

boost::json::object status_body(const Record& record, const Outcome& outcome, Phase phase, Millis now,
                                const StatusView& view) {
  json::object body;
  add_links(record, view.base, body);
  json::value logs = nullptr;
  if (view.with_logs) logs = logs_at(record, find_endpoint(record.endpoint), now);
  switch (phase) {
    case Phase::queued:
      body["status"] = "IN_QUEUE";
      body["queue_position"] = view.position;
      body["logs"] = nullptr;
      break;
    case Phase::running:
      body["status"] = "IN_PROGRESS";
      body["logs"] = std::move(logs);
      body["metrics"] = json::object();
      break;
    case Phase::completed:
      body["status"] = "COMPLETED";
      body["logs"] = std::move(logs);
      body["metrics"] = {
          {"inference_time", record.cancelled() ? json::value(nullptr) : record.run_seconds()}};
      if (outcome.status != 200) {
        body["error"] = outcome.error;
        body["error_type"] = outcome.error_type;
      }
  }
  return body;
}

std::string picture_path(const Record& record, const Outcome& outcome, std::size_t index) {
  return fmt::format("/files/sandbox/{}-{}.{}", record.id, index,
                     file_suffix(outcome.pictures[index].format));
}

std::optional<PictureName> read_picture_name(std::string_view file_name) {
  constexpr std::size_t kIdLength = 36;
  if (file_name.size() < kIdLength + 2 || file_name[kIdLength] != '-') return std::nullopt;
  PictureName name{std::string(file_name.substr(0, kIdLength))};
  auto number = file_name.substr(kIdLength + 1);
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), name.index);
  bool suffixed = error == std::errc() && end != number.data() + number.size() && *end == '.';
  if (!suffixed || !request_key(name.id)) return std::nullopt;
  return name;
}

void add_picture_links(const Record& record, const Outcome& outcome, std::string_view base,
                       boost::json::object& body) {
  json::value* images = body.if_contains("images");
  if (!images || !images->is_array()) return;
  for (std::size_t i = 0; i < images->get_array().size(); ++i) {
    json::object& image = images->get_array()[i].get_object();
    std::string path = picture_path(record, outcome, i);
    image["url"] = std::string(base) + path;
    if (image.contains("file_name")) image["file_name"] = path.substr(path.rfind('/') + 1);
  }
}

Millis run_time_ms(const Endpoint& endpoint, const CheckedInput& checked, double jitter) {
  if (!checked.problems.empty()) return 20;  // the runner refuses at once
  const Input& input = checked.input;
  double steps = 1;
  if (const Field* field = endpoint.field("num_inference_steps"); field && field->fallback)
    steps = 0.3 + 0.7 * input.steps / std::max(1, std::stoi(*field->fallback));
  double megapixels = static_cast<double>(input.size.width) * input.size.height / 1e6;
  double area = endpoint.four_megapixels ? 1 : std::clamp(megapixels, 0.5, 2.0);
  double seconds = endpoint.seconds * steps * (0.6 + 0.4 * area) * (1 + 0.7 * (input.count - 1));
  return static_cast<Millis>(1000 * std::min(kRunMax, seconds * (0.9 + 0.2 * jitter)));
}

}  // namespace fluxgate::sandbox
