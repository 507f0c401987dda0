#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/job_report.h"
#include "mapreduce/cluster/job_request.h"
#include "mapreduce/fs/files.h"

namespace trireme::mapreduce {

/// How often progress is shown and the plan is told of it.
inline constexpr std::int64_t kEmbeddedTickMs = 100;
/// How long a cancelled job may take to stop its attempts.
inline constexpr std::int64_t kEmbeddedPatienceMs = 3000;

struct EmbeddedOptions {
  std::uint32_t slots = 0;         ///< 0: as many as cores
  std::uint64_t memory_bytes = 0;  ///< of all processes together; 0: DefaultMemoryBytes
  std::string directory;           ///< for temporary files; empty: see ScratchDirectory
  std::string slot_program = "/proc/self/exe";
  /// Of input and output. Outlives the run for as long as the process, as a thread that user code
  /// holds may.
  Files* files = nullptr;
  /// Counts up: 1 cancels the job, 2 leaves at once. May be null.
  const std::atomic<int>* interrupts = nullptr;
  std::function<void(const JobProgress&)> on_progress = nullptr;
};

/// Half of what io::UsableMemoryBytes finds, but at least kMemoryMin.
std::uint64_t DefaultMemoryBytes();
/// What a slot will have of it, or more when there are fewer tasks than slots.
std::uint64_t EmbeddedSlotMemory(const EmbeddedOptions& options);
std::uint32_t DefaultSlots();

/// Runs the job in this process, to its end. The plan is the one the coordinator uses, with one
/// worker that never dies. A status is for what went wrong before the job began (nothing was
/// written); a job that fails is a report. `hung` is set when user code is stuck in a thread: the
/// caller must then leave by _exit.
[[nodiscard]] absl::StatusOr<JobReport> RunEmbedded(const PreparedJob& prepared,
                                                    const EmbeddedOptions& options, bool* hung);

}  // namespace trireme::mapreduce
