#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "rpc/poller.h"
#include "rpc/timer_heap.h"

namespace trireme::rpc {

/// One io thread: it sleeps until descriptors are ready, timers are due or tasks are posted, and
/// does all of that in one turn, at whose end the output of all of it is sent. Everything marked
/// "loop thread" is called only there.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  /// Loop thread.
  using Timer = rpc::Timer;
  using Watcher = Poller::Watcher;

  /// Something with output to send at the end of the turn; it outlives its mark. Loop thread.
  class Flushable {
   public:
    virtual ~Flushable() = default;
    virtual void Flush() = 0;

   private:
    friend class Loop;
    bool marked_ = false;
  };

  static std::shared_ptr<Loop> Create();
  /// The process's loop for channels that name none; it ends with its last user.
  static std::shared_ptr<Loop> Shared();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs `task` on the loop thread, after those posted before. Thread-safe. Tasks posted while the
  /// loop is busy need no wake-up, others share one. Dropped unrun after Stop.
  void Post(absl::AnyInvocable<void()> task);
  /// Thread-safe.
  bool InThread() const { return std::this_thread::get_id() == thread_id_.load(); }
  /// Ends the thread after the current turn and joins it; called on it, exit() does. Idempotent.
  /// Close the channels that use the loop first: their calls and connections go no further.
  void Stop();

  /// Loop thread. As Poller's.
  absl::Status Watch(Watcher& watcher, int descriptor, std::uint32_t interest) {
    return poller_.Watch(watcher, descriptor, interest);
  }
  void Unwatch(Watcher& watcher) { poller_.Unwatch(watcher); }
  /// Loop thread. Arming an armed timer moves it. It fires up to a millisecond late.
  void Arm(Timer& timer, Clock::time_point due) { timers_.Arm(timer, due); }
  void Disarm(Timer& timer) { timers_.Disarm(timer); }
  /// Loop thread. Flush() is called once at the end of the turn.
  void Mark(Flushable& flushable);
  void Unmark(Flushable& flushable);

 private:
  class Unjoined;

  Loop();
  void Run();
  bool RequestStop();
  std::thread TakeThread();
  void Join();
  /// At the end of the process.
  void EndWithin(std::chrono::milliseconds limit);
  bool PrepareToSleep(int* timeout_ms);
  int UntilNextTimerMs() const;
  void RunTimers();
  void RunTasks();
  void FlushMarked();

  Poller poller_;
  TimerHeap timers_;
  std::vector<Flushable*> marked_;

  std::mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> tasks_;  // Guarded by mutex_.
  bool stopped_ = false;                           // Guarded by mutex_.
  std::vector<absl::AnyInvocable<void()>> running_;
  std::atomic<bool> asleep_{false};  // Whoever posts and finds it true must wake the loop.

  std::atomic<std::thread::id> thread_id_;
  std::thread thread_;              // Guarded by mutex_ once it runs.
  std::atomic<bool> ended_{false};  // The thread does nothing more with the loop.
};

}  // namespace trireme::rpc
