#include "mapreduce/launch/slurm_launcher.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "mapreduce/launch/program.h"

namespace trireme::mapreduce::launch {
namespace {

constexpr std::array<std::string_view, 13> kAliveStates = {
    "PENDING",   "CONFIGURING",  "RUNNING",     "COMPLETING",   "SUSPENDED", "REQUEUED", "RESIZING",
    "SIGNALING", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "STOPPED",   "STAGE_OUT"};
constexpr std::array<std::string_view, 5> kReplacedStates = {"TIMEOUT", "NODE_FAIL", "PREEMPTED",
                                                             "BOOT_FAIL", "COMPLETED"};

template <class List>
bool Has(const List& list, std::string_view one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

/// The text up to `mark`, which is taken off `*rest` with it.
std::string_view Cut(std::string_view* rest, char mark) {
  const std::string_view head = rest->substr(0, rest->find(mark));
  rest->remove_prefix(std::min(rest->size(), head.size() + 1));
  return head;
}

/// Slurm's own words about what went wrong.
std::string Words(const ProgramOutput& output) {
  std::string words = LastLine(output.err);
  if (words.empty()) words = LastLine(output.out);
  return words.empty() ? output.status.Describe() : words;
}

}  // namespace

TaskFate FateOf(std::string_view state) {
  if (Has(kAliveStates, state)) return TaskFate::kAlive;
  return Has(kReplacedStates, state) ? TaskFate::kReplace : TaskFate::kFinished;
}

std::vector<SlurmTask> ParseTasks(std::string_view text) {
  std::vector<SlurmTask> tasks;
  while (!text.empty()) {
    std::string_view line = Cut(&text, '\n');
    SlurmTask task;
    task.id = Cut(&line, '|');
    task.state = Cut(&line, '|');
    task.reason = LastLine(line);
    if (!task.id.empty() && !task.state.empty()) tasks.push_back(std::move(task));
  }
  return tasks;
}

absl::StatusOr<std::vector<std::string>> ParseSlurmOptions(std::string_view text) {
  std::vector<std::string> arguments;
  while (!text.empty()) {
    const std::string_view option = Cut(&text, ',');
    if (option.empty() || option.front() == '-' || option.front() == '=')
      return absl::InvalidArgumentError(
          fmt::format("--on slurm: '{}' is no option of sbatch: write slurm:partition=NAME,"
                      "time=1:00:00, or give --slurm-arg",
                      option));
    arguments.push_back(fmt::format("--{}", option));
  }
  return arguments;
}

absl::Status SlurmLauncher::Start() {
  if (!FindProgram("sbatch").ok())
    return absl::NotFoundError(
        "--on slurm: there is no program sbatch in $PATH: run this where Slurm's commands are "
        "(Debian's package slurm-client)");
  wanted_ = options_.workers;
  return Submit(wanted_);
}

std::vector<std::string> SlurmLauncher::SubmitCommand(std::uint32_t workers) const {
  const WorkerCommand& command = options_.command;
  const std::uint32_t slots = std::max(command.slots, 1u);
  std::vector<std::string> worker = command.program;
  worker.insert(worker.end(), command.arguments.begin(), command.arguments.end());
  worker.insert(worker.end(), {"--slots", fmt::format("{}", slots)});
  std::vector<std::string> all = {
      "sbatch",
      "--parsable",
      fmt::format("--array=0-{}", workers - 1),
      fmt::format("--job-name={}", options_.job_name),
      fmt::format("--output={}/worker-%A-%a.log", options_.log_directory),
      "--open-mode=append",
      "--requeue",
      "--ntasks=1",
      fmt::format("--cpus-per-task={}", slots)};
  if (command.memory_bytes != 0) {
    worker.insert(worker.end(), {"--memory", fmt::format("{}", command.memory_bytes)});
    const std::uint64_t asked = command.memory_bytes +
                                command.memory_bytes / kSlurmMemoryExtraPart +
                                kSlurmMemoryExtraBytes;
    all.push_back(fmt::format("--mem={}M", asked >> 20));
  }
  all.insert(all.end(), options_.arguments.begin(), options_.arguments.end());
  all.push_back("--wrap=exec " + ShellLine(worker));
  return all;
}

absl::Status SlurmLauncher::Submit(std::uint32_t workers) {
  TRIREME_ASSIGN_OR_RETURN(const ProgramOutput output, RunProgram(SubmitCommand(workers)));
  std::string_view answer = output.out;
  answer = Cut(&answer, '\n');
  const std::string job(Cut(&answer, ';'));
  const bool number = !job.empty() && job.find_first_not_of("0123456789") == std::string::npos;
  if (!output.status.ok() || !number)
    return absl::FailedPreconditionError(
        fmt::format("sbatch refuses the workers: {}", Words(output)));
  jobs_.push_back(job);
  cluster_ = std::string(answer);
  return absl::OkStatus();
}

std::string SlurmLauncher::JobList() const {
  return fmt::format("{}", fmt::join(jobs_, ","));
}

absl::StatusOr<std::vector<SlurmTask>> SlurmLauncher::Ask() {
  std::vector<std::string> command = {"squeue",       "--noheader",          "--array",
                                      "--states=all", "--jobs=" + JobList(), "--format=%i|%T|%r"};
  if (!cluster_.empty()) command.push_back("--clusters=" + cluster_);
  TRIREME_ASSIGN_OR_RETURN(const ProgramOutput output, RunProgram(command));
  // What has ended long ago is forgotten, and asking for it alone is an error.
  if (!output.status.ok() && output.err.find("Invalid job id") == std::string::npos)
    return absl::UnavailableError(Words(output));
  return ParseTasks(output.out);
}

absl::Status SlurmLauncher::Check() {
  const std::int64_t now_ms = io::SteadyMs();
  if (now_ms < next_check_ms_) return absl::OkStatus();
  next_check_ms_ = now_ms + check_delay_ms_;
  check_delay_ms_ = std::min(2 * check_delay_ms_, kSlurmCheckMaxMs);
  const auto tasks = Ask();
  if (tasks.ok()) {
    silent_ = false;
    return Review(*tasks, now_ms);
  }
  // A controller that is being restarted: the workers go on without it.
  if (!std::exchange(silent_, true))
    options_.notice(
        fmt::format("squeue: {}; it is asked again", std::string(tasks.status().message())));
  return absl::OkStatus();
}

absl::Status SlurmLauncher::Review(const std::vector<SlurmTask>& tasks, std::int64_t now_ms) {
  std::uint32_t alive = 0;
  for (const SlurmTask& task : tasks) {
    if (FateOf(task.state) == TaskFate::kAlive) {
      ++alive;
    } else {
      Tell(task);
    }
  }
  TellOfWaiting(tasks);
  if (alive == 0 && wanted_ == 0)
    return absl::UnavailableError(
        fmt::format("no worker is left in Slurm's job {}: last {}", JobList(), last_end_));
  if (alive >= wanted_ || now_ms < next_replace_ms_) return absl::OkStatus();
  next_replace_ms_ = now_ms + kSlurmReplaceDelayMs;
  const absl::Status replaced = Replace(wanted_ - alive);
  if (replaced.ok() || alive == 0) return replaced;
  options_.notice(std::string(replaced.message()));
  return absl::OkStatus();
}

void SlurmLauncher::Tell(const SlurmTask& task) {
  const TaskFate fate = FateOf(task.state);
  if (!told_.emplace(task.id, fate).second) return;
  check_delay_ms_ = kSlurmCheckMinMs;
  last_end_ = fmt::format("Slurm's task {}: {}", task.id, task.state);
  if (fate == TaskFate::kFinished && wanted_ > 0) --wanted_;
  options_.notice(fmt::format(
      "{} ({})", last_end_,
      fate == TaskFate::kReplace ? "another takes its place" : "the job goes on without it"));
}

/// Why nothing runs yet, once for each reason.
void SlurmLauncher::TellOfWaiting(const std::vector<SlurmTask>& tasks) {
  const auto waits = [](const SlurmTask& task) { return task.state == "PENDING"; };
  const auto first = std::find_if(tasks.begin(), tasks.end(), waits);
  const bool none_runs = std::none_of(tasks.begin(), tasks.end(), [](const SlurmTask& task) {
    return task.state == "RUNNING" || task.state == "CONFIGURING";
  });
  if (first == tasks.end() || !none_runs || first->reason == waiting_for_) return;
  waiting_for_ = first->reason;
  if (waiting_for_ == "None") return;
  options_.notice(fmt::format("Slurm's job {} waits: {}", JobList(), waiting_for_));
}

absl::Status SlurmLauncher::Replace(std::uint32_t missing) {
  if (replaced_ + missing > kSlurmReplacementsMax)
    return absl::ResourceExhaustedError(
        fmt::format("Slurm has ended {} workers of this job: last {}", replaced_, last_end_));
  replaced_ += missing;
  return Submit(missing);
}

/// Whether Slurm has taken it.
bool SlurmLauncher::Cancel() {
  std::vector<std::string> command = {"scancel"};
  if (!cluster_.empty()) command.push_back("--clusters=" + cluster_);
  command.insert(command.end(), jobs_.begin(), jobs_.end());
  const auto cancelled = RunProgram(command);
  if (cancelled.ok() && cancelled->status.ok()) return true;
  options_.notice(
      fmt::format("scancel {}: {}; the workers leave by themselves", JobList(),
                  cancelled.ok() ? Words(*cancelled) : std::string(cancelled.status().message())));
  return false;
}

void SlurmLauncher::Stop() {
  if (jobs_.empty()) return;
  const std::int64_t deadline_ms = io::SteadyMs() + kSlurmStopPatienceMs;
  bool left = Cancel();
  while (left && io::SteadyMs() < deadline_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kLaunchCheckMs));
    const auto tasks = Ask();
    left = tasks.ok() && std::any_of(tasks->begin(), tasks->end(), [](const SlurmTask& task) {
             return FateOf(task.state) == TaskFate::kAlive;
           });
  }
  jobs_.clear();
}

}  // namespace trireme::mapreduce::launch
