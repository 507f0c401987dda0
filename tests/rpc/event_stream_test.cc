#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "rpc/echo_service.h"
#include "rpc/server.h"
#include "rpc/sockets.h"
#include "web/event_feed.h"
#include "web/page_rules.h"

// Server-sent events over real sockets: readers that are slow, go away or are left when it stops.
namespace trireme::test {
namespace {

using Clock = std::chrono::steady_clock;

/// A plain socket that reads when told to.
class Reader {
 public:
  Reader(const rpc::Address& address, std::string_view request, int receive_buffer = 0) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const auto to = rpc::Resolve(address);
    EXPECT_TRUE(to.ok());
    EXPECT_EQ(::connect(descriptor_, to->front().get(), to->front().size), 0);
    Send(request);
  }
  void Send(std::string_view bytes) {
    EXPECT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  ~Reader() { Leave(); }
  void Leave() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  /// Until `what` has come; false at the end of the stream.
  bool ReadUntil(std::string_view what) {
    for (std::size_t from = 0; seen_.find(what, from) == std::string::npos;) {
      from = seen_.size() - std::min(seen_.size(), what.size());
      char bytes[65536];
      pollfd one = {descriptor_, POLLIN, 0};
      if (::poll(&one, 1, 30'000) != 1) return false;
      const ssize_t count = ::recv(descriptor_, bytes, sizeof bytes, 0);
      if (count <= 0) return false;
      seen_.append(bytes, static_cast<std::size_t>(count));
    }
    return true;
  }
  const std::string& seen() const { return seen_; }
  void Forget() { seen_.clear(); }

 private:
  int descriptor_ = -1;
  std::string seen_;
};

class EventStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    server = std::make_unique<rpc::Server>();
    web::HandleGet(*server, "/events", {}, [this](const rpc::HttpRequest& request, auto to) {
      feed.Add(request, std::move(to));
    });
    web::HandlePost(*server, "/do", {.admin = true}, [](const rpc::HttpRequest& request, auto to) {
      web::SendText(*to, 200, "did " + request.body);
    });
    const auto bound = server->Listen({.host = "127.0.0.1"});
    ASSERT_TRUE(bound.ok()) << bound.status();
    ASSERT_TRUE(server->Start().ok());
    address = *bound;
    pump = std::thread([this] {
      for (; !over; std::this_thread::sleep_for(std::chrono::milliseconds(1)))
        feed.Pump(Clock::now());
    });
  }
  void TearDown() override {
    over = true;
    pump.join();
  }
  std::string Get(std::string_view path = "/events") const {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + address.ToString() + "\r\n\r\n";
  }
  std::shared_ptr<std::atomic<std::size_t>> readers = std::make_shared<std::atomic<std::size_t>>(0);
  web::EventFeed feed{readers};
  std::unique_ptr<rpc::Server> server;
  rpc::Address address;
  std::atomic<bool> over{false};
  std::thread pump;
};

TEST_F(EventStreamTest, StatesComeAsTheyAreSet) {
  feed.Set(R"({"n":1})");
  Reader reader(address, Get());
  ASSERT_TRUE(reader.ReadUntil("data: {\"n\":1}\n\n"));
  EXPECT_NE(reader.seen().find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_NE(reader.seen().find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  feed.Set(R"({"n":2})");
  ASSERT_TRUE(reader.ReadUntil("data: {\"n\":2}\n\n"));
}

TEST_F(EventStreamTest, ASlowReaderIsNeitherDroppedNorQueuedFor) {
  Reader slow(address, Get(), 4096);
  ASSERT_TRUE(WaitUntil([&] { return feed.wanted(); }));
  Reader quick(address, Get());
  ASSERT_TRUE(WaitUntil([&] { return readers->load() == 2; }));
  // Far more than any socket holds: 400 states of 256 KiB.
  constexpr int kStates = 400;
  for (int i = 1; i <= kStates; ++i) {
    const std::string mark = "\"" + std::to_string(i) + ".\"";
    feed.Set("[" + mark + ",\"" + std::string(256u << 10, 'x') + "\"]");
    ASSERT_TRUE(quick.ReadUntil(mark));
    quick.Forget();
  }
  EXPECT_TRUE(feed.wanted());
  EXPECT_EQ(readers->load(), 2u);  // The slow one is still there.
  ASSERT_TRUE(slow.ReadUntil("\"400.\""));
  std::size_t events = 0;
  for (std::size_t at = 0; (at = slow.seen().find("event: state", at)) != std::string::npos; ++at)
    ++events;
  EXPECT_LT(events, 60u);  // What the sockets held, and the newest.
}

TEST_F(EventStreamTest, OneThatLeavesIsForgotten) {
  Reader reader(address, Get());
  ASSERT_TRUE(WaitUntil([&] { return feed.wanted(); }));
  reader.Leave();
  EXPECT_TRUE(WaitUntil([&] { return !feed.wanted(); }));
  EXPECT_EQ(readers->load(), 0u);
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_connections == 0; }));
}

TEST_F(EventStreamTest, StopEndsTheStreams) {
  feed.Set("1");
  Reader reader(address, Get());
  ASSERT_TRUE(reader.ReadUntil("data: 1"));
  feed.Close();
  EXPECT_FALSE(reader.ReadUntil("never"));
  EXPECT_TRUE(reader.seen().ends_with("0\r\n\r\n"));  // A whole end, which browsers understand.
  server->Drain(absl::Seconds(30));                   // Nothing is left to wait for.
  EXPECT_EQ(server->stats().live_connections, 0u);
}

TEST_F(EventStreamTest, AServerThatStopsCutsThem) {
  feed.Set("1");
  Reader reader(address, Get());
  ASSERT_TRUE(reader.ReadUntil("data: 1"));
  server->Stop();
  EXPECT_FALSE(reader.ReadUntil("never"));
  EXPECT_TRUE(WaitUntil([&] { return !feed.wanted(); }));
}

TEST_F(EventStreamTest, OneMoreThanTheMostIsRefused) {
  std::vector<std::unique_ptr<Reader>> all;
  for (std::size_t i = 0; i < web::kEventReadersMax; ++i)
    all.push_back(std::make_unique<Reader>(address, Get()));
  ASSERT_TRUE(WaitUntil([&] { return readers->load() == web::kEventReadersMax; }));
  Reader late(address, Get());
  EXPECT_TRUE(late.ReadUntil("HTTP/1.1 503"));
  all.pop_back();
  ASSERT_TRUE(WaitUntil([&] { return readers->load() < web::kEventReadersMax; }));
  Reader next(address, Get());
  EXPECT_TRUE(next.ReadUntil("HTTP/1.1 200"));
}

TEST_F(EventStreamTest, PostsAreForPagesOfThisServer) {
  const std::string host = address.ToString();
  const auto post = [&](const std::string& origin, std::string_view type) {
    return "POST /do HTTP/1.1\r\nHost: " + host + "\r\nOrigin: " + origin +
           "\r\nContent-Type: " + std::string(type) +
           "\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
  };
  Reader good(address, post("http://" + host, "application/json"));
  EXPECT_TRUE(good.ReadUntil("did {}"));
  Reader other(address, post("http://evil.example", "application/json"));
  EXPECT_TRUE(other.ReadUntil("HTTP/1.1 403"));
  Reader form(address, post("http://" + host, "text/plain"));
  EXPECT_TRUE(form.ReadUntil("HTTP/1.1 403"));
  Reader get(address, Get("/do"));
  EXPECT_TRUE(get.ReadUntil("HTTP/1.1 405"));
}

TEST_F(EventStreamTest, ABodyMayComeInPieces) {
  Reader reader(address,
                "POST /do HTTP/1.1\r\nHost: " + address.ToString() + "\r\nOrigin: http://" +
                    address.ToString() +
                    "\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\"");
  reader.Send(":1}");
  EXPECT_TRUE(reader.ReadUntil("did {\"a\":1}"));
}

}  // namespace
}  // namespace trireme::test
