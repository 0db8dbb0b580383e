// One client's connection: reads a request, runs its handler, writes the answer, again. It is itself
// the Request that handlers see, so that a kept-alive connection allocates nothing anew.
//
// Runs on its lane's thread only. The coroutine `run` owns every wait; whoever else wants something
// (the sweep: time is up; the drain: end yourself) sets a flag and cancels the operation in flight.
// A handler is never cancelled: when its client leaves it runs to its end and the answer is dropped.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>

#include "http/compress.h"
#include "http/request_head.h"
#include "http/request_parser.h"
#include "http/site.h"
#include "http/transport.h"

namespace fluxgate::http {

class FileReply;

class Connection final : public Request, private BodyWriter, public LaneMember {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Admission { normal, overloaded };

  // Registers itself with the lane. `lane` outlives it.
  Connection(Lane& lane, std::unique_ptr<Transport> transport, std::string remote_address,
             Admission admission, const boost::asio::any_io_executor& executor);
  ~Connection() override;

  // Serves until the connection has ended. Once.
  awaitable<void> run();

  // LaneMember
  void expire_before(Time now) override;
  void begin_drain() override;
  void abort() override;

  // Request
  std::string_view method() const override { return head_request_ ? "GET" : head_.method(); }
  bool is_head() const override { return head_request_; }
  std::string_view target() const override { return head_.target(); }
  std::string_view path() const override { return head_.path(); }
  std::string_view header(std::string_view name) const override { return head_.field(name); }
  HeaderList header_list() const override { return head_.fields(); }
  std::string_view remote_address() const override { return remote_address_; }
  std::string_view id() const override { return id_; }
  std::optional<std::string> query(std::string_view name) const override { return head_.query(name); }
  std::string_view param(std::string_view name) const override;
  std::string_view cookie(std::string_view name) const override { return head_.cookie(name); }
  bool over_tls() const override { return transport_->over_tls(); }
  std::optional<std::uint64_t> content_length() const override;
  awaitable<Result<std::string>> read_body(std::size_t limit) override;
  awaitable<Result<std::string_view>> read_some(std::uint64_t limit) override;

 private:
  enum class HeadOutcome { complete, gone, malformed, too_large, timed_out };
  enum class BodyState { open, refused, stalled, broken };

  // BodyWriter
  awaitable<bool> write(std::string_view chunk) override;
  bool draining() const override { return lane_.draining; }
  awaitable<bool> wait(Wakeup& wake, std::chrono::milliseconds limit) override;

  // connection.cpp: the life of the connection
  awaitable<bool> serve_one();
  awaitable<void> close();
  awaitable<void> linger();
  void reset();
  void arm(std::chrono::milliseconds limit);
  void disarm() { deadline_ = Time::max(); }

  // connection_input.cpp: requests and their bodies
  awaitable<HeadOutcome> read_head();
  std::optional<HeadOutcome> parse_head();
  std::optional<Response> refuse_head();
  void take_id();
  awaitable<bool> fill_body();
  Error body_error() const;
  Result<std::string_view> parse_body(std::uint64_t limit);
  bool body_settles();
  awaitable<bool> discard_body();
  awaitable<void> watch();

  // connection_answer.cpp: from request to Response
  awaitable<Response> answer();
  awaitable<Response> call(const Handler& handler);
  Response answer_unrouted();
  void add_preflight(Response& response) const;
  Response render(const Error& error);

  // connection_output.cpp: from Response to bytes
  awaitable<void> send(Response response);
  awaitable<void> send_memory(const Response& response, std::string_view body);
  awaitable<void> send_file(const Response& response, const FileBody& file);
  awaitable<void> send_file_coded(const FileBody& body, const FileReply& file, Coding coding);
  awaitable<void> send_file_bytes(const FileReply& file);
  awaitable<void> send_stream(const Response& response, const StreamBody& body);
  void begin_head(int status);
  bool revalidates(const Response& response, std::string_view etag) const;
  Coding choose_coding(const Response& response, std::string_view content_type, std::uint64_t size) const;
  awaitable<void> flush(std::string_view body);
  awaitable<void> write_all(Buffers buffers);

  // constant
  Lane& lane_;
  Site& site_;
  const std::unique_ptr<Transport> transport_;
  const std::string remote_address_;
  const Admission admission_;
  boost::asio::any_io_executor executor_;

  // the connection
  boost::beast::flat_buffer in_;
  std::string out_;
  Time deadline_ = Time::max();
  Wakeup* waiting_ = nullptr;  // of the stream that waits just now
  bool timed_out_ = false;     // the operation in flight was ended by the sweep
  bool idle_ = false;          // waiting for the first byte of a request
  bool gone_ = false;          // nothing can be sent any more
  bool said_close_ = false;    // the last answer told the client that the connection ends

  // the request
  RequestHead head_;
  std::optional<RequestParser> parser_;
  Router::Match match_;
  std::string id_;
  std::size_t head_bytes_ = 0;
  std::size_t consumed_ = 0;  // bytes of in_ that the last piece of the body still lies in
  std::uint64_t body_received_ = 0;
  BodyState body_ = BodyState::open;
  bool head_request_ = false;
  bool wants_continue_ = false;  // the client holds its body back (RFC 9110 §10.1.1)
  bool keep_alive_ = false;
  bool chunked_ = false;  // the stream being written is sent in chunks
};

// A small answer of the library's own, for what has no Errc.
Response plain_problem(int status, std::string_view code, std::string_view detail);

}  // namespace fluxgate::http
