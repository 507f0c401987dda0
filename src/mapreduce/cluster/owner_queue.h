#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace trireme::mapreduce::cluster {

/// Events that wait for an owner thread; beyond this many the sender is refused.
inline constexpr std::size_t kOwnerQueueMax = 1u << 20;

/// The way into a thread that owns its data. Thread-safe.
class OwnerQueue {
 public:
  using Task = absl::AnyInvocable<void()>;

  /// False, without running the task ever, when the queue is full or closed.
  [[nodiscard]] bool Post(Task task) {
    const std::lock_guard lock(mutex_);
    if (closed_ || tasks_.size() >= kOwnerQueueMax) return false;
    tasks_.push_back(std::move(task));
    wake_.notify_one();
    return true;
  }

  /// Everything that waits, after waiting at most `patience` for anything. Owner only.
  std::deque<Task> Take(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, patience, [this] { return closed_ || !tasks_.empty(); });
    return std::exchange(tasks_, {});
  }

  /// Wakes the owner; nothing is accepted any more.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool closed_ = false;
};

}  // namespace trireme::mapreduce::cluster
