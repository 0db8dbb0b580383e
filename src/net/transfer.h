// One request to one URL on one easy handle: its options, its callbacks, and what is known of how far it
// came. Redirects are not followed here; the client starts a Transfer per hop.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "net/curl_multi.h"
#include "net/http_client.h"
#include "net/url.h"

namespace fluxgate::net {

class Transfer final : public Waiter {
 public:
  struct Rules {
    bool guarded = false;           // this hop: refuse addresses that are not public
    bool any_address = false;       // tests: do not
    std::string fetch_proxy;        // for guarded hops
    bool follows_redirects = false; // an answer that will be followed is not handed to on_head and sink
  };
  using TimePoint = std::chrono::steady_clock::time_point;

  // Request and options are the caller's and outlive the transfer.
  Transfer(std::shared_ptr<CurlMulti> multi, const HttpRequest& request, const CallOptions& options, Url url,
           Rules rules);
  ~Transfer() override;  // ends the transfer if it is under way
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Whether a client that follows redirects goes on from this answer.
  static bool is_followed(const HttpResponse& response);

  // Runs the request until its end, `deadline` or silence. Called once.
  awaitable<Reply> run(std::optional<TimePoint> deadline);

 private:
  enum class Stop { none, refused, too_large, sink, source, cut, thrown };
  static constexpr std::size_t kHeadBytesMax = 128 * 1024;
  static constexpr std::size_t kErrorBodyMax = 64 * 1024;

  void finished(CURLcode code) override;
  void configure();
  void configure_method();
  bool configure_headers();
  void configure_proxy();

  // curl's callbacks, by their option's name.
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int before_request(void* self, char* address, char* local, int port, int local_port);
  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self);
  static std::size_t on_upload(char* into, std::size_t one, std::size_t size, void* self);
  static int on_rewind(void* self, curl_off_t offset, int origin);
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);

  bool take_header(std::string_view line);
  bool take_head();
  bool take_body(std::string_view piece);
  std::size_t give_body(std::span<char> into);
  bool stop(Stop why);
  template <class Receiver>
  bool shielded(Receiver receiver);
  bool will_be_followed() const;
  bool goes_to_sink() const;
  TimePoint next_look(std::optional<TimePoint> deadline) const;
  bool is_silent(TimePoint now);

  Reply result();
  Failure failure(Failure::Kind kind, std::string detail) const;
  Failure failure_of(CURLcode code) const;
  Failure::Sent sent() const;

  std::shared_ptr<CurlMulti> multi_;
  const HttpRequest& request_;
  const CallOptions& options_;
  const Url url_;
  const Rules rules_;
  CURL* easy_ = nullptr;
  curl_slist* header_lines_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  boost::asio::steady_timer event_;  // cancelled when the transfer has ended

  bool added_ = false;
  std::optional<CURLcode> ended_;
  int requests_begun_ = 0;
  TimePoint last_byte_{};
  curl_off_t uploaded_ = 0;        // bytes that curl has counted as sent
  std::uint64_t upload_read_ = 0;  // bytes taken from the upload's reader
  Stop stop_ = Stop::none;
  std::exception_ptr thrown_;  // by sink or on_head; must not pass through curl's frames
  std::string refused_address_;
  HttpResponse response_;
  std::size_t head_bytes_ = 0;
  bool head_done_ = false;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace fluxgate::net
