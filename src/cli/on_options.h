#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

/// `--on`: a job whose workers are started for it by somebody else's scheduler.
namespace trireme::cli {

/// Workers by Slurm when --workers does not say how many.
inline constexpr std::uint32_t kOnWorkersDefault = 4;
inline constexpr std::int64_t kOnWorkersMax = 10'000;
/// A worker that --on started leaves when its coordinator is gone for so long: --on-patience.
inline constexpr std::int64_t kOnPatienceMs = 60'000;

struct OnOptions {
  std::string target;         ///< slurm[:OPTIONS] or ssh:HOSTS; empty: --on was not given
  std::string listen;         ///< of the coordinator; empty: this machine's own address
  std::uint32_t workers = 0;  ///< 0: kOnWorkersDefault
  std::vector<std::string> slurm_arguments, ssh_arguments;
  std::string remote_program;  ///< empty: the path of this one
  std::string logs;            ///< a directory; empty: beside the output, while the job runs
  std::int64_t patience_ms = kOnPatienceMs;
};

void AddOnOptions(CLI::App& app, OnOptions* to);

}  // namespace trireme::cli
