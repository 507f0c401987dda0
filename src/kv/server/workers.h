#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace trireme::kv::inline engine {

/// Threads for what has to wait or takes long: changes of the membership, hashes, backups. Not for
/// the calls of the hot path. Thread-safe.
class Workers {
 public:
  /// Tasks that wait at most; more are refused.
  static constexpr std::size_t kTasksMax = 256;

  explicit Workers(int threads);
  ~Workers();  ///< Stop().

  /// False: too many wait, or it has stopped; the task is dropped.
  bool Run(absl::AnyInvocable<void()> task);
  /// Waits for the tasks that run; those that wait are dropped. Idempotent.
  void Stop();
  bool stopping() const;

 private:
  void Loop();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::AnyInvocable<void()>> tasks_;  // Guarded by mutex_.
  bool stopping_ = false;                         // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

}  // namespace trireme::kv::inline engine
