#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"

namespace trireme::mapreduce::cluster {

/// How something ended, for those who wait for it. Thread-safe. Not a std::future: its waiters
/// sleep in a bare futex, where ThreadSanitizer holds a thread's signals back until it returns, and
/// who waits here for a server's end is the main thread, which gets SIGTERM.
class EndLatch {
 public:
  /// Once.
  void Set(absl::Status status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    set_.notify_all();
  }
  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    set_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable set_;
  std::optional<absl::Status> status_;
};

}  // namespace trireme::mapreduce::cluster
