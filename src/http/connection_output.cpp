#include <charconv>

#include "base/clock.h"
#include "base/log.h"
#include "http/conditions.h"
#include "http/connection.h"
#include "http/file_reply.h"
#include "http/head_writer.h"

namespace fluxgate::http {
namespace {

// Bodies up to this size are copied behind their head: one buffer costs less than two.
constexpr std::size_t kCopiedBody = 16 * 1024;
// Files up to this size are read into memory and leave with their head in one packet.
constexpr std::uint64_t kSmallFile = 64 * 1024;
// Text files up to this size are compressed on the way out; larger ones would hold up the thread.
constexpr std::uint64_t kCompressedFileMax = 256 * 1024;
constexpr std::size_t kCompressMin = 1024;
constexpr std::uint64_t kFilePiece = 1024 * 1024;

}  // namespace

awaitable<void> Connection::send(Response response) {
  if (response.abort_connection) {
    gone_ = true;
    transport_->reset();
    co_return;
  }
  keep_alive_ = parser_->is_header_done() && parser_->keep_alive() && !lane_.draining && body_settles();
  out_.clear();
  if (const auto* text = std::get_if<std::string>(&response.body)) {
    co_await send_memory(response, *text);
  } else if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&response.body)) {
    co_await send_memory(response, *shared ? std::string_view(**shared) : std::string_view());
  } else if (const auto* file = std::get_if<FileBody>(&response.body)) {
    co_await send_file(response, *file);
  } else {
    co_await send_stream(response, std::get<StreamBody>(response.body));
  }
  said_close_ = !keep_alive_;
}

void Connection::begin_head(int status) {
  append_status_line(out_, status);
  out_.append(lane_.date_line()).append("X-Request-Id: ").append(id_).append("\r\n");
  if (!keep_alive_)
    out_ += "Connection: close\r\n";
  else if (head_.version() < 11)
    out_ += "Connection: keep-alive\r\n";
  if (site_.cors.enabled()) site_.cors.append_lines(out_, header("origin"));
}

bool Connection::revalidates(const Response& response, std::string_view etag) const {
  if (response.status != 200 || etag.empty() || method() != "GET") return false;
  const std::string_view known = header("if-none-match");
  return !known.empty() && etag_listed(known, etag);
}

Coding Connection::choose_coding(const Response& response, std::string_view content_type,
                                 std::uint64_t size) const {
  if (!site_.options.compress || size < kCompressMin || is_bodyless(response.status)) return Coding::identity;
  if (!is_compressible(content_type) || !find_header(response.headers, "content-encoding").empty())
    return Coding::identity;
  return negotiate_coding(header("accept-encoding"));
}

awaitable<void> Connection::send_memory(const Response& response, std::string_view body) {
  const std::string_view etag = find_header(response.headers, "etag");
  const bool fresh = revalidates(response, etag);
  const int status = fresh ? 304 : response.status;
  const std::string_view content_type = find_header(response.headers, "content-type");
  const Coding coding = fresh ? Coding::identity : choose_coding(response, content_type, body.size());
  CodedBodies::Body coded;
  begin_head(status);
  append_headers(out_, response.headers, coding == Coding::identity ? EtagForm::as_is : EtagForm::weak);
  if (site_.options.compress && body.size() >= kCompressMin && is_compressible(content_type))
    out_ += "Vary: Accept-Encoding\r\n";
  if (coding != Coding::identity) {
    const auto* shared = std::get_if<CodedBodies::Body>(&response.body);
    coded = shared != nullptr ? lane_.coded.coded(*shared, coding)
                              : std::make_shared<const std::string>(compress(body, coding));
    body = *coded;
    append_header(out_, "Content-Encoding", coding_name(coding));
  }
  if (is_bodyless(status))
    body = {};
  else
    append_content_length(out_, body.size());
  out_ += "\r\n";
  if (head_request_) body = {};
  co_await flush(body);
}

// What is in out_, then `body`.
awaitable<void> Connection::flush(std::string_view body) {
  if (body.size() <= kCopiedBody) {
    out_.append(body);
    body = {};
  }
  const boost::asio::const_buffer buffers[] = {boost::asio::buffer(out_), boost::asio::buffer(body)};
  co_await write_all(buffers);
  out_.clear();
}

awaitable<void> Connection::write_all(Buffers buffers) {
  std::array<boost::asio::const_buffer, 3> rest;
  FLUX_ASSERT(buffers.size() <= rest.size());
  std::ranges::copy(buffers, rest.begin());
  const Buffers view(rest.data(), buffers.size());
  std::size_t left = boost::asio::buffer_size(view);
  while (left > 0 && !gone_) {
    error_code ec;
    std::size_t size = transport_->write_now(view, ec);
    if (ec == boost::asio::error::would_block || ec == boost::asio::error::try_again) {
      arm(site_.options.write_timeout);
      size = co_await transport_->write(view, ec);
      disarm();
    }
    if (ec) gone_ = true;
    left -= size;
    for (auto& buffer : rest) {
      const std::size_t taken = std::min(size, buffer.size());
      buffer += taken;
      size -= taken;
    }
  }
}

