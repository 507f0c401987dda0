#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "rpc/echo_service.h"
#include "rpc/server.h"
#include "rpc/sockets.h"
#include "rpc/status.h"
#include "rpc/tls_material.h"

// Connections that come and go: TLS, reconnection, drain, closing, back-pressure, other threads.
namespace trireme::test {
namespace {

constexpr char kBytesMethod[] = "/trireme.test.v1.Raw/Echo";

class LifeTest : public testing::Test {
 protected:
  rpc::Address StartServer(rpc::ServerOptions options = {},
                           const rpc::Address& address = {.host = "127.0.0.1"}) {
    server = std::make_unique<rpc::Server>(std::move(options));
    server->Register(service);
    for (auto& [path, method] : methods) server->RegisterMethod(path, method);
    const auto bound = server->Listen(address);
    EXPECT_TRUE(bound.ok()) << bound.status();
    EXPECT_TRUE(server->Start().ok());
    return *bound;
  }

  void Connect(const rpc::Address& address, rpc::ChannelOptions options = {}) {
    channel = *rpc::Channel::Create(address, std::move(options));
    stub = std::make_unique<v1::EchoStub>(channel);
  }

  EchoService service;
  std::vector<std::pair<std::string, rpc::Method>> methods;
  std::unique_ptr<rpc::Server> server;
  std::shared_ptr<rpc::Channel> channel;
  std::unique_ptr<v1::EchoStub> stub;
  EchoRequest request;
  EchoReply reply;
};

/// An owner thread that answers calls in batches, as a coordinator does.
class Owner {
 public:
  using Call = rpc::UnaryCall<std::string, rpc::Payload>;
  Owner() : thread_([this] { Run(); }) {}
  ~Owner() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void Take(Call call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    changed_.notify_all();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      changed_.wait(lock, [this] { return stop_ || !calls_.empty(); });
      std::vector<Call> batch;
      batch.swap(calls_);
      lock.unlock();
      for (Call& call : batch) call.Finish(rpc::Payload(call.request() + "!"));
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Call> calls_;
  bool stop_ = false;
  std::thread thread_;
};

TEST_F(LifeTest, BytesAnsweredByAnOwnerThreadOverManyIoThreads) {
  auto owner = std::make_shared<Owner>();
  methods.emplace_back(kBytesMethod,
                       rpc::UnaryMethod<std::string, rpc::Payload>(
                           [owner](Owner::Call call) { owner->Take(std::move(call)); }));
  rpc::ServerOptions options;
  options.io_threads = 3;
  const rpc::Address address = StartServer(std::move(options));
  std::vector<std::shared_ptr<rpc::Channel>> channels;
  for (int i = 0; i < 20; ++i) channels.push_back(*rpc::Channel::Create(address));
  std::atomic<int> good{0};
  std::atomic<int> over{0};
  for (int i = 0; i < 2000; ++i) {
    const std::string text = std::to_string(i);
    channels[static_cast<std::size_t>(i) % channels.size()]->StartUnary(
        kBytesMethod, text, {}, [&, text](absl::StatusOr<std::string> got, rpc::ReplyMetadata) {
          if (got.ok() && *got == text + "!") ++good;
          ++over;
        });
  }
  EXPECT_TRUE(WaitUntil([&] { return over == 2000; }));
  EXPECT_EQ(good, 2000);
}

/// Answers the first message it gets, whether or not more follow.
class AnswersTheFirst final : public rpc::RequestHandler<std::string> {
 public:
  explicit AnswersTheFirst(rpc::ReplyWriter<rpc::Payload> reply) : reply_(std::move(reply)) {}
  void OnMessage(std::string message) override {
    if (!reply_.finished()) reply_.FinishWith(rpc::Payload(message + "!"));
  }
  void OnHalfClose() override {}

