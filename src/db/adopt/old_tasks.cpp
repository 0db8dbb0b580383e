#include "db/adopt/old_tasks.h"

namespace fluxgate::db::adopt {
namespace {

using enum Keep;

constexpr KeptColumn kFluxParams[] = {{"aspect_ratio"},  {"guidance_scale", number}, {"num_inference_steps", number},
                                      {"num_images", number}, {"seed", number},      {"safety_tolerance"},
                                      {"strength", number}, {"output_format"},       {"enable_safety_checker", flag},
                                      {"image_size", json}};
constexpr KeptColumn kFluxLegacy[] = {{"request_id"}, {"sync_mode", flag}, {"retry_count", number}, {"uploaded_image_url"}};

constexpr KeptColumn kMidjourneyParams[] = {{"mode"}, {"prompt_en"}, {"description"}};
constexpr KeptColumn kMidjourneyExtra[] = {{"properties", json}, {"buttons", json}};
constexpr KeptColumn kMidjourneyLegacy[] = {{"parent_task_id"}};

constexpr KeptColumn kDreamworkParams[] = {{"size"}, {"guidance_scale", number}, {"seed", number}, {"watermark", flag}};
constexpr KeptColumn kDreamworkLegacy[] = {{"properties", json}, {"serviceType"}};

constexpr KeptColumn kKlingParams[] = {{"negative_prompt"}, {"cfg_scale", number}, {"mode"},
                                       {"duration"},        {"aspect_ratio"},      {"camera_control", json}};
constexpr KeptColumn kKlingExtra[] = {{"video_id"}, {"video_duration"}, {"task_status_msg"}};
constexpr KeptColumn kKlingLegacy[] = {{"external_task_id"}, {"properties", json}, {"serviceType"}, {"image_url"}};

constexpr KeptColumn kJimengParams[] = {{"duration"}, {"aspect_ratio"}, {"cfg_scale", number}, {"watermark", flag}, {"size"}};
constexpr KeptColumn kJimengLegacy[] = {{"external_task_id"}, {"properties", json}, {"serviceType"}};

constexpr KeptColumn kLipSyncParams[] = {{"mode"}, {"input_type"}, {"text"}, {"voice_id"}, {"voice_language"},
                                         {"voice_speed", number}, {"audio_type"}};
constexpr KeptColumn kLipSyncExtra[] = {{"video_duration"}, {"task_status_msg"}};
constexpr KeptColumn kLipSyncLegacy[] = {{"properties", json}};

constexpr std::string_view kFluxInputs[] = {"input_image_url"};
constexpr std::string_view kDreamworkInputs[] = {"input_image|image_base64"};
constexpr std::string_view kKlingInputs[] = {"input_image", "image_tail", "static_mask"};
constexpr std::string_view kJimengInputs[] = {"image_url", "input_image"};
constexpr std::string_view kLipSyncInputs[] = {"video_input", "audio_file"};

constexpr OldTasks kTables[] = {
    {.table = "flux_tasks", .provider = "flux", .model = "fal-ai/flux-1/dev", .media_type = "image/jpeg", .endpoint = "task_type",
     .cost = "", .upstream = "request_id", .error = "error_message", .finished = "completed_at", .stored_url = "cloud_image_url",
     .url = "image_url", .answer = "flux_response", .inputs = kFluxInputs, .params = kFluxParams, .legacy = kFluxLegacy, .resumable = true},
    {.table = "mj_tasks", .provider = "midjourney", .model = "midjourney", .media_type = "image/png", .model_column = "",
     .upstream = "id", .stored_url = "cloud_image_url", .url = "image_url", .params = kMidjourneyParams,
     .extra = kMidjourneyExtra, .legacy = kMidjourneyLegacy, .local_times = true},
    {.table = "dreamwork_tasks", .provider = "dreamwork", .model = "dreamwork", .media_type = "image/jpeg",
     .stored_url = "cloud_image_url", .url = "image_url", .inputs = kDreamworkInputs, .params = kDreamworkParams, .legacy = kDreamworkLegacy},
    {.table = "kling_tasks", .provider = "kling", .model = "kling-v1", .media_type = "video/mp4",
     .model_column = "model_name|model", .upstream = "external_task_id", .error = "fail_reason|task_status_msg",
     .started = "start_time", .stored_url = "cloud_video_url", .url = "video_url", .inputs = kKlingInputs,
     .params = kKlingParams,
     .extra = kKlingExtra, .legacy = kKlingLegacy, .local_times = true},
    // `url` is what the row calls its result; in the repair script's shape that is image_url, which else is an input.
    {.table = "jimeng_tasks", .provider = "jimeng", .model = "jimeng", .media_type = "video/mp4", .upstream = "external_task_id",
     .started = "start_time", .finished = "complete_time|finish_time", .stored_url = "cloud_video_url", .url = "video_url",
     .inputs = kJimengInputs, .params = kJimengParams, .legacy = kJimengLegacy},
    {.table = "kling_lip_sync_tasks", .provider = "kling_lip_sync", .model = "kling-lip-sync", .media_type = "video/mp4",
     .endpoint = "", .model_column = "", .error = "fail_reason|task_status_msg", .url = "video_url", .inputs = kLipSyncInputs, .params = kLipSyncParams,
     .extra = kLipSyncExtra, .legacy = kLipSyncLegacy, .local_times = true},
};

}  // namespace

std::span<const OldTasks> old_tasks() { return kTables; }

boost::json::value kept_value(Cell cell, Keep as) {
  if (!cell || cell->empty()) return nullptr;
  switch (as) {
    case Keep::flag:
      if (const auto flag = flag_of(cell)) return *flag;
      return nullptr;
    case Keep::number:
      if (const auto whole = integer_of(cell)) return *whole;
      if (const auto real = real_of(cell)) return *real;
      break;  // kept as the text it is
    case Keep::json: return json_of(cell);
    case Keep::text: break;
  }
  return boost::json::string(*cell);
}

}  // namespace fluxgate::db::adopt
