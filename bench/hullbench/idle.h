#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace trireme::bench {

struct IdleOptions {
  std::string coordinator;  ///< what it listens on
  std::string output;       ///< a directory for the job's (no) parts
  std::uint32_t workers = 1000;
  std::uint32_t maps = 100'000;
  std::uint32_t reduces = 16;
};

struct IdleResult {
  double attach_s = 0;  ///< until all workers were registered
  double job_s = 0;     ///< from submission to the job's end
};

/// As many workers as asked for, each with a connection of its own, that do nothing with a task but
/// say that it is done: what is left is the coordinator's work and the wire.
[[nodiscard]] absl::StatusOr<IdleResult> RunIdle(const IdleOptions& options);

}  // namespace trireme::bench
