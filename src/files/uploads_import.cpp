// Files that come by link, or inside a request.
#include "files/uploads.h"

namespace fluxgate::files {
namespace {

std::unexpected<Error> bad_source(std::string type, Text message, boost::json::object context = {}) {
  FieldError field;
  field.loc = {std::string("body"), std::string("source")};
  field.type = std::move(type);
  field.message = std::move(message);
  field.context = std::move(context);
  return fail(Error::invalid(std::move(field)));
}

Text why_unreachable(net::Failure::Kind kind) {
  using enum net::Failure::Kind;
  switch (kind) {
    case resolve: return {"The link's host name cannot be resolved.", "无法解析链接的域名。"};
    case connect: return {"The link's host refuses the connection.", "链接的主机拒绝连接。"};
    case tls: return {"The certificate of the link's host is not trusted.", "链接主机的证书不受信任。"};
    case timeout: return {"The link's host does not answer in time.", "链接的主机响应超时。"};
    default: return {"The connection to the link's host broke.", "与链接主机的连接中断。"};
  }
}

}  // namespace

awaitable<Result<KeptFile>> Uploads::import_bytes(std::string user_id, Purpose purpose, std::string name, std::string bytes) {
  auto incoming = files_.begin(purpose);
  FLUX_CO_CHECK(incoming->write(bytes));
  auto stored = co_await incoming->finish();
  FLUX_CO_TRY(object, std::move(stored));
  auto kept = co_await insert_one(row_of(user_id, "upload", name, object), object);
  co_return kept;
}

awaitable<Result<KeptFile>> Uploads::import_url(std::string user_id, Purpose purpose, std::string url) {
  std::string name = url.substr(0, url.find_first_of("?#"));
  auto fetched = co_await boost::asio::co_spawn(client_executor_, fetch(std::move(url), purpose), use_awaitable);
  FLUX_CO_TRY(object, std::move(fetched));
  auto kept = co_await insert_one(row_of(user_id, "import", name, object), object);
  co_return kept;
}

// On the client's thread.
awaitable<Result<Stored>> Uploads::fetch(std::string url, Purpose purpose) {
  std::shared_ptr<Incoming> incoming = files_.begin(purpose);
  auto refused = std::make_shared<std::optional<Error>>();
  net::CallOptions call;
  call.connect_timeout = options_.fetch_stall;
  call.timeout = options_.fetch_timeout;
  call.stall_timeout = options_.fetch_stall;
  call.max_redirects = 3;
  call.max_body = UINT64_MAX;  // the file's limit has its own words
  call.guarded = true;
  call.sink = [this, incoming, refused](std::string_view piece) {
    if (stopping_) return false;
    if (auto written = incoming->write(piece); !written) *refused = std::move(written).error();
    return !refused->has_value();
  };
  HttpRequest request;
  request.url = std::move(url);
  auto reply = co_await client_.call(std::move(request), std::move(call));
  if (*refused) co_return fail(**refused);
  if (!reply && reply.error().kind == net::Failure::Kind::refused)
    co_return bad_source("url_address", {"The link leads to an address that is not public.", "链接指向非公网地址。"});
  if (!reply)
    co_return bad_source("url_unreachable", why_unreachable(reply.error().kind),
                         {{"reason", boost::json::string(net::to_string(reply.error().kind))}});
  if (reply->status != 200)
    co_return bad_source("url_status",
                         {fmt::format("The link was answered with status {}.", reply->status),
                          fmt::format("链接返回状态码 {}。", reply->status)},
                         {{"status", reply->status}});
  auto stored = co_await incoming->finish();
  co_return stored;
}

}  // namespace fluxgate::files
