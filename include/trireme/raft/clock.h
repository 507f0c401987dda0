#pragma once

#include <chrono>

namespace trireme::raft {

/// Where a Host's time comes from: a seam, for tests and for programs that have a better clock.
/// Whoever brings one runs the conformance suite (conformance.h) on it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Since any fixed moment. Never goes back, also not between threads; differs from true time by
  /// less than Config::clock_drift_ppm_max when leases are on.
  virtual std::chrono::nanoseconds Now() const = 0;
};

/// The system's monotonic clock.
Clock& SteadyClock();

}  // namespace trireme::raft
