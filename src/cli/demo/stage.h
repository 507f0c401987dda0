#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/demo/actor.h"

namespace trireme::demo {

inline constexpr std::size_t kMembers = 3;
inline constexpr std::size_t kCoordinators = 2;
inline constexpr std::size_t kWorkers = 4;

/// The demo's processes, on free ports of the loopback, with all they write in one directory.
struct Stage {
  std::string directory;
  std::deque<Actor> members, coordinators, workers;
  std::vector<std::string> endpoints;     ///< clients' addresses of the members
  std::vector<std::string> coordinating;  ///< what the coordinators listen on
  std::vector<std::string> pages;         ///< of the coordinators

  /// `endpoints` as `--kv` takes them.
  std::string Kv() const;
  std::vector<Actor*> All();
};

/// Everything is made ready, nothing is started.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Stage>> SetStage(const std::string& directory);

/// That many ports which nobody listens on just now.
[[nodiscard]] absl::StatusOr<std::vector<std::uint16_t>> FreePorts(std::size_t count);

}  // namespace trireme::demo