 private:
  rpc::ReplyWriter<rpc::Payload> reply_;
};

TEST_F(LifeTest, OkBeforeTheClientHasEndedEndsTheCall) {
  methods.emplace_back(kBytesMethod,
                       rpc::ClientStreamingMethod<std::string, rpc::Payload>(
                           [](rpc::ReplyWriter<rpc::Payload> reply) {
                             return std::make_unique<AnswersTheFirst>(std::move(reply));
                           }));
  Connect(StartServer());
  rpc::ClientStream<std::string, std::string> stream(channel, kBytesMethod, {});
  ASSERT_TRUE(stream.Write("enough").ok());
  std::string reply;
  ASSERT_TRUE(stream.Read(&reply));
  EXPECT_EQ(reply, "enough!");
  EXPECT_FALSE(stream.Read(&reply));
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
}

TEST_F(LifeTest, SharedBytesAreSentFromWhereTheyAre) {
  const auto file = std::make_shared<const std::string>(10 << 20, 'f');
  methods.emplace_back(
      kBytesMethod,
      rpc::ServerStreamingMethod<std::string, rpc::Payload>(
          [file](std::string, rpc::ReplyWriter<rpc::Payload> replies) {
            for (std::size_t at = 0; at < file->size(); at += 1 << 20) {
              replies.Write(rpc::Payload(file, std::string_view(*file).substr(at, 1 << 20)));
            }
            replies.Finish(absl::OkStatus());
          }));
  Connect(StartServer());
  auto stream = rpc::StartServerStream<std::string, std::string>(channel, kBytesMethod, "", {});
  std::string all;
  std::string chunk;
  while (stream.Read(&chunk)) all += chunk;
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(all, *file);
}

TEST_F(LifeTest, WriteBlockingWaitsForTheReader) {
  std::thread writer;
  std::atomic<std::size_t> queued_max{0};
  std::atomic<int> written{0};
  methods.emplace_back(
      kBytesMethod,
      rpc::ServerStreamingMethod<std::string, std::string>(
          [&](std::string, rpc::ReplyWriter<std::string> replies) {
            writer = std::thread(
                [&, r = std::make_shared<rpc::ReplyWriter<std::string>>(std::move(replies))] {
                  const std::string chunk(256 << 10, 'c');
                  while (written < 64 && r->WriteBlocking(chunk).ok()) {
                    ++written;
                    queued_max = std::max(queued_max.load(), r->queued_bytes());
                  }
                  r->Finish(absl::OkStatus());
                });
          }));
  Connect(StartServer());
  auto stream = rpc::StartServerStream<std::string, std::string>(channel, kBytesMethod, "", {});
  std::string chunk;
  ASSERT_TRUE(stream.Read(&chunk));
  int count = 1;
  while (stream.Read(&chunk)) ++count;
  EXPECT_EQ(count, 64);
  EXPECT_TRUE(stream.Finish().ok());
  writer.join();
  EXPECT_LE(queued_max, rpc::kSendQueueBytesLow + (300u << 10));
}

TEST_F(LifeTest, WriteBlockingEndsWithItsCall) {
  std::promise<absl::Status> ended;
  std::thread writer;
  methods.emplace_back(
      kBytesMethod,
      rpc::ServerStreamingMethod<std::string, std::string>(
          [&](std::string, rpc::ReplyWriter<std::string> replies) {
            writer = std::thread(
                [&, r = std::make_shared<rpc::ReplyWriter<std::string>>(std::move(replies))] {
                  absl::Status status;
                  const std::string chunk(256 << 10, 'c');
                  while (status.ok()) status = r->WriteBlocking(chunk);
                  ended.set_value(status);
                });
          }));
  Connect(StartServer());
  {
    auto stream = rpc::StartServerStream<std::string, std::string>(channel, kBytesMethod, "", {});
    std::string chunk;
    ASSERT_TRUE(stream.Read(&chunk));
  }  // Cancels.
  EXPECT_EQ(ended.get_future().get().code(), absl::StatusCode::kCancelled);
  writer.join();
}

TEST_F(LifeTest, SendQueueOverItsLimitEndsTheCall) {
  methods.emplace_back(kBytesMethod, rpc::ServerStreamingMethod<std::string, std::string>(
                                         [&](std::string, rpc::ReplyWriter<std::string> replies) {
                                           const std::string chunk(1 << 20, 'c');
                                           for (int i = 0; i < 40; ++i) replies.Write(chunk);
                                           replies.Finish(absl::OkStatus());
                                         }));
  rpc::ServerOptions options;
  options.send_queue_bytes_max = 8 << 20;
  Connect(StartServer(std::move(options)));
  auto stream = rpc::StartServerStream<std::string, std::string>(channel, kBytesMethod, "", {});
  EXPECT_EQ(stream.Finish().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(stub->Say(request).ok());
}

TEST_F(LifeTest, UnfinishedRequestsAreBoundedInSum) {
  methods.emplace_back(kBytesMethod, rpc::UnaryMethod<std::string, std::string>(
                                         [](rpc::UnaryCall<std::string, std::string> call) {
                                           call.Finish(std::string("taken"));
                                         }));
  rpc::ServerOptions options;
  options.receive_buffer_bytes_max = 5 << 20;
  Connect(StartServer(std::move(options)));
  // Two whole requests that are never half-closed: the server must hold the first and refuse the
  // second.
  rpc::ClientStream<std::string, std::string> first(channel, kBytesMethod, {});
  ASSERT_TRUE(first.Write(std::string(3 << 20, 'x')).ok());
  ASSERT_TRUE(WaitUntil([&] { return first.queued_bytes() == 0; }));
  {
    rpc::ClientStream<std::string, std::string> second(channel, kBytesMethod, {});
    ASSERT_TRUE(second.Write(std::string(3 << 20, 'x')).ok());
    EXPECT_EQ(second.Finish().code(), absl::StatusCode::kResourceExhausted);
  }
  const auto answer = first.FinishWithReply();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "taken");
  // What was held is given back.
  EXPECT_TRUE(rpc::UnaryBytes(channel, kBytesMethod, std::string(3 << 20, 'x'), {}).ok());
}

TEST_F(LifeTest, PausedReaderHoldsTheWriterBack) {
  rpc::Address address = StartServer();
  Connect(address);
  auto stream = stub->Chat();
  ASSERT_TRUE(stream.Write(request).ok());
  request.set_payload(std::string(64 << 10, 'x'));
  // Nobody reads the replies: the server's answers pile up to the windows and no further.
  int count = 1;
  for (; count < 100; ++count) ASSERT_TRUE(stream.Write(request).ok());
  stream.WritesDone();
  int read = 0;
  while (stream.Read(&reply)) ++read;
  EXPECT_EQ(read, count);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(LifeTest, ReconnectsAfterTheServerComesBack) {
  const rpc::Address address = StartServer();
  rpc::ChannelOptions options;
  options.reconnect_delay_max = absl::Milliseconds(50);
  Connect(address, std::move(options));
  ASSERT_TRUE(stub->Say(request).ok());
  server.reset();
  ASSERT_TRUE(WaitUntil([&] {
    const absl::Status status = stub->Say(request).status();
    return rpc::OutcomeOf(status) == rpc::Outcome::kNotExecuted;
  }));
  rpc::CallOptions wait;
  wait.wait_for_ready = true;
  std::promise<absl::Status> done;
  stub->SayAsync(request, wait, [&](absl::StatusOr<EchoReply> r) { done.set_value(r.status()); });
  StartServer({}, address);
  EXPECT_EQ(done.get_future().get(), absl::OkStatus());
}

TEST_F(LifeTest, WaitingForAServerEndsAtTheDeadline) {
  const rpc::Address address = StartServer();
  server.reset();
  Connect(address);
  rpc::CallOptions options;
  options.wait_for_ready = true;
  options.timeout = absl::Milliseconds(100);
  const absl::Status status = stub->Say(request, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kNotExecuted);
}

TEST_F(LifeTest, LostConnectionLeavesTheOutcomeUnknown) {
  Connect(StartServer());
  request.set_hang(true);
  std::promise<absl::Status> done;
  stub->SayAsync(request, {}, [&](absl::StatusOr<EchoReply> r) { done.set_value(r.status()); });
  ASSERT_TRUE(WaitUntil([&] { return service.started == 1; }));
  server->Stop();
  const absl::Status status = done.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kUnknown);
  EXPECT_EQ(service.cancelled, 1);
}

TEST_F(LifeTest, ListenerThatNeverAnswersFailsTheAttempt) {
  // A listener that accepts nothing and answers nothing: the kernel completes the connection.
  rpc::Server silent;
  const auto bound = silent.Listen({.host = "127.0.0.1"});
  rpc::ChannelOptions options;
  options.connect_timeout = absl::Milliseconds(100);
  Connect(*bound, std::move(options));
  const absl::Status status = stub->Say(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kNotExecuted);
}

TEST_F(LifeTest, SilentServerIsFoundByKeepalive) {
  auto listening = rpc::ListenOn({.host = "127.0.0.1"});
  ASSERT_TRUE(listening.ok());
  rpc::ChannelOptions options;
  options.keepalive_interval = absl::Milliseconds(50);
  options.keepalive_timeout = absl::Milliseconds(50);
  Connect(listening->second, std::move(options));
  std::promise<absl::Status> done;
  stub->SayAsync(request, {}, [&](absl::StatusOr<EchoReply> r) { done.set_value(r.status()); });
  pollfd one{listening->first.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&one, 1, 30'000), 1);
  const rpc::OwnedDescriptor accepted(::accept(listening->first.get(), nullptr, nullptr));
  const std::string_view settings("\0\0\0\x04\0\0\0\0\0", 9);
  ASSERT_EQ(::send(accepted.get(), settings.data(), settings.size(), 0), 9);
  const absl::Status status = done.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("keepalive"), std::string::npos) << status;
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kUnknown);
}

TEST_F(LifeTest, DrainRefusesNewCallsAndEndsWhenRunningOnesDo) {
  const rpc::Address address = StartServer();
  Connect(address);
  auto stream = stub->Chat();
  ASSERT_TRUE(stream.Write(request).ok());
  ASSERT_TRUE(stream.Read(&reply));
  std::thread drain([&] { server->Drain(absl::Seconds(30)); });
  ASSERT_TRUE(WaitUntil([&] { return !stub->Say(request).ok(); }));  // Listens no more.
  ASSERT_TRUE(stream.Write(request).ok());
  ASSERT_TRUE(stream.Read(&reply));
  stream.WritesDone();
  EXPECT_TRUE(stream.Finish().ok());
  drain.join();
}

TEST_F(LifeTest, DrainEndsAfterItsGrace) {
  Connect(StartServer());
  request.set_hang(true);
  std::promise<absl::Status> done;
  stub->SayAsync(request, {}, [&](absl::StatusOr<EchoReply> r) { done.set_value(r.status()); });
  ASSERT_TRUE(WaitUntil([&] { return service.started == 1; }));
  server->Drain(absl::Milliseconds(50));
  EXPECT_FALSE(done.get_future().get().ok());
}

TEST_F(LifeTest, ClosingTheChannelFromACallback) {
  Connect(StartServer());
  std::promise<void> closed;
  std::atomic<int> over{0};
  for (int i = 0; i < 50; ++i) {
    stub->SayAsync(request, {}, [&, i](absl::StatusOr<EchoReply>) {
      if (i == 10) channel->Close();
      if (++over == 50) closed.set_value();
    });
  }
  closed.get_future().wait();
  EXPECT_EQ(stub->Say(request).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_connections == 0; }));
}

