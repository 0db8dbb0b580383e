#include "api/upload_routes.h"

#include "base/ids.h"
#include "http/multipart.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

constexpr std::uint64_t kFileLimit = 10 * 1024 * 1024;
constexpr std::uint64_t kFrameLimit = 64 * 1024;  // boundaries, part headers, small form fields

// One of the two endpoints.
struct Form {
  std::string_view part;         // the name of its parts
  std::string_view name_prefix;  // of stored files
  std::string_view source_type;  // in generated_files
  std::size_t max_files;
};
constexpr Form kOne{"file", "flux_input", "flux_input", 1};
constexpr Form kMany{"files", "flux_multi_input", "flux_multi_input", kUploadsMax};

using IncomingList = std::vector<std::unique_ptr<files::Incoming>>;

std::unexpected<Error> no_file(std::string_view part) {
  return refuse_field("body", std::string(part), "missing",
                      {fmt::format("Send the picture as the form part \"{}\".", part),
                       fmt::format("请以表单字段“{}”上传图片。", part)});
}

std::unexpected<Error> too_many(const Form& form) {
  return refuse_field("body", std::string(form.part), "too_long",
                      {fmt::format("Send at most {} file(s).", form.max_files),
                       fmt::format("最多上传 {} 个文件。", form.max_files)},
                      nullptr, {{"max_length", form.max_files}});
}

// A picture's refusal with its place in the form.
std::unexpected<Error> blamed(Error error, const Form& form, std::size_t index) {
  if (error.errc() == Errc::invalid && error.fields().empty()) {
    FieldError field;
    field.loc = {std::string("body"), std::string(form.part)};
    if (form.max_files > 1) field.loc.emplace_back(static_cast<std::int64_t>(index));
    field.type = error.code();
    field.message = error.message();
    return fail(Error::invalid(std::move(field)));
  }
  return fail(std::move(error).with("part", json::string(form.part)).with("index", index));
}

// Copies the current part to a file on its way in.
awaitable<Result<void>> take_part(http::MultipartReader& reader, files::Incoming& incoming, const Form& form,
                                  std::size_t index) {
  bool empty = true;
  for (;;) {
    auto piece = co_await reader.read_some();
    FLUX_CO_TRY(bytes, std::move(piece));
    if (bytes.empty()) break;
    empty = false;
    auto written = incoming.write(bytes);
    if (!written) co_return blamed(std::move(written).error(), form, index);
  }
  if (empty)
    co_return blamed(Error(Errc::invalid, "file_empty", {"The file has no bytes.", "文件内容为空。"}), form,
                     index);
  co_return Result<void>();
}

// All parts of the form, written and not yet published. Dropping the list drops the bytes.
awaitable<Result<IncomingList>> take_parts(const Api& api, http::Request& request, const Form& form) {
  const std::uint64_t limit = form.max_files * kFileLimit + (form.max_files + 1) * kFrameLimit;
  FLUX_CO_TRY(reader, http::MultipartReader::open(request, limit));
  IncomingList list;
  for (;;) {
    auto next = co_await reader.next_part();
    FLUX_CO_TRY(header, std::move(next));
    if (!header) break;
    if (header->name != form.part || header->file_name.empty()) continue;
    if (list.size() == form.max_files) co_return too_many(form);
    list.push_back(api.parts.files.begin(files::Purpose::upload));
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

struct Kept {
  files::FileRow row;
  files::Stored stored;
};

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

json::object upload_json(const Api& api, const Kept& kept, Language language) {
  const Text words{"The picture is stored.", "图片已上传。"};
  const std::string link = api.parts.files.link(kept.row.id, kept.row.filename, api.parts.clock.now_ms());
  return {{"success", true},
          {"message", words.in(language)},
          {"url", api.parts.info.public_url + link},
          {"file_id", kept.row.id},
          {"content_type", kept.stored.mime},
          {"width", kept.stored.width},
          {"height", kept.stored.height},
          {"size", kept.stored.size}};
}

awaitable<Result<json::array>> take_form(const Api& api, http::Request& request, const Form& form) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto taken = co_await take_parts(api, request, form);
  FLUX_CO_TRY(list, std::move(taken));
  std::vector<Kept> all;
  for (auto& incoming : list) {
    auto finished = co_await incoming->finish();
    if (!finished) co_return blamed(std::move(finished).error(), form, all.size());
    files::Stored& stored = *finished;
    all.push_back(describe(form, all.size(), principal.user_id, std::move(stored), api.parts.clock.now_ms()));
  }
  co_await api.parts.database.write([&files = api.parts.files, all](db::Tx& tx) {
    for (const Kept& kept : all) files.insert(tx, kept.row, kept.stored);
  });
  json::array answers;
  for (const Kept& kept : all) answers.push_back(upload_json(api, kept, request.language()));
  co_return answers;
}

Answer upload_image(const Api& api, http::Request& request) {
  auto taken = co_await take_form(api, request, kOne);
  FLUX_CO_TRY(answers, std::move(taken));
  co_return private_json(answers.front());
}

Answer upload_images(const Api& api, http::Request& request) {
  auto taken = co_await take_form(api, request, kMany);
  FLUX_CO_TRY(answers, std::move(taken));
  co_return private_json(answers);
}

}  // namespace

void add_upload_routes(http::Router& router, const ApiPtr& api) {
  router.post("/api/v1/flux/upload-image", bind(api, upload_image));
  router.post("/api/v1/flux/upload-images", bind(api, upload_images));
}

}  // namespace fluxgate::api
