#include "rpc/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

namespace trireme::rpc {
namespace {

std::atomic<bool> thread_is_over{false};

/// Of the loop's thread: what a library's own state per thread is.
struct ThreadState {
  ~ThreadState() {
    ::usleep(50'000);  // Long enough that an exit() that does not wait is through before.
    thread_is_over = true;
  }
  bool used = false;
};

/// The last handle goes on the loop's own thread, and the process ends at once.
[[noreturn]] void EndWithTheLoop() {
  std::atexit([] { ::_exit(thread_is_over ? 0 : 1); });  // Registered first, it runs last.
  std::shared_ptr<Loop> loop = Loop::Create();
  Loop* raw = loop.get();
  std::promise<void> dropped;
  raw->Post([handle = std::move(loop), &dropped]() mutable {
    static thread_local ThreadState state;
    state.used = true;
    handle.reset();
    dropped.set_value();
  });
  dropped.get_future().wait();
  std::exit(2);
}

TEST(LoopDeathTest, ExitWaitsForTheThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(EndWithTheLoop(), testing::ExitedWithCode(0), "");
}

TEST(LoopTest, StopJoins) {
  const std::shared_ptr<Loop> loop = Loop::Create();
  std::promise<void> ran;
  loop->Post([&] { ran.set_value(); });
  ran.get_future().wait();
  loop->Stop();
  loop->Post([] { FAIL() << "a stopped loop runs nothing"; });
  loop->Stop();
}

}  // namespace
}  // namespace trireme::rpc