TEST_F(LifeTest, ClosingTheChannelBeforeItBeginsToConnect) {
  const std::shared_ptr<rpc::Loop> loop = rpc::Loop::Create();
  Connect({.host = "127.0.0.1", .port = 1}, {.loop = loop});
  std::promise<void> go;
  std::promise<absl::Status> done;
  loop->Post([&] { go.get_future().wait(); });
  channel->StartUnary(
      kBytesMethod, std::string(), {},
      [&](absl::StatusOr<std::string> result, auto) { done.set_value(result.status()); });
  loop->Post([&] { channel->Close(); });
  go.set_value();
  EXPECT_TRUE(absl::IsCancelled(done.get_future().get()));
  channel = nullptr;
}

TEST_F(LifeTest, StoppedLoopEndsItsCallsAndChannels) {
  rpc::ChannelOptions options;
  options.loop = rpc::Loop::Create();
  const auto loop = options.loop;
  Connect(StartServer(), std::move(options));
  loop->Stop();
  const absl::Status status = stub->Say(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kNotExecuted);
}

TEST_F(LifeTest, CallsOutliveTheirServerAndChannel) {
  std::shared_ptr<rpc::ServerCall> kept;
  std::promise<void> came;
  rpc::Method method;
  method.one = [&](std::shared_ptr<rpc::ServerCall> call, std::string) {
    kept = std::move(call);
    came.set_value();
  };
  methods.emplace_back(kBytesMethod, method);
  Connect(StartServer());
  auto call = channel->StartUnary(kBytesMethod, std::string("x"), {},
                                  [](absl::StatusOr<std::string>, rpc::ReplyMetadata) {});
  came.get_future().wait();
  stub.reset();
  channel.reset();
  server.reset();
  EXPECT_TRUE(kept->cancelled());
  kept->FinishWith(std::string("late"));
  EXPECT_FALSE(kept->WriteBlocking(std::string("late")).ok());
  call->Cancel();
  call->Write(std::string("late"));
}

