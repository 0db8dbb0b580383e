// One I/O thread: its io_context, its listening socket, its connections and the sweep that ends those
// that wait too long. One coarse timer for all of them: a timer for each operation would cost more
// than the operation.
//
// Made and destroyed on the server's thread; everything marked "any thread" posts to its own.
#pragma once

#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/coro.h"
#include "http/site.h"

namespace fluxgate::http {

class Worker {
 public:
  explicit Worker(Site& site);
  ~Worker();

  // Binds to `endpoint` beside the other workers. Throws boost::system::system_error.
  boost::asio::ip::tcp::endpoint listen(const boost::asio::ip::tcp::endpoint& endpoint);
  void start();
  void drain();      // any thread
  void close_all();  // any thread; after drain
  // Ready when the last connection has ended; after drain.
  std::future<void> ended();  // any thread
  void join();                // after `ended`

  boost::asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  awaitable<void> accept();
  void admit(boost::asio::ip::tcp::socket socket);
  awaitable<void> sweep();

  Site& site_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Lane lane_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer accept_pause_;
  CoroGroup service_;
  CoroGroup connections_;
  std::thread thread_;
};

}  // namespace fluxgate::http
