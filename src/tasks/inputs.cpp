#include "tasks/inputs.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "files/inputs.h"
#include "files/objects.h"

namespace fluxgate::tasks {
namespace {

constexpr std::uint64_t kInlineTotal = 10 * 1024 * 1024;

FieldError at(files::Loc loc, std::string type, Text message, std::string_view input) {
  FieldError error;
  error.loc = std::move(loc);
  error.type = std::move(type);
  error.message = std::move(message);
  error.input = boost::json::value(input.substr(0, 100));
  return error;
}

// Stores a picture that came inside the request; its row waits for the submit's transaction.
awaitable<Result<std::pair<files::FileRow, files::Stored>>> keep(files::Files& files, const std::string& bytes,
                                                                 const InputContext& context) {
  auto incoming = files.begin(files::Purpose::upload);
  FLUX_CO_CHECK(incoming->write(bytes));
  auto stored = co_await incoming->finish();
  if (!stored) co_return fail(std::move(stored).error());
  files::FileRow row;
  row.id = new_id(context.now);
  row.user_id = context.user_id;
  row.key = stored->key;
  row.mime = stored->mime;
  row.filename = fmt::format("flux_input_{}.{}", row.id, stored->mime.substr(stored->mime.find('/') + 1));
  row.source_type = "flux_input";
  row.sha256 = stored->sha256;
  row.size = stored->size;
  row.created_at = context.now;
  co_return std::pair(std::move(row), std::move(*stored));
}

// One after the other into `taken`.
awaitable<Result<void>> take_each(db::Database& database, files::Files& files, const std::vector<std::string>& inputs,
                                  const std::string& param, const InputContext& context, TakenInputs& taken) {
  std::uint64_t inline_bytes = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    files::Loc loc{std::string("body"), param};
    if (param.ends_with('s')) loc.emplace_back(static_cast<std::int64_t>(i));
    FLUX_CO_TRY(reference, files::classify_input(inputs[i], loc, context.own_origins));
    if (auto* url = std::get_if<files::PublicUrl>(&reference)) {
      taken.values.push_back(url->url);
      taken.hashes.emplace_back();
      continue;
    }
    if (auto* picture = std::get_if<files::InlineImage>(&reference)) {
      auto kept = co_await keep(files, picture->bytes, context);
      if (!kept) co_return files::refused_at(std::move(kept).error(), std::move(loc));
      inline_bytes += kept->second.size;
      taken.hashes.push_back(kept->second.sha256);
      taken.values.push_back(files.link(kept->first.id, kept->first.filename, context.now));
      taken.uploads.push_back(std::move(*kept));
    } else {
      const std::string& id = std::get<files::OwnFile>(reference).id;
      auto row = co_await database.read(
          [&files, id, owner = context.user_id](db::Tx& tx) { return files.find(tx, id, owner); });
      if (!row)
        co_return fail(Error::invalid(at(std::move(loc), "file_unknown", {param + " names a file that you do not have.", param + " 指向的文件不存在。"}, inputs[i])));
      inline_bytes += row->size;
      taken.hashes.push_back(row->sha256);
      taken.values.push_back(files.link(row->id, row->filename, context.now));
    }
    if (context.inline_only && inline_bytes > kInlineTotal)
      co_return fail(Error::invalid(at(
          {std::string("body"), param}, "inputs_too_large",
          {fmt::format("{}: pictures are sent to the provider inside the request, at most {} bytes in all; received {}. "
                       "An administrator can set WEBUI_URL, so that the provider fetches them instead.", param, kInlineTotal, inline_bytes),
           fmt::format("{}：图片随请求内联发送，总计不超过 {} 字节，收到 {}。管理员设置 WEBUI_URL 后可改由服务商自行获取。", param, kInlineTotal, inline_bytes)},
          "")));
  }
  co_return Result<void>();
}

}  // namespace

awaitable<Result<TakenInputs>> take_inputs(db::Database& database, files::Files& files, std::vector<std::string> inputs,
                                           std::string param, InputContext context) {
  TakenInputs taken;
  auto all = co_await take_each(database, files, inputs, param, context, taken);
  if (all) co_return taken;
  co_await abandon(database, std::move(taken.uploads), context.now);
  co_return std::unexpected(std::move(all).error());
}

awaitable<void> abandon(db::Database& database, TakenInputs::Pictures pictures, Millis now) {
  if (pictures.empty()) co_return;
  std::vector<files::Stored> all;
  for (auto& [row, stored] : pictures) all.push_back(std::move(stored));
  co_await database.write([all, now](db::Tx& tx) { files::objects::abandon(tx, all, now); });
}

}  // namespace fluxgate::tasks
