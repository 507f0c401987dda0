#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

namespace trireme::kv::inline engine {

/// Below which revision nobody reads: neither the states of the files there are nor those to come.
/// Any thread.
class Floors {
 public:
  /// States to come do not read below `floor`. It never falls.
  void Raise(std::int64_t floor);
  /// A state begins, and this is its floor; it ends with Release.
  std::int64_t Hold();
  void Release(std::int64_t floor);

  std::int64_t Lowest() const;
  /// Waits until Lowest is above `seen`; nullopt: Stop was called.
  std::optional<std::int64_t> AwaitAbove(std::int64_t seen);
  /// Waits so long; false: Stop was called.
  bool Wait(std::chrono::milliseconds time);
  void Stop();

 private:
  std::int64_t LowestLocked() const;

  mutable std::mutex mutex_;
  std::condition_variable moved_;
  std::int64_t floor_ = 0;  // Guarded by mutex_, as what follows.
  std::multiset<std::int64_t> held_;
  bool stopped_ = false;
};

}  // namespace trireme::kv::inline engine
