#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <trireme/raft.h>
#include "raftbench/common.h"

namespace trireme::raft::bench {

struct LoadResult {
  double entries_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  std::uint64_t entries = 0;
  std::uint64_t failed = 0;
};

/// Keeps so many proposals under way; new ones are made when an eighth of them has come back, all
/// at once.
class Load {
 public:
  Load(Replica& replica, std::size_t entry_bytes, std::uint64_t in_flight)
      : replica_(replica), payload_(entry_bytes, 'x'), in_flight_(in_flight) {}

  /// For so long, or so many entries.
  LoadResult Run(double seconds, std::uint64_t entries_max);

 private:
  void Propose(std::uint64_t count);
  void Await(std::uint64_t completed);

  Replica& replica_;
  const std::string payload_;
  const std::uint64_t in_flight_;
  std::uint64_t proposed_ = 0;
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> wanted_{0};  // The proposer sleeps until so many are completed.
  std::atomic<std::uint64_t> failed_{0};
  std::vector<Proposal> proposals_;
  std::vector<float> latencies_ms_;  // Of the apply thread, until all are completed.
};

}  // namespace trireme::raft::bench