TEST_F(LifeTest, UnixSocketFilesAreReplacedAndRemoved) {
  const rpc::Address address =
      *rpc::ParseAddress("unix:" + testing::TempDir() + "trireme_life.sock");
  {
    rpc::Server dead;  // Leaves its file behind: it never started.
    ASSERT_TRUE(dead.Listen(address).ok());
  }
  Connect(StartServer({}, address));
  EXPECT_TRUE(stub->Say(request).ok());
  rpc::Server second;
  const auto taken = second.Listen(address);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(taken.status().message().find("trireme_life.sock"), std::string::npos);
  server.reset();
  EXPECT_NE(::access(address.path.c_str(), F_OK), 0);
}

TEST_F(LifeTest, AFileInTheSocketsPlaceIsNotRemoved) {
  const std::string path = testing::TempDir() + "trireme_life.txt";
  std::ofstream(path) << "precious";
  rpc::Server mistaken;
  EXPECT_EQ(mistaken.Listen(*rpc::ParseAddress("unix:" + path)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  std::string kept;
  std::ifstream(path) >> kept;
  EXPECT_EQ(kept, "precious");
  ::unlink(path.c_str());
}

TEST_F(LifeTest, PortTakenSaysSo) {
  const rpc::Address address = StartServer();
  rpc::Server second;
  const auto taken = second.Listen(address);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(taken.status().message().find(address.ToString()), std::string::npos);
}

TEST_F(LifeTest, TlsBothWays) {
  const TlsMaterial server_material = MakeTlsMaterial();
  const TlsMaterial client_material = MakeTlsMaterial();
  rpc::ServerOptions options;
  options.tls = {server_material.certificate_pem, server_material.key_pem,
                 client_material.certificate_pem};
  const rpc::Address address = StartServer(std::move(options));
  rpc::ChannelOptions with_identity;
  with_identity.tls = {server_material.certificate_pem, client_material.certificate_pem,
                       client_material.key_pem, ""};
  Connect(address, std::move(with_identity));
  request.set_payload(std::string(3 << 20, 'x'));
  const auto answer = stub->Say(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->payload(), request.payload());

  rpc::ChannelOptions anonymous;
  anonymous.tls = rpc::TlsClientOptions{server_material.certificate_pem, "", "", ""};
  Connect(address, std::move(anonymous));
  EXPECT_EQ(stub->Say(request).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LifeTest, TlsRefusesOtherNamesAndStrangers) {
  const TlsMaterial material = MakeTlsMaterial();
  rpc::ServerOptions options;
  options.tls = {material.certificate_pem, material.key_pem, ""};
  const rpc::Address address = StartServer(std::move(options));
  rpc::ChannelOptions other_name;
  other_name.tls = rpc::TlsClientOptions{material.certificate_pem, "", "", "example.org"};
  Connect(address, std::move(other_name));
  const absl::Status status = stub->Say(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("mismatch"), std::string::npos) << status;
  rpc::ChannelOptions stranger;
  stranger.tls = rpc::TlsClientOptions{MakeTlsMaterial().certificate_pem, "", "", ""};
  Connect(address, std::move(stranger));
  EXPECT_EQ(stub->Say(request).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LifeTest, BadTlsMaterialIsNamed) {
  rpc::ChannelOptions options;
  options.tls = rpc::TlsClientOptions{"no certificate", "", "", ""};
  const auto failed = rpc::Channel::Create({.host = "localhost", .port = 1}, std::move(options));
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(failed.status().message().find("ca_pem"), std::string::npos);
}

TEST_F(LifeTest, HostNamesAreResolved) {
  rpc::Address address = StartServer();
  address.host = "localhost";
  Connect(address);
  EXPECT_TRUE(stub->Say(request).ok());
  Connect({.host = "no-such-host.invalid", .port = 1});
  const absl::Status status = stub->Say(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kNotExecuted);
}

TEST_F(LifeTest, ManyChannelsWithCallsInFlightAtOnce) {
  const rpc::Address address = StartServer();
  std::vector<std::shared_ptr<rpc::Channel>> channels;
  std::atomic<int> good{0};
  std::atomic<int> over{0};
  for (int i = 0; i < 200; ++i) {
    channels.push_back(*rpc::Channel::Create(address));
    for (int k = 0; k < 5; ++k) {
      v1::EchoStub(channels.back()).SayAsync(request, {}, [&](absl::StatusOr<EchoReply> r) {
        if (r.ok()) ++good;
        ++over;
      });
    }
  }
  EXPECT_TRUE(WaitUntil([&] { return over == 1000; }));
  EXPECT_EQ(good, 1000);
  EXPECT_EQ(server->stats().live_connections, 200u);
}

}  // namespace
}  // namespace trireme::test
