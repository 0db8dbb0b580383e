#include <future>

#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;
using namespace std::chrono_literals;

// Streams that report how they ended.
struct Streams {
  std::promise<void> started, ended;

  Router routes() {
    Router router;
    router.get("/count", [](Request&) -> awaitable<Result<Response>> {
      co_return Response::stream("text/plain", [](BodyWriter& out) -> awaitable<void> {
        for (int i = 0; i < 3; ++i) co_await out.write(std::to_string(i));
        co_await out.write("");
        co_await out.write(std::string(100'000, 'x'));
      });
    });
    router.get("/events", [this](Request&) -> awaitable<Result<Response>> {
      co_return Response::stream("text/event-stream", [this](BodyWriter& out) -> awaitable<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        Wakeup never(executor);
        co_await out.write("data: 1\n\n");
        started.set_value();
        bool open = true;
        while (open) open = co_await out.wait(never, 60s);
        co_await out.write("data: bye\n\n");
        ended.set_value();
      });
    });
    router.get("/ticks", [](Request&) -> awaitable<Result<Response>> {
      co_return Response::stream("text/event-stream", [](BodyWriter& out) -> awaitable<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        Wakeup wake(executor);
        for (int i = 0; i < 3; ++i) {
          wake.notify();
          const bool open = co_await out.wait(wake, 60s);
          if (!open) co_return;
          co_await out.write(fmt::format("data: {}\n\n", i));
        }
        const bool open = co_await out.wait(wake, 1ms);
        co_await out.write(open ? "data: idle\n\n" : "data: left\n\n");
      });
    });
    router.get("/break", [](Request&) -> awaitable<Result<Response>> {
      co_return Response::stream("text/plain", [](BodyWriter& out) -> awaitable<void> {
        co_await out.write("some");
        throw std::runtime_error("lost");
      });
    });
    router.get("/reset", [](Request&) -> awaitable<Result<Response>> {
      Response response = Response::text("never sent");
      response.abort_connection = true;
      co_return response;
    });
    return router;
  }
};

TEST(Stream, ArrivesInChunksAndKeepsTheConnection) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  for (int i = 0; i < 2; ++i) {
    const Answer answer = client.ask(get("/count"));
    EXPECT_EQ("chunked", answer.header("transfer-encoding"));
    EXPECT_EQ("012" + std::string(100'000, 'x'), answer.body);
  }
}

TEST(Stream, IsEndedByClosingForHttp10AndHasNoBodyForHead) {
  Streams streams;
  TestServer server(streams.routes());
  const Answer old = server.ask("GET /count HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ("close", old.header("connection"));
  EXPECT_EQ("", old.header("transfer-encoding"));
  EXPECT_EQ(100'003u, old.body.size());
  Client client(server.port());
  client.send("HEAD /count HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(200, client.read_answer(true).status);
  EXPECT_EQ(100'003u, client.ask(get("/count")).body.size());
}

TEST(Stream, WakesForNotificationsAndTimeAndAnswersWhatWasSentMeanwhile) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  client.send(get("/ticks") + get("/count") + get("/ticks"));
  EXPECT_EQ("data: 0\n\ndata: 1\n\ndata: 2\n\ndata: idle\n\n", client.read_answer().body);
  EXPECT_EQ(100'003u, client.read_answer().body.size());
  EXPECT_EQ("data: 0\n\ndata: 1\n\ndata: 2\n\ndata: idle\n\n", client.read_answer().body);
}

TEST(Stream, NoticesThatItsClientLeft) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  client.send(get("/events"));
  client.read_until("data: 1\n\n");
  client.close();
  EXPECT_EQ(std::future_status::ready, streams.ended.get_future().wait_for(10s));
}

TEST(Stream, EndsItselfWhenTheServerDrains) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  client.send(get("/events"));
  streams.started.get_future().wait();
  server->drain();
  const Answer answer = client.read_answer();
  EXPECT_EQ("data: 1\n\ndata: bye\n\n", answer.body);
  EXPECT_TRUE(client.is_closed());
}

TEST(Stream, ThatFailsIsSeenToBeIncomplete) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  client.send(get("/break"));
  EXPECT_FALSE(client.read_all().ends_with("0\r\n\r\n"));
}

TEST(Response, CanResetTheConnectionInsteadOfAnswering) {
  Streams streams;
  TestServer server(streams.routes());
  Client client(server.port());
  client.send(get("/reset"));
  EXPECT_EQ("", client.read_all());
}

// A handler that waits until the test lets it go.
struct Gate {
  std::promise<void> entered;
  std::promise<boost::asio::any_io_executor> executor;
  Wakeup* wakeup = nullptr;
  std::atomic<bool> finished = false;

  Router routes() {
    Router router;
    router.post("/wait", [this](Request& request) -> awaitable<Result<Response>> {
      const auto here = co_await boost::asio::this_coro::executor;
      Wakeup wake(here);
      wakeup = &wake;
      executor.set_value(here);
      entered.set_value();
      co_await wake.wait_for(60s);
      const auto body = co_await request.read_body(100);
      finished = true;
      co_return Response::text(body ? "finished" : "no body");
    });
    router.get("/hello", [](Request&) -> awaitable<Result<Response>> { co_return Response::text("hello"); });
    return router;
  }
  void open() {
    boost::asio::post(executor.get_future().get(), [wake = wakeup] { wake->notify(); });
  }
};

TEST(Stop, LetsARequestInFlightEndAndThenCloses) {
  Gate gate;
  ServerOptions options;
  options.threads = 1;  // so that the idle connection shows when the drain reached both
  TestServer server(gate.routes(), options);
  Client client(server.port());
  Client idle(server.port());
  EXPECT_EQ("hello", idle.ask(get("/hello")).body);
  client.send(post("/wait", "x"));
  gate.entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&server] { server->stop(30s); });
  EXPECT_TRUE(idle.is_closed()) << "the drain has begun";
  gate.open();
  const Answer answer = client.read_answer();
  EXPECT_EQ("finished", answer.body);
  EXPECT_EQ("close", answer.header("connection"));
  client.close();
  stopped.wait();
  server->stop(1s);  // again is harmless
}

TEST(Stop, ClosesConnectionsAtItsDeadlineButNeverCancelsAHandler) {
  Gate gate;
  TestServer server(gate.routes());
  Client client(server.port());
  client.send(post("/wait", "x"));
  gate.entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&server] { server->stop(0ms); });
  EXPECT_EQ("", client.read_all());
  EXPECT_FALSE(gate.finished);
  gate.open();
  stopped.wait();
  EXPECT_TRUE(gate.finished);
}

TEST(Handler, RunsToItsEndWhenItsClientLeaves) {
  Gate gate;
  TestServer server(gate.routes());
  {
    Client client(server.port());
    client.send(post("/wait", "x"));
    gate.entered.get_future().wait();
  }
  gate.open();
  server->stop(30s);
  EXPECT_TRUE(gate.finished);
}

TEST(Server, FreesItsPortWhenStoppedAndRefusesATakenOne) {
  Streams streams;
  TestServer first(streams.routes());
  ServerOptions options;
  options.port = first.port();
  try {
    TestServer second(streams.routes(), options);
    ADD_FAILURE() << "two servers share a port";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string::npos, std::string(e.what()).find(fmt::format("127.0.0.1:{}", options.port)));
  }
  first->stop(1s);
  TestServer third(streams.routes(), options);
  EXPECT_EQ(404, third.ask(get("/")).status);
}

}  // namespace
}  // namespace fluxgate::http
