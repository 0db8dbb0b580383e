// What connections share: the Site, one for the server and read-only while it runs, and the Lane, one
// for each I/O thread and touched by it alone.
#pragma once

#include <atomic>
#include <ctime>
#include <string>

#include <boost/intrusive/list.hpp>

#include "http/compress.h"
#include "http/cors.h"
#include "http/server.h"

namespace boost::asio::ssl {
class context;
}

namespace fluxgate::http {

struct Site {
  Site(ServerOptions options_in, Router router_in, Server::ErrorRenderer render_in)
      : options(std::move(options_in)),
        router(std::move(router_in)),
        render(std::move(render_in)),
        cors(options.cors_origins, options.cors_expose) {}

  ServerOptions options;
  Router router;
  Server::ErrorRenderer render;
  Cors cors;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null = plain
  std::atomic<std::size_t> connections = 0;
};

// What a lane may do to its connections from beside their coroutines. In the lane's list while it lives.
class LaneMember
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // Ends a wait that lasted too long; by the sweep.
  virtual void expire_before(std::chrono::steady_clock::time_point now) = 0;
  // One that waits for a request ends; one at work is told by Lane::draining.
  virtual void begin_drain() = 0;
  // Ends all input and output now.
  virtual void abort() = 0;

 protected:
  ~LaneMember() = default;
};

class Lane {
 public:
  using Members = boost::intrusive::list<LaneMember, boost::intrusive::constant_time_size<false>>;

  explicit Lane(Site& site);

  Site& site() { return site_; }
  // "Date: …\r\n", rendered once a second.
  std::string_view date_line();
  // A request id that no other connection of any process makes: random start, then counted.
  void make_id(std::string& out);

  Members members;
  CodedBodies coded;
  bool draining = false;  // no new requests
  bool closing = false;   // the deadline passed: nothing is written any more

 private:
  Site& site_;
  std::time_t second_ = -1;
  std::string date_line_;
  std::string id_prefix_;
  std::uint64_t ids_ = 0;
};

}  // namespace fluxgate::http