awaitable<void> Connection::send_file(const Response& response, const FileBody& body) {
  std::optional<FileReply> file = FileReply::open(body.path);
  if (!file) {
    log::warn("request {}: the file to send is not there", id_);
    const Response missing =
        render(Error(Errc::not_found, "not_found", {"The file is gone.", "文件不存在。"}));
    const auto* text = std::get_if<std::string>(&missing.body);
    co_await send_memory(missing, text != nullptr ? std::string_view(*text) : std::string_view());
    co_return;
  }
  const std::string etag = body.etag.empty() ? "" : '"' + body.etag + '"';
  const Validators current{etag, file->modified()};
  const bool plain = response.status == 200 && method() == "GET";
  int status = response.status;
  if (plain && precondition_failed(header("if-match"), header("if-unmodified-since"), current)) {
    status = 412;
  } else if (plain && not_modified(header("if-none-match"), header("if-modified-since"), current)) {
    status = 304;
  } else if (plain && !head_request_ && !header("range").empty() && range_applies(header("if-range"), current)) {
    const RangeVerdict verdict = parse_range(header("range"), file->size(), file->range);
    if (verdict == RangeVerdict::partial) status = 206;
    if (verdict == RangeVerdict::unsatisfiable) status = 416;
  }
  const Coding coding = status == 200 && file->size() <= kCompressedFileMax
                            ? choose_coding(response, body.content_type, file->size())
                            : Coding::identity;
  begin_head(status);
  append_headers(out_, response.headers);
  if (!etag.empty()) append_header(out_, "ETag", coding == Coding::identity ? etag : "W/" + etag);
  append_header(out_, "Last-Modified", http_date(static_cast<Millis>(file->modified()) * 1000));
  append_header(out_, "Accept-Ranges", "bytes");
  if (site_.options.compress && is_compressible(body.content_type)) out_ += "Vary: Accept-Encoding\r\n";
  if (status == 416) {
    append_header(out_, "Content-Range", fmt::format("bytes */{}", file->size()));
    file->range = {};
  } else if (status == 304 || status == 412) {
    file->range = {};
  } else {
    append_header(out_, "Content-Type", body.content_type);
  }
  if (status == 206)
    append_header(out_, "Content-Range",
                  fmt::format("bytes {}-{}/{}", file->range.first, file->range.first + file->range.size - 1,
                              file->size()));
  if (coding != Coding::identity) {
    co_await send_file_coded(body, *file, coding);
    co_return;
  }
  if (status != 304) append_content_length(out_, file->range.size);
  out_ += "\r\n";
  co_await send_file_bytes(*file);
}

awaitable<void> Connection::send_file_coded(const FileBody& body, const FileReply& file, Coding coding) {
  const std::string version = fmt::format("{}:{}:{}", body.path, file.modified(), file.size());
  const auto read = [&file] { return file.read(0, file.size()); };
  const CodedBodies::Body coded = lane_.coded.coded(version, coding, read);
  append_header(out_, "Content-Encoding", coding_name(coding));
  append_content_length(out_, coded->size());
  out_ += "\r\n";
  co_await flush(head_request_ ? std::string_view() : std::string_view(*coded));
}

awaitable<void> Connection::send_file_bytes(const FileReply& file) {
  auto [offset, left] = file.range;
  if (head_request_) left = 0;
  if (left <= kSmallFile) {
    const std::string bytes = file.read(offset, left);
    co_await flush(bytes);
    if (bytes.size() != left) gone_ = true;
    co_return;
  }
  co_await flush({});
  while (left > 0 && !gone_) {
    error_code ec;
    arm(site_.options.write_timeout);
    const std::size_t sent =
        co_await transport_->send_file(file.descriptor(), offset, std::min(left, kFilePiece), ec);
    disarm();
    // A file that shrank cannot keep the length that was announced: only closing tells the client.
    if (ec || sent == 0) gone_ = true;
    offset += sent;
    left -= sent;
    // Let the thread's other connections have their turn between two pieces.
    co_await boost::asio::post(executor_, use_awaitable);
  }
}

awaitable<void> Connection::send_stream(const Response& response, const StreamBody& body) {
  chunked_ = head_.version() >= 11;
  if (!chunked_) keep_alive_ = false;
  begin_head(response.status);
  append_headers(out_, response.headers);
  if (chunked_) out_ += "Transfer-Encoding: chunked\r\n";
  out_ += "\r\n";
  co_await flush({});
  if (head_request_) co_return;
  try {
    co_await body(*this);
  } catch (const std::exception& e) {
    log::error("request {} {}: the stream threw: {}", id_, path(), e.what());
    gone_ = true;  // without its last chunk the client sees that the body is not complete
  }
  if (chunked_) co_await flush("0\r\n\r\n");
}

awaitable<bool> Connection::write(std::string_view chunk) {
  if (!chunk.empty() && chunked_) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, chunk.size(), 16).ptr;
    out_.append(digits, end).append("\r\n");
    if (chunk.size() <= kCopiedBody) {
      out_.append(chunk).append("\r\n");
      co_await flush({});
    } else {
      const boost::asio::const_buffer buffers[] = {boost::asio::buffer(out_), boost::asio::buffer(chunk),
                                                   boost::asio::buffer("\r\n", 2)};
      co_await write_all(buffers);
      out_.clear();
    }
  } else if (!chunk.empty()) {
    co_await flush(chunk);
  }
  co_return !gone_;
}

}  // namespace fluxgate::http
