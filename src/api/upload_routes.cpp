#include "api/upload_routes.h"

#include <algorithm>

#include "base/ids.h"
#include "files/inputs.h"
#include "files/purposes.h"
#include "http/multipart.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

constexpr std::uint64_t kFrameLimit = 64 * 1024;  // boundaries, part headers, small form fields
constexpr std::size_t kImportBody = 14 * 1024 * 1024;  // files::kInlineLimit in base64, and the rest

// One of the endpoints that take a form.
struct Form {
  std::string_view part;         // the name of its parts
  std::string_view name_prefix;  // of stored files
  std::string_view source_type;  // in generated_files
  std::size_t max_files;
  files::Purpose purpose = files::Purpose::upload;
};
constexpr Form kOne{"file", "flux_input", "flux_input", 1};
constexpr Form kMany{"files", "flux_multi_input", "flux_multi_input", kUploadsMax};
constexpr Form kFilm{"video", "kling_video", "kling_lip_sync", 1, files::Purpose::video_upload};
constexpr Form kVoice{"audio", "kling_audio", "kling_lip_sync", 1, files::Purpose::audio_upload};

using IncomingList = std::vector<std::unique_ptr<files::Incoming>>;

std::unexpected<Error> no_file(std::string_view part) {
  return refuse_field("body", std::string(part), "missing",
                      {fmt::format("Send the file as the form part \"{}\".", part),
                       fmt::format("请以表单字段“{}”上传文件。", part)});
}

std::unexpected<Error> too_many(const Form& form) {
  return refuse_field("body", std::string(form.part), "too_long",
                      {form.max_files == 1 ? "Send one file." : fmt::format("Send at most {} files.", form.max_files),
                       fmt::format("最多上传 {} 个文件。", form.max_files)},
                      nullptr, {{"max_length", form.max_files}});
}

// Which of the files, and why.
std::unexpected<Error> blamed(Error error, const Form& form, std::size_t index) {
  if (error.errc() != Errc::invalid) return fail(std::move(error).with("part", json::string(form.part)).with("index", index));
  files::Loc loc{std::string("body"), std::string(form.part)};
  if (form.max_files > 1) loc.emplace_back(static_cast<std::int64_t>(index));
  return files::refused_at(std::move(error), std::move(loc));
}

// A body that is larger than all its files may be.
std::unexpected<Error> too_large(const Form& form, std::uint64_t limit) {
  Error error = files::file_too_large(limit);
  if (form.max_files == 1) return fail(std::move(error).with("part", json::string(form.part)));
  return fail(Error(Errc::payload_too_large, error.code(),
                    {fmt::format("At most {} files of {} MiB each are taken; this is more.", form.max_files, limit >> 20),
                     fmt::format("最多上传 {} 个文件，每个不超过 {} MiB；请求超出此限制。", form.max_files, limit >> 20)})
                  .with("limit", limit)
                  .with("max_files", form.max_files));
}

// Copies the current part to a file on its way in.
awaitable<Result<void>> take_part(http::MultipartReader& reader, files::Incoming& incoming, const Form& form,
                                  std::size_t index) {
  for (;;) {
    auto piece = co_await reader.read_some();
    FLUX_CO_TRY(bytes, std::move(piece));
    if (bytes.empty()) break;
    auto written = incoming.write(bytes);
    if (!written) co_return blamed(std::move(written).error(), form, index);
  }
  co_return Result<void>();
}

// All parts of the form, written and not yet published. Dropping the list drops the bytes.
awaitable<Result<IncomingList>> take_parts(const Api& api, http::Request& request, const Form& form) {
  const std::uint64_t each = api.parts.files.limit_of(form.purpose);
  FLUX_CO_TRY(reader, http::MultipartReader::open(request, form.max_files * each + (form.max_files + 1) * kFrameLimit));
  IncomingList list;
  for (;;) {
    auto next = co_await reader.next_part();
    if (!next && next.error().errc() == Errc::payload_too_large) co_return too_large(form, each);
    FLUX_CO_TRY(header, std::move(next));
    if (!header) break;
    if (header->name != form.part || header->file_name.empty()) continue;
    if (list.size() == form.max_files) co_return too_many(form);
    list.push_back(api.parts.files.begin(form.purpose));
    auto taken = co_await take_part(reader, *list.back(), form, list.size() - 1);
    FLUX_CO_CHECK(std::move(taken));
  }
  if (list.empty()) co_return no_file(form.part);
  co_return list;
}

// The end of a store key: ".png".
std::string_view extension(std::string_view key) {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(dot);
}

using Kept = files::KeptFile;

Kept describe(const Form& form, std::size_t index, const std::string& user_id, files::Stored stored,
              Millis now) {
  files::FileRow row;
  row.id = new_id(now);
  row.user_id = user_id;
  const std::string number = form.max_files == 1 ? "" : fmt::format("_{}", index);
  row.filename = fmt::format("{}{}_{}{}", form.name_prefix, number, row.id, extension(stored.key));
  row.key = stored.key;
  row.mime = stored.mime;
  row.source_type = form.source_type;
  row.sha256 = stored.sha256;
  row.size = stored.size;
  row.created_at = now;
  return {std::move(row), std::move(stored)};
}

