#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/launch/launcher.h"

namespace trireme::mapreduce::launch {

/// How often Slurm is asked how the workers are: soon after a change, then less and less often.
inline constexpr std::int64_t kSlurmCheckMinMs = 500;
inline constexpr std::int64_t kSlurmCheckMaxMs = 8'000;
/// Tasks that Slurm ended (their time was up, their node failed, ...) are submitted again at most
/// this often, and at most so many in one job.
inline constexpr std::int64_t kSlurmReplaceDelayMs = 10'000;
inline constexpr std::uint32_t kSlurmReplacementsMax = 10'000;
/// How long cancelled tasks may take to leave the queue before Stop no longer waits for it.
inline constexpr std::int64_t kSlurmStopPatienceMs = 10'000;
/// Slurm is asked for a worker's --memory, a part of it more, and this: for what is not counted.
inline constexpr std::uint64_t kSlurmMemoryExtraBytes = 64u << 20;
inline constexpr std::uint64_t kSlurmMemoryExtraPart = 4;

struct SlurmOptions {
  std::uint32_t workers = 1;
  std::string job_name;
  std::vector<std::string> arguments;  ///< more of sbatch's own
  std::string log_directory;           ///< every node sees it
  WorkerCommand command;
  Notice notice;
};

/// How a task of an array stands.
enum class TaskFate {
  kAlive,     ///< runs, waits, or is on its way from one to the other
  kReplace,   ///< ended by Slurm or by a worker that was told to stop: another may take its place
  kFinished,  ///< failed or was cancelled: another would fare no better
};
/// Of a state as squeue names it.
TaskFate FateOf(std::string_view state);

/// A task of an array, as squeue tells of it.
struct SlurmTask {
  std::string id, state, reason;
  friend bool operator==(const SlurmTask&, const SlurmTask&) = default;
};
/// Reads lines of `id|state|reason`; what is none is passed over.
std::vector<SlurmTask> ParseTasks(std::string_view text);

/// OPTION=VALUE,... after `slurm:` as sbatch's arguments. INVALID_ARGUMENT names what is none.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ParseSlurmOptions(std::string_view text);

/// Workers as the tasks of a Slurm job array. Tasks that are requeued come back by themselves;
/// those that Slurm ends are submitted again.
class SlurmLauncher final : public Launcher {
 public:
  explicit SlurmLauncher(SlurmOptions options) : options_(std::move(options)) {}
  ~SlurmLauncher() override { Stop(); }

  absl::Status Start() override;
  absl::Status Check() override;
  void Stop() override;

 private:
  absl::Status Submit(std::uint32_t workers);
  std::vector<std::string> SubmitCommand(std::uint32_t workers) const;
  absl::StatusOr<std::vector<SlurmTask>> Ask();
  absl::Status Review(const std::vector<SlurmTask>& tasks, std::int64_t now_ms);
  absl::Status Replace(std::uint32_t missing);
  void Tell(const SlurmTask& task);
  void TellOfWaiting(const std::vector<SlurmTask>& tasks);
  std::string JobList() const;
  bool Cancel();

  const SlurmOptions options_;
  std::vector<std::string> jobs_;         // that were submitted
  std::string cluster_;                   // of a federation, where they went; empty: the only one
  std::map<std::string, TaskFate> told_;  // ended tasks that the user has heard of
  std::string last_end_, waiting_for_;
  std::uint32_t wanted_ = 0;  // workers: less than were asked for when some have failed
  std::uint32_t replaced_ = 0;
  std::int64_t next_check_ms_ = 0, check_delay_ms_ = kSlurmCheckMinMs, next_replace_ms_ = 0;
  bool silent_ = false;  // squeue's last answer was none
};

}  // namespace trireme::mapreduce::launch
