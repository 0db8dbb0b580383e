#include "db/adopt/task_row.h"

#include <algorithm>

#include "base/ids.h"
#include "db/adopt/lost.h"
#include "db/adopt/words.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;

constexpr Millis kResumeWithin = 24ll * 3600 * 1000;  // upstreams keep results about as long

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void keep(json::object& into, std::span<const KeptColumn> columns, const std::vector<int>& numbers, const OldRow& row) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (auto value = kept_value(row[numbers[i]], columns[i].as); !value.is_null()) into[columns[i].name] = std::move(value);
}

bool is_request_id(std::string_view id) {
  constexpr std::size_t kBytesMax = 200;
  return !id.empty() && id.size() <= kBytesMax && id != "." && id != ".." && std::ranges::all_of(id, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

TaskReader::Columns::Columns(Source& source, const OldTasks& kind)
    : id(source.pick("id")),
      user(source.pick("user_id")),
      endpoint(source.pick(kind.endpoint)),
      status(source.pick("status")),
      model(source.pick(kind.model_column)),
      prompt(source.pick("prompt")),
      cost(source.pick(kind.cost)),
      upstream(source.pick(kind.upstream)),
      error(source.pick(kind.error)),
      updated(source.pick("updated_at")),
      started(source.pick(kind.started)),
      finished(source.pick(kind.finished)),
      progress(source.pick("progress")),
      seed(source.pick("seed")),
      images(source.pick("num_images")),
      sync_mode(source.pick("sync_mode")),
      seconds(source.pick("generation_time")),
      stored_url(source.pick(kind.stored_url)),
      url(source.pick(kind.url)),
      answer(source.pick(kind.answer)) {
  // In the repair script's shape of jimeng_tasks image_url is the result; else it is an input.
  const bool image_is_result = !source.has(kind.url) && kind.table == "jimeng_tasks";
  if (image_is_result) url = source.pick("image_url");
  for (std::string_view column : kind.inputs)
    if (!image_is_result || column != "image_url") inputs.push_back(source.pick(column));
  input_list = source.pick("input_image_urls");
  for (const KeptColumn& column : kind.params) params.push_back(source.pick(column.name));
  for (const KeptColumn& column : kind.extra) extra.push_back(source.pick(column.name));
  for (const KeptColumn& column : kind.legacy) legacy.push_back(source.pick(column.name));
}

TaskReader::TaskReader(const Work& work, const OldTasks& kind, Source& source, Millis undated)
    : work_(work), kind_(kind), at_(source, kind), made_at_(source), undated_(undated) {}

OldTask TaskReader::read(const OldRow& row, std::string old_id) {
  OldTask old;
  old.task.legacy_id = std::move(old_id);
  read_request(row, old);
  read_results(row, old);
  decide_end(row, old);
  return old;
}

void TaskReader::read_request(const OldRow& row, OldTask& old) {
  old.task.created_at = made_at_.of(row).value_or(undated_);
  old.task.id = new_id(old.task.created_at);
  old.task.user_id = row.text(at_.user);
  old.task.provider = kind_.provider;
  old.task.seed = row.text(at_.seed);
  old.endpoint = kind_.endpoint.empty() ? "lip_sync" : lower(row.text(at_.endpoint));
  old.model = row.text(at_.model);
  if (old.model.empty()) old.model = kind_.model;
  old.prompt = row.text(at_.prompt);
  old.upstream_id = row.text(at_.upstream);
  old.images = std::clamp<std::int64_t>(integer_of(row[at_.images]).value_or(1), 1, 1000);
  old.cost = std::max<std::int64_t>(0, thousandths_of(row[at_.cost]).value_or(0));
  old.started_at = time_of(row[at_.started]);
  old.completed_at = time_of(row[at_.finished]);
  old.updated_at = time_of(row[at_.updated]).value_or(std::max(old.task.created_at, old.completed_at.value_or(0)));
  keep(old.params, kind_.params, at_.params, row);
  json::object extra, legacy;
  keep(extra, kind_.extra, at_.extra, row);
  if (!extra.empty()) old.result["extra"] = std::move(extra);
  keep(legacy, kind_.legacy, at_.legacy, row);
  if (const auto percent = percent_of(row[at_.progress]); percent && *percent < 100) legacy["progress"] = *percent;
  if (!legacy.empty()) old.params["legacy"] = std::move(legacy);
  for (const int column : at_.inputs) read_input(row[column].value_or(""), old);
  if (const auto list = json_of(row[at_.input_list]); list.is_array())
    for (const auto& item : list.as_array())
      if (item.is_string()) read_input(item.as_string(), old);
}

void TaskReader::read_input(std::string_view text, OldTask& old) {
  if (auto link = link_of(text); !link.empty()) return void(old.inputs.emplace_back(link));
  if (auto kept = keep_file(text)) {
    old.inputs.emplace_back(nullptr);
    old.kept_inputs.push_back(std::move(*kept));
  }
}

std::optional<KeptFile> TaskReader::keep_file(std::string_view text) {
  constexpr std::size_t kIds = 64;  // shorter is the id of something at the provider
  if (!work_.options.keep || text.size() <= kIds) return std::nullopt;
  const auto bytes = bytes_of(text);
  auto kept = bytes ? work_.options.keep(*bytes) : std::nullopt;
  ++(kept ? kept_ : unreadable_);
  return kept;
}

void TaskReader::read_results(const OldRow& row, OldTask& old) {
  ResultSources from{row.text(at_.stored_url), row.text(at_.url), json_of(row[at_.answer]),
                     uploaded_files(work_.tx, kind_, old.task.legacy_id)};
  old.results = choose_results(from, kind_.media_type);
  std::erase_if(old.results, [this](OldResult& result) {
    if (result.data.empty()) return false;
    auto kept = keep_file(result.data);
    if (kept) result.kept = std::move(*kept);
    return !kept;
  });
  if (const auto seconds = real_of(row[at_.seconds]); seconds && *seconds > 0) old.result["inference_seconds"] = *seconds;
}

// A result is the best proof of an end: the fork's words stopped moving when its process did.
void TaskReader::decide_end(const OldRow& row, OldTask& old) const {
  const Ended said = ended_by(row.text(at_.status));
  const Ended ended = said == Ended::unfinished && !old.results.empty() ? Ended::succeeded : said;
  const bool refunded = work_.refunded.contains(old.task.legacy_id);
  old.charged = refunded ? 0 : old.cost;
  if (ended == Ended::unfinished && may_resume(row, old)) {
    old.status = "running";
    old.waits_for_upstream = true;
    old.charged = 0;
    old.completed_at.reset();
    if (!old.started_at) old.started_at = old.task.created_at;
    return;
  }
  if (ended == Ended::succeeded) {
    old.status = "succeeded";
  } else if (ended == Ended::cancelled) {
    old.status = "cancelled";
    old.error_code = "cancelled";
    old.error = {"This was cancelled.", "任务已取消。"};
  } else if (ended == Ended::failed) {
    const std::string why = row.text(at_.error);
    old.error_code = "failed_before_adoption";
    old.error = why.empty() ? Text{"This failed in the previous system, which kept no reason.", "该任务在旧系统中失败，未留下原因。"}
                            : Text{why, why};
  } else {
    old.error_code = kLost;
    old.error = lost_text(old.cost, refunded);
  }
  if (!old.completed_at || *old.completed_at < old.task.created_at) old.completed_at = std::max(old.updated_at, old.task.created_at);
  if (old.started_at && *old.started_at > *old.completed_at) old.started_at.reset();
}

bool TaskReader::may_resume(const OldRow& row, const OldTask& old) const {
  if (!kind_.resumable || !work_.flux_key || !is_request_id(old.upstream_id)) return false;
  if (flag_of(row[at_.sync_mode]).value_or(false)) return false;  // its id is one the fork made up
  return old.task.created_at + kResumeWithin > work_.options.now;
}

}  // namespace fluxgate::db::adopt
