#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace trireme::raft::bench {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point from);
/// Ends the program with a message.
void Must(bool holds, std::string_view otherwise);
void Must(const absl::Status& status);
/// Runs `work` in a child process, which ends with it. Call it while there are no threads.
::pid_t Fork(const std::function<void()>& work);
/// Sorts.
double Quantile(std::vector<double>& values, double part);
/// CPU seconds that a process and its threads have used.
double CpuSeconds(::pid_t process);
/// CPU seconds that the whole machine has been busy, the kernel's own threads and interrupts
/// included.
double MachineCpuSeconds();
/// Megabytes in memory.
double ResidentMegabytes(::pid_t process);

}  // namespace trireme::raft::bench
