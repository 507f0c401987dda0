#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

#include "rpc/echo_service.h"
#include "rpc/server.h"
#include "rpc/status.h"

// Our client against our server: runs under every sanitizer.
namespace trireme::test {
namespace {

class OwnTest : public testing::Test {
 protected:
  void SetUp() override { StartServer({}); }

  void StartServer(rpc::ServerOptions options, const std::string& address = "127.0.0.1:0") {
    server = std::make_unique<rpc::Server>(std::move(options));
    server->Register(service);
    auto bound = server->Listen(*rpc::ParseAddress(address));
    ASSERT_TRUE(bound.ok()) << bound.status();
    ASSERT_TRUE(server->Start().ok());
    Connect(*bound, {});
  }

  void Connect(const rpc::Address& address, rpc::ChannelOptions options) {
    channel = *rpc::Channel::Create(address, std::move(options));
    stub = std::make_unique<v1::EchoStub>(channel);
  }

  EchoService service;
  std::unique_ptr<rpc::Server> server;
  std::shared_ptr<rpc::Channel> channel;
  std::unique_ptr<v1::EchoStub> stub;
};

EchoRequest Request(std::string payload) {
  EchoRequest request;
  request.set_payload(std::move(payload));
  return request;
}

TEST_F(OwnTest, Unary) {
  for (const std::size_t size : {0, 1, 300, 5000, 1 << 20}) {
    const auto reply = stub->Say(Request(std::string(size, 'x')));
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->payload().size(), size);
  }
}

TEST_F(OwnTest, UnaryFromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string(t * 1000 + i);
        const auto reply = stub->Say(Request(text));
        if (reply.ok() && reply->payload() == text) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 1600);
}

TEST_F(OwnTest, UnaryAsync) {
  std::promise<absl::StatusOr<EchoReply>> done;
  stub->SayAsync(Request("later"), {},
                 [&](absl::StatusOr<EchoReply> reply) { done.set_value(std::move(reply)); });
  const auto reply = done.get_future().get();
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->payload(), "later");
}

TEST_F(OwnTest, ServerStreaming) {
  EchoRequest request = Request("part");
  request.set_count(5000);
  auto stream = stub->Expand(request);
  EchoReply reply;
  std::uint32_t expected = 0;
  while (stream.Read(&reply)) EXPECT_EQ(reply.index(), expected++);
  EXPECT_EQ(expected, 5000u);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(OwnTest, ServerStreamingOfLargeMessagesHeldBackByItsReader) {
  EchoRequest request;
  request.set_count(64);
  request.set_reply_size_bytes(1 << 20);
  auto stream = stub->Expand(request);
  EchoReply reply;
  int count = 0;
  while (stream.Read(&reply)) {
    EXPECT_EQ(reply.payload().size(), 1u << 20);
    ++count;
  }
  EXPECT_EQ(count, 64);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(OwnTest, ClientStreaming) {
  auto stream = stub->Collect();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(stream.Write(Request("ab")).ok());
  const auto reply = stream.FinishWithReply();
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->index(), 100u);
  EXPECT_EQ(reply->payload().size(), 200u);
}

TEST_F(OwnTest, Bidi) {
  auto stream = stub->Chat();
  EchoReply reply;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream.Write(Request(std::to_string(i))).ok());
    ASSERT_TRUE(stream.Read(&reply));
    EXPECT_EQ(reply.payload(), std::to_string(i));
  }
  stream.WritesDone();
  EXPECT_FALSE(stream.Read(&reply));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(OwnTest, ErrorStatus) {
  EchoRequest request;
  request.set_error_code(9);
  request.set_error_message("100% wrong: grüße\n\x01");
  const auto reply = stub->Say(request);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(reply.status().message(), "100% wrong: grüße\n\x01");
  EXPECT_EQ(rpc::OutcomeOf(reply.status()), rpc::Outcome::kAnswered);
}

TEST_F(OwnTest, DeadlinePasses) {
  EchoRequest request;
  request.set_hang(true);
  rpc::CallOptions options;
  options.timeout = absl::Milliseconds(50);
  const auto reply = stub->Say(request, options);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(WaitUntil([&] { return service.cancelled == 1; }));
  EXPECT_TRUE(service.saw_deadline);
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
}

TEST_F(OwnTest, ClientCancels) {
  EchoRequest request;
  request.set_hang(true);
  std::promise<absl::Status> done;
  auto call = stub->SayAsync(
      request, {}, [&](absl::StatusOr<EchoReply> reply) { done.set_value(reply.status()); });
  ASSERT_TRUE(WaitUntil([&] { return service.started == 1; }));
  call->Cancel();
  EXPECT_EQ(done.get_future().get().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitUntil([&] { return service.cancelled == 1; }));
}

TEST_F(OwnTest, NobodyListens) {
  const rpc::Address address = channel->address();
  server.reset();
  Connect(address, {});
  const auto reply = stub->Say(Request("x"));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable) << reply.status();
  EXPECT_EQ(rpc::OutcomeOf(reply.status()), rpc::Outcome::kNotExecuted);
}

}  // namespace
}  // namespace trireme::test