awaitable<Result<std::vector<Kept>>> take_form(const Api& api, http::Request& request, const Form& form) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto taken = co_await take_parts(api, request, form);
  FLUX_CO_TRY(list, std::move(taken));
  auto finished = co_await files::Uploads::finish_all(std::move(list));
  const auto refused = std::ranges::find_if(finished, [](const auto& one) { return !one; });
  if (refused != finished.end()) {
    std::vector<files::Stored> others;
    for (auto& one : finished)
      if (one) others.push_back(std::move(*one));
    co_await api.parts.uploads->abandon(std::move(others));
    co_return blamed(std::move(*refused).error(), form, static_cast<std::size_t>(refused - finished.begin()));
  }
  std::vector<Kept> all;
  for (auto& one : finished)
    all.push_back(describe(form, all.size(), principal.user_id, std::move(*one), api.parts.clock.now_ms()));
  auto inserted = co_await api.parts.uploads->insert(all);
  FLUX_CO_CHECK(std::move(inserted));
  co_return all;
}

Answer upload_image(const Api& api, http::Request& request) {
  auto taken = co_await take_form(api, request, kOne);
  FLUX_CO_TRY(all, std::move(taken));
  co_return private_json(kept_json(api, all.front(), request.language()));
}

Answer upload_images(const Api& api, http::Request& request) {
  auto taken = co_await take_form(api, request, kMany);
  FLUX_CO_TRY(all, std::move(taken));
  json::array answers;
  for (const Kept& kept : all) answers.push_back(kept_json(api, kept, request.language()));
  co_return private_json(answers);
}

// With the members of the original beside ours. (Its cloud_path was always null.)
awaitable<Result<http::Response>> upload_for_kling(const Api& api, http::Request& request, const Form& form) {
  auto taken = co_await take_form(api, request, form);
  FLUX_CO_TRY(all, std::move(taken));
  json::object answer = kept_json(api, all.front(), request.language());
  const std::string link = std::string(form.part) + "_url";
  answer[link] = answer.at("url");
  answer["cloud_path"] = all.front().stored.key;
  co_return private_json(answer);
}
Answer upload_video(const Api& api, http::Request& request) { return upload_for_kling(api, request, kFilm); }
Answer upload_audio(const Api& api, http::Request& request) { return upload_for_kling(api, request, kVoice); }

Answer import_file(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request, kImportBody);
  FLUX_CO_TRY(object, std::move(read));
  Members body(object);
  const std::string source = body.text("source", {.min = 1, .max = kImportBody});
  const files::Purpose purpose = read_kind(body);
  const std::string name = body.maybe_text("filename", {.max = 255}).value_or("");
  FLUX_CO_CHECK(body.check());
  const files::Loc at{std::string("body"), std::string("source")};
  const std::uint64_t inline_limit = std::min(files::kInlineLimit, api.parts.files.limit_of(purpose));
  FLUX_CO_TRY(input, files::classify_input(source, at, {api.parts.info.public_url}, {}, inline_limit, files::Purpose::media_upload));
  Result<Kept> kept = fail(Errc::invalid, "own_link", {"This file is already on this server.", "该文件已在本服务器上。"});
  if (auto* link = std::get_if<files::PublicUrl>(&input))
    kept = co_await api.parts.uploads->import_url(principal.user_id, purpose, link->url);
  else if (auto* bytes = std::get_if<files::InlineImage>(&input))
    kept = co_await api.parts.uploads->import_bytes(principal.user_id, purpose, name.empty() ? "pasted" : name, std::move(bytes->bytes));
  if (!kept) co_return files::refused_at(std::move(kept).error(), at);
  const Kept& file = *kept;
  co_return private_json(kept_json(api, file, request.language()));
}

}  // namespace

json::object kept_json(const Api& api, const Kept& kept, Language language) {
  const Text words{"The file is stored.", "文件已上传。"};
  const std::string link = api.parts.files.link(kept.row.id, kept.row.filename, api.parts.clock.now_ms());
  json::object answer{{"success", true},
                      {"message", words.in(language)},
                      {"url", api.parts.info.public_url + link},
                      {"file_id", kept.row.id},
                      {"filename", kept.row.filename},
                      {"content_type", kept.stored.mime},
                      {"size", kept.stored.size}};
  if (kept.stored.width > 0) {
    answer["width"] = kept.stored.width;
    answer["height"] = kept.stored.height;
  }
  if (kept.stored.duration_ms > 0) answer["duration_ms"] = kept.stored.duration_ms;
  return answer;
}

files::Purpose read_kind(Members& body) {
  const std::string kind = body.maybe_text("kind", {.max = 16}).value_or("any");
  const auto purpose = files::purpose_named(kind);
  if (!purpose)
    body.refuse("kind", "enum", {"Expected image, video, audio or any.", "应为 image、video、audio 或 any。"},
                {{"expected", "image, video, audio, any"}, {"received", kind}});
  return purpose.value_or(files::Purpose::media_upload);
}

void add_upload_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/flux/upload-image", bind(api, upload_image));
  router.post("/api/v1/flux/upload-images", bind(api, upload_images));
  router.post("/api/v1/kling-lip-sync/upload-video", bind(api, upload_video));
  router.post("/api/v1/kling-lip-sync/upload-audio", bind(api, upload_audio));
  router.post("/api/v1/uploads/import", bind(api, import_file));
}

}  // namespace fluxgate::api
