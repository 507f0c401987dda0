#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace trireme::rpc {

/// One io thread. Everything marked "loop thread" is called only there.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  /// An alarm owned by its user, who disarms it before it dies. Loop thread.
  class Timer {
   public:
    virtual ~Timer() = default;
    virtual void OnTimer() = 0;

   private:
    friend class Loop;
    Clock::time_point due_{};
    bool armed_ = false;
  };

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
  /// loop is busy share one wake-up. Dropped unrun after Stop.
  void Post(absl::AnyInvocable<void()> task);
  /// Thread-safe.
  bool InThread() const { return std::this_thread::get_id() == thread_id_.load(); }
  /// Ends the thread after the current turn and joins it (not when called on it). Idempotent. Close
  /// the channels that use the loop first: their calls and connections go no further.
  void Stop();

  boost::asio::io_context& context() { return context_; }

  /// Loop thread. Arming an armed timer moves it.
  void Arm(Timer& timer, Clock::time_point due);
  void Disarm(Timer& timer);
  /// Loop thread. Flush() is called once at the end of the turn.
  void Mark(Flushable& flushable);
  void Unmark(Flushable& flushable);
  /// Loop thread. Runs `work` as one turn: what it marks is flushed when the outermost turn ends.
  template <class Work>
  void Turn(Work&& work) {
    ++depth_;
    work();
    if (--depth_ == 0) EndTurn();
  }

 private:
  Loop();
  void RunTasks();
  void EndTurn();
  void SetAlarm();
  void OnAlarm();

  boost::asio::io_context context_{1};
  boost::asio::steady_timer alarm_{context_};
  Clock::time_point alarm_due_ = Clock::time_point::max();
  std::set<std::pair<Clock::time_point, Timer*>> timers_;
  std::vector<Flushable*> marked_;
  int depth_ = 0;

  std::mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> tasks_;  // Guarded by mutex_.
  bool stopped_ = false;                           // Guarded by mutex_.
  std::vector<absl::AnyInvocable<void()>> running_;

  std::atomic<std::thread::id> thread_id_;
  std::thread thread_;
};

}  // namespace trireme::rpc
