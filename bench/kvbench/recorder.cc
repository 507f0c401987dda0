#include "kvbench/recorder.h"

#include <time.h>

#include <algorithm>

#include "fmt/format.h"
#include "raftbench/common.h"

namespace trireme::kv::bench {
namespace {

double Milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double At(std::vector<double>& values, double part) {
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

}  // namespace

void Recorder::Failed(const absl::Status& status) {
  if (failures_++ == 0) first_failure_ = status;
}

void Recorder::Add(const Recorder& other) {
  samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
  if (failures_ == 0) first_failure_ = other.first_failure_;
  failures_ += other.failures_;
}

Latencies LatenciesIn(const Recorder& recorder, Window window) {
  std::vector<double> values;
  for (const Sample& sample : recorder.samples()) {
    if (window.Has(sample.answered)) values.push_back(Milliseconds(sample.answered - sample.sent));
  }
  if (values.empty()) return {};
  return {.count = values.size(),
          .p50_ms = At(values, 0.5),
          .p99_ms = At(values, 0.99),
          .p999_ms = At(values, 0.999),
          .max_ms = At(values, 1)};
}

double LongestPauseMs(const Recorder& recorder, Window window) {
  std::vector<Clock::time_point> times = {window.from, window.to};
  for (const Sample& sample : recorder.samples()) {
    if (window.Has(sample.answered)) times.push_back(sample.answered);
  }
  std::sort(times.begin(), times.end());
  Clock::duration longest{};
  for (std::size_t i = 1; i < times.size(); ++i) {
    longest = std::max(longest, times[i] - times[i - 1]);
  }
  return Milliseconds(longest);
}

double CpuMicroseconds(const std::vector<::pid_t>& processes) {
  double sum = 0;
  for (const ::pid_t process : processes) {
    clockid_t clock{};
    timespec used{};
    const bool known =
        ::clock_getcpuclockid(process, &clock) == 0 && ::clock_gettime(clock, &used) == 0;
    raft::bench::Must(known, fmt::format("process {} is gone", process));
    sum += 1e6 * static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e3;
  }
  return sum;
}

}  // namespace trireme::kv::bench
