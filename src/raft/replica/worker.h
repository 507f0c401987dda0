#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace trireme::raft {

/// A thread for what may wait for a disk. The queue is bounded by its users: each group has a few
/// tasks at most.
class Worker {
 public:
  Worker() : thread_([this] { Run(); }) {}
  ~Worker() { Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// False: stopped, and the task is dropped.
  bool Post(absl::AnyInvocable<void()> task);
  /// Finishes the task under way and drops the others. Idempotent; not on the worker's thread.
  void Stop();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::AnyInvocable<void()>> tasks_;  // Guarded by mutex_.
  bool stopping_ = false;                         // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace trireme::raft
