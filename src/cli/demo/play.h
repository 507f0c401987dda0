#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/demo/lookout.h"
#include "cli/demo/screen.h"
#include "cli/demo/stage.h"

namespace trireme::demo {

/// How long the whole play may take, and one wait in it.
inline constexpr std::int64_t kPlayMsMax = 170'000;
inline constexpr std::int64_t kWaitMsMax = 30'000;
/// Between two looks at the stage.
inline constexpr int kLookMs = 50;

/// One blow: when a share of all tasks is done, somebody is killed with SIGKILL; when the others
/// have noticed and go on, he is started again.
struct Blow {
  std::string whom;  ///< for the audience
  double at_share = 0;
  /// Whom, by what is seen; null: nobody suitable yet.
  std::function<Actor*(Stage&, const Sight&)> victim;
  /// The others go on without him. `pid` was the victim's.
  std::function<bool(const Stage&, const Sight&, const Actor& victim, pid_t pid)> overcome;
  std::string overcome_by;  ///< for the audience: "another member leads"
};

/// A worker that runs a task, the KV's leader, the leading coordinator.
std::vector<Blow> TheBlows();

/// Has the processes of the stage started, the leaders found and the workers attached.
[[nodiscard]] absl::Status Open(Stage& stage, Lookout& lookout, Screen& screen,
                                const std::atomic<int>& interrupts);

/// Runs `jobs` (processes that submit and follow a job each) on the stage, deals the blows, and
/// returns when all jobs have ended well. An error names the job, the process or the blow that
/// there was no time for.
[[nodiscard]] absl::Status Play(Stage& stage, Lookout& lookout, Screen& screen,
                                std::deque<Actor>& jobs, const std::atomic<int>& interrupts);

}  // namespace trireme::demo
