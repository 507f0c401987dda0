// What a frame costs in system calls and allocations, counted where our code makes them: the test
// is linked so that these functions are the ones below (--wrap).
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <new>

#include "raft/test_transports.h"

namespace {

struct Counts {
  int waits = 0;    // epoll_wait
  int changes = 0;  // epoll_ctl
  int reads = 0;    // recv, recvmsg
  int writes = 0;   // sendmsg
  int wakeups = 0;  // write, to an eventfd
  int allocations = 0;
};
/// What the calling thread is counted into; null: nothing.
thread_local Counts* counts = nullptr;

void Count(int Counts::*what) {
  if (counts != nullptr) ++(counts->*what);
}

}  // namespace

extern "C" {
int __real_epoll_wait(int, epoll_event*, int, int);
int __real_epoll_ctl(int, int, int, epoll_event*);
ssize_t __real_recv(int, void*, size_t, int);
ssize_t __real_recvmsg(int, msghdr*, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
ssize_t __real_write(int, const void*, size_t);

int __wrap_epoll_wait(int fd, epoll_event* events, int max, int timeout) {
  Count(&Counts::waits);
  return __real_epoll_wait(fd, events, max, timeout);
}
int __wrap_epoll_ctl(int fd, int operation, int which, epoll_event* event) {
  Count(&Counts::changes);
  return __real_epoll_ctl(fd, operation, which, event);
}
ssize_t __wrap_recv(int fd, void* to, size_t size, int flags) {
  Count(&Counts::reads);
  return __real_recv(fd, to, size, flags);
}
ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
  Count(&Counts::reads);
  return __real_recvmsg(fd, message, flags);
}
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  Count(&Counts::writes);
  return __real_sendmsg(fd, message, flags);
}
ssize_t __wrap_write(int fd, const void* from, size_t size) {
  Count(&Counts::wakeups);
  return __real_write(fd, from, size);
}
}

void* operator new(std::size_t size) {
  Count(&Counts::allocations);
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace trireme::raft {
namespace {

constexpr int kRounds = 500;

/// Answers each frame with one of as many pieces as the log would have entries.
class Player final : public Transport::Receiver {
 public:
  explicit Player(std::uint64_t self) : transport_(TestOptions(self)) {
    EXPECT_TRUE(transport_.Start(this).ok());
  }
  ~Player() { transport_.Stop(); }

  void OnFrame(NodeId from, SharedBytes) override {
    if (++received_ == 10) counts = &counted;
    if (received_ == 10 + kRounds) {
      counts = nullptr;
      return done.set_value();
    }
    transport_.Send(from, pieces_);
  }
  void OnUnreachable(NodeId) override {}
  TcpTransport& transport() { return transport_; }

  Counts counted;
  std::promise<void> done;

 private:
  const std::vector<SharedBytes> pieces_{100, SharedBytes::Copy(std::string(256, 'x'))};
  int received_ = 0;
  TcpTransport transport_;
};

void ExpectTheLeast(const Counts& counted) {
  // A frame of 25,600 bytes may come in two parts. A keepalive may come in between.
  constexpr double kSlack = 0.5;
  EXPECT_NEAR(counted.waits / double{kRounds}, 1, kSlack);
  EXPECT_NEAR(counted.reads / double{kRounds}, 1, kSlack);
  EXPECT_NEAR(counted.writes / double{kRounds}, 1, 0.02);
  EXPECT_LE(counted.changes, 2) << "epoll_ctl";
  EXPECT_EQ(counted.wakeups, 0) << "a loop woke itself";
  EXPECT_NEAR(counted.allocations / double{kRounds}, 1, 0.02) << "the frame received";
}

TEST(TransportCostTest, AFrameIsOneWaitOneReadOneWriteAndOneAllocation) {
  Player one(1);
  Player two(2);
  ASSERT_TRUE(two.transport().SetPeer(NodeId{1}, one.transport().address()).ok());
  const SharedBytes ball = SharedBytes::Copy("the first");
  ASSERT_TRUE(two.transport().Send(NodeId{1}, {&ball, 1}));
  // Whoever gets its last frame sends none, and the other one is then one short of it.
  one.done.get_future().wait();
  two.transport().Stop();
  one.transport().Stop();
  ExpectTheLeast(one.counted);
}

}  // namespace
}  // namespace trireme::raft
