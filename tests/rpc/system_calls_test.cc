// What a call costs in system calls, and in what nghttp2 has to read, counted where our code makes
// them: the test is linked so that these functions are the ones below (--wrap).
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>

#include "rpc/echo_service.h"
#include "rpc/server.h"

namespace {

/// By name; what the calling thread is not counted into is null.
using Counts = std::map<std::string, int>;
thread_local Counts* counts = nullptr;

template <typename Result, typename... Arguments>
Result Counted(const char* name, Result (*real)(Arguments...), Arguments... arguments) {
  if (counts != nullptr) ++(*counts)[name];
  return real(arguments...);
}

}  // namespace

extern "C" {
int __real_epoll_wait(int, epoll_event*, int, int);
int __real_epoll_ctl(int, int, int, epoll_event*);
ssize_t __real_recv(int, void*, size_t, int);
ssize_t __real_nghttp2_session_mem_recv(nghttp2_session*, const uint8_t*, size_t);
ssize_t __real_send(int, const void*, size_t, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
ssize_t __real_write(int, const void*, size_t);

int __wrap_epoll_wait(int fd, epoll_event* events, int max, int timeout) {
  return Counted("epoll_wait", __real_epoll_wait, fd, events, max, timeout);
}
int __wrap_epoll_ctl(int fd, int operation, int which, epoll_event* event) {
  return Counted("epoll_ctl", __real_epoll_ctl, fd, operation, which, event);
}
ssize_t __wrap_recv(int fd, void* to, size_t size, int flags) {
  const ssize_t got = Counted("recv", __real_recv, fd, to, size, flags);
  if (counts != nullptr) (*counts)["bytes received"] += static_cast<int>(std::max<ssize_t>(got, 0));
  return got;
}
ssize_t __wrap_nghttp2_session_mem_recv(nghttp2_session* session, const uint8_t* in, size_t size) {
  if (counts != nullptr) (*counts)["bytes decoded"] += static_cast<int>(size);
  return __real_nghttp2_session_mem_recv(session, in, size);
}
ssize_t __wrap_send(int fd, const void* from, size_t size, int flags) {
  return Counted("send", __real_send, fd, from, size, flags);
}
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  return Counted("send", __real_sendmsg, fd, message, flags);
}
ssize_t __wrap_write(int fd, const void* from, size_t size) {
  return Counted("write", __real_write, fd, from, size);
}
}

namespace trireme::test {
namespace {

constexpr int kCalls = 500;

/// Counts into `server` and, from its first call on, what its io thread does.
class CountedEcho final : public v1::EchoService {
 public:
  void Say(rpc::UnaryCall<EchoRequest, EchoReply> call) override {
    if (call.request().count() == 1) counts = &server;
    call.Finish(ReplyTo(call.request()));
    if (call.request().count() == 2) counts = nullptr;
  }
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Collect(rpc::ReplyWriter<EchoReply>) override {
    return nullptr;
  }
  void Expand(EchoRequest, rpc::ReplyWriter<EchoReply>) override {}
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Chat(rpc::ReplyWriter<EchoReply>) override {
    return nullptr;
  }

  Counts server;
};

/// One call after the other, each made when the one before it has ended.
class Chain {
 public:
  explicit Chain(std::shared_ptr<rpc::Channel> channel) : stub_(std::move(channel)) {}

  void Run() {
    Next(0);
    finished_.get_future().wait();
  }

  Counts client;
  int failed = 0;

 private:
  void Next(int done) {
    EchoRequest request;
    request.set_payload(std::string(300, 'x'));
    request.set_count(done == 1 ? 1 : done == kCalls + 1 ? 2 : 0);
    stub_.SayAsync(request, {}, [this, done](absl::StatusOr<EchoReply> reply) {
      failed += reply.ok() ? 0 : 1;
      // The first call makes the connection.
      if (done == 0) counts = &client;
      if (done == kCalls) counts = nullptr;
      if (done == kCalls + 1) return finished_.set_value();
      Next(done + 1);
    });
  }

  v1::EchoStub stub_;
  std::promise<void> finished_;
};

/// How often something was called for each call of ours.
double PerCall(Counts& counted, const char* name) {
  return static_cast<double>(counted[name]) / kCalls;
}

void ExpectOneWaitOneReadOneWrite(Counts& counted) {
  // The peer's answer to SETTINGS may come in between.
  constexpr double kSlack = 0.02;
  EXPECT_NEAR(PerCall(counted, "epoll_wait"), 1, kSlack);
  EXPECT_NEAR(PerCall(counted, "recv"), 1, kSlack);
  EXPECT_NEAR(PerCall(counted, "send"), 1, kSlack);
  EXPECT_EQ(counted["epoll_ctl"], 0);
  EXPECT_EQ(counted["write"], 0) << "a loop woke itself";
}

/// The calls say the same in their headers, which are read once.
void ExpectHeadersTakenOut(Counts& counted) {
  constexpr double kHeadersBytesMin = 16;
  EXPECT_LT(PerCall(counted, "bytes decoded"),
            PerCall(counted, "bytes received") - kHeadersBytesMin);
}

class SystemCallsTest : public testing::TestWithParam<const char*> {};

TEST_P(SystemCallsTest, ACallIsOneWaitOneReadAndOneWriteOnEitherSide) {
  CountedEcho service;
  rpc::Server server;
  server.Register(service);
  const std::string path = testing::TempDir() + "trireme-calls-" + std::to_string(::getpid());
  const bool is_unix = std::string(GetParam()) == "unix:";
  const auto bound = server.Listen(*rpc::ParseAddress(is_unix ? "unix:" + path : GetParam()));
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_TRUE(server.Start().ok());
  const auto channel = *rpc::Channel::Create(*bound);
  Chain chain(channel);
  chain.Run();
  server.Stop();
  EXPECT_EQ(chain.failed, 0);
  ExpectOneWaitOneReadOneWrite(chain.client);
  ExpectOneWaitOneReadOneWrite(service.server);
  ExpectHeadersTakenOut(chain.client);
  ExpectHeadersTakenOut(service.server);
}

INSTANTIATE_TEST_SUITE_P(, SystemCallsTest, testing::Values("127.0.0.1:0", "unix:"));

}  // namespace
}  // namespace trireme::test
