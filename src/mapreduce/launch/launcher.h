#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

/// Workers on machines that belong to somebody else's scheduler, for one job.
namespace trireme::mapreduce::launch {

/// How often a launcher's Check is called.
inline constexpr std::int64_t kLaunchCheckMs = 100;

/// What runs on a worker's machine.
struct WorkerCommand {
  std::vector<std::string> program;    ///< the program and the arguments that make it a worker
  std::vector<std::string> arguments;  ///< the same for all workers
  std::uint32_t slots = 0;             ///< of one worker; 0: what the launcher takes for right
  std::uint64_t memory_bytes = 0;      ///< of one worker; 0: the worker's own default
};

/// Gets one line about what the user should know but what does not end the job.
using Notice = std::function<void(const std::string&)>;

/// Starts workers, looks after them and ends them. All methods are one thread's, and the processes
/// that it started end with that thread. Destroyed, it has stopped.
class Launcher {
 public:
  virtual ~Launcher() = default;

  /// Once. An error is one line and means that nothing was left running.
  [[nodiscard]] virtual absl::Status Start() = 0;
  /// Whether there is still somebody to do the work, or may be soon. An error is one line that says
  /// why not. Does not block for longer than a scheduler's command takes.
  [[nodiscard]] virtual absl::Status Check() = 0;
  /// Ends all workers. What could not be ended is a notice.
  virtual void Stop() = 0;
};

}  // namespace trireme::mapreduce::launch
