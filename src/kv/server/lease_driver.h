#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "kv/server/kv_machine.h"
#include "kv/server/lease_clock.h"

namespace trireme::kv::inline engine {

/// The LeaseClock of a process: with a real clock, for several threads.
class LeaseDriver {
 public:
  explicit LeaseDriver(std::chrono::milliseconds extend) : clock_(extend.count()) {}

  std::int64_t Stamp() const {
    const std::lock_guard lock(mutex_);
    return clock_.Stamp(NowMs());
  }
  std::int64_t LeaseTimeNow() const {
    const std::lock_guard lock(mutex_);
    return clock_.Now(NowMs());
  }
  std::optional<Command> Next(bool leads);
  void Proposed(bool applied) {
    const std::lock_guard lock(mutex_);
    clock_.Proposed(applied);
  }
  /// On the thread that applies.
  void OnCommitted(const CommittedBatch& batch);

 private:
  static std::int64_t NowMs() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  std::atomic<std::int64_t> state_time_ms_{0}, next_lease_end_ms_{0};
  std::atomic<std::size_t> lease_count_{0};
  mutable std::mutex mutex_;
  LeaseClock clock_;  // Guarded by mutex_.
};

}  // namespace trireme::kv::inline engine
