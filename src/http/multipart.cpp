#include "http/multipart.h"

#include "http/multipart_parser.h"

namespace fluxgate::http {

struct MultipartReader::Impl {
  Impl(Request& request_in, std::uint64_t total_limit, const std::string& boundary)
      : request(request_in), limit(total_limit), parser(boundary) {}

  // The next event that is not need_more.
  awaitable<Result<MultipartParser::Event>> advance();
  // Reads over what follows the last part, so that the connection can be kept.
  awaitable<Result<void>> finish();

  Request& request;
  const std::uint64_t limit;
  MultipartParser parser;
  bool in_part = false;
  bool ended = false;
};

awaitable<Result<MultipartParser::Event>> MultipartReader::Impl::advance() {
  for (;;) {
    Result<MultipartParser::Event> event = parser.next();
    if (!event || *event != MultipartParser::Event::need_more) co_return event;
    const Result<std::string_view> piece = co_await request.read_some(limit);
    if (!piece) co_return fail(piece.error());
    if (piece->empty())
      co_return fail(Errc::bad_request, "malformed_multipart",
                     {"The multipart body ends before its last boundary.", "multipart 请求体缺少结束边界。"});
    parser.feed(*piece);
  }
}

awaitable<Result<void>> MultipartReader::Impl::finish() {
  for (;;) {
    const Result<std::string_view> piece = co_await request.read_some(limit);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return Result<void>();
  }
}

MultipartReader::MultipartReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MultipartReader::MultipartReader(MultipartReader&&) noexcept = default;
MultipartReader::~MultipartReader() = default;

Result<MultipartReader> MultipartReader::open(Request& request, std::uint64_t total_limit) {
  const auto boundary = multipart_boundary(request.header("content-type"));
  if (!boundary)
    return fail(Errc::unsupported_media, "not_multipart",
                {"The body must be multipart/form-data with a boundary.",
                 "请求体必须是带 boundary 的 multipart/form-data。"});
  return MultipartReader(std::make_unique<Impl>(request, total_limit, *boundary));
}

awaitable<Result<std::optional<PartHeader>>> MultipartReader::next_part() {
  while (!impl_->ended) {
    const Result<MultipartParser::Event> event = co_await impl_->advance();
    if (!event) co_return fail(event.error());
    if (*event == MultipartParser::Event::header) {
      impl_->in_part = true;
      co_return impl_->parser.header();
    }
    if (*event != MultipartParser::Event::end) continue;
    impl_->ended = true;
    const Result<void> finished = co_await impl_->finish();
    if (!finished) co_return fail(finished.error());
  }
  co_return std::nullopt;
}

awaitable<Result<std::string_view>> MultipartReader::read_some() {
  if (!impl_->in_part) co_return std::string_view();
  const Result<MultipartParser::Event> event = co_await impl_->advance();
  if (!event) co_return fail(event.error());
  if (*event == MultipartParser::Event::data) co_return impl_->parser.data();
  impl_->in_part = false;  // part_end: a part ends before anything else can come
  co_return std::string_view();
}

}  // namespace fluxgate::http
