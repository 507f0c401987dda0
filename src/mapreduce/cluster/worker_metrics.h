#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/shuffle.h"

/// What a worker's /metrics shows; docs/metrics.md says what each family means.
namespace trireme::mapreduce::cluster {

/// What a worker does, written by its owner thread and read by any.
class WorkerCounts {
 public:
  void Started(plan::Phase phase) { ++of(phase).started; }
  /// `for_reduces`: the output stays here as a map output.
  void Succeeded(plan::Phase phase, bool for_reduces, const TaskResult& result);
  void Failed(plan::Phase phase, plan::FailureKind kind);
  /// What there is now.
  void Now(std::uint32_t slots_busy, std::size_t jobs, bool attached, bool draining);

  std::uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  friend class WorkerPage;
  using Count = std::atomic<std::uint64_t>;
  struct OfPhase {
    Count started{0}, succeeded{0}, failed{0}, killed{0};
  };
  OfPhase& of(plan::Phase phase) { return phases_[phase == plan::Phase::kReduce ? 1 : 0]; }

  std::array<OfPhase, 2> phases_;
  Count input_bytes_{0}, merged_bytes_{0}, spilled_bytes_{0}, output_bytes_{0};
  Count spills_{0}, spilled_records_{0};
  Count slots_busy_{0}, jobs_{0}, attached_{0}, draining_{0}, turns_{0};
};

/// What a worker was started with, and who has more to tell.
struct WorkerFacts {
  std::uint32_t slots = 0;
  std::uint64_t memory_bytes = 0;  ///< of all slots together
  std::string scratch_directory;
  const TransferCounts* fetched = nullptr;
  const TransferCounts* served = nullptr;
  const std::atomic<std::uint64_t>* fetched_in_memory = nullptr;
};

/// The page, in Prometheus's text format. Looks at every file in the scratch directory.
std::string WorkerMetrics(const WorkerCounts& counts, const WorkerFacts& facts);

}  // namespace trireme::mapreduce::cluster
