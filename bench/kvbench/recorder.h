#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace trireme::kv::bench {

using Clock = std::chrono::steady_clock;

/// What counts of a load: requests that are answered in it.
struct Window {
  Clock::time_point from = Clock::time_point::min();
  Clock::time_point to = Clock::time_point::max();

  bool Has(Clock::time_point time) const { return from <= time && time < to; }
};

/// When a request was sent and when it was answered.
struct Sample {
  Clock::time_point sent;
  Clock::time_point answered;
};

/// Requests of one io thread. Not thread-safe.
class Recorder {
 public:
  void Answered(Clock::time_point sent, Clock::time_point answered) {
    samples_.push_back({sent, answered});
  }
  /// The first failure is kept as it is, further ones are counted.
  void Failed(const absl::Status& status);
  void Add(const Recorder& other);

  const std::vector<Sample>& samples() const { return samples_; }
  std::uint64_t failures() const { return failures_; }
  const absl::Status& first_failure() const { return first_failure_; }

 private:
  std::vector<Sample> samples_;
  std::uint64_t failures_ = 0;
  absl::Status first_failure_;
};

struct Latencies {
  std::uint64_t count = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double max_ms = 0;
};
Latencies LatenciesIn(const Recorder& recorder, Window window);

/// The longest time within the window in which no request was answered, in milliseconds.
double LongestPauseMs(const Recorder& recorder, Window window);

/// CPU time in microseconds that the processes have used so far, ended threads included. A process
/// that is gone ends the program.
double CpuMicroseconds(const std::vector<::pid_t>& processes);

}  // namespace trireme::kv::bench
