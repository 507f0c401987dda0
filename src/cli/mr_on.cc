#include "cli/mr_on.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "cli/interrupts.h"
#include "cli/mr_cluster.h"
#include "cli/mr_servers.h"
#include "cli/run_command.h"
#include "cli/s3_flags.h"
#include "cli/say.h"
#include "cli/show_report.h"
#include "cli/whereabouts_of.h"
#include "fmt/format.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/fs/files.h"
#include "mapreduce/launch/hosts.h"
#include "mapreduce/launch/slurm_launcher.h"
#include "mapreduce/launch/ssh_launcher.h"
#include "rpc/local_host.h"

namespace trireme::cli {
namespace {

namespace launch = mapreduce::launch;
using mapreduce::cluster::Coordinator;

/// How long a worker whose ssh session ends goes on for jobs of others (`mr worker --drain`).
constexpr char kSshDrain[] = "5s";

void Notice(const std::string& line) {
  // On a terminal the progress bar's line is there.
  Say(stderr, "{}trireme: {}\n", ::isatty(STDERR_FILENO) != 0 ? "\r\x1b[K" : "", OneLine(line));
}

/// Where the workers' output goes. What is in it goes with a job that succeeds, unless the user
/// named the place.
class LogDirectory {
 public:
  static absl::StatusOr<LogDirectory> Make(const RunOptions& options) {
    LogDirectory logs;
    logs.keep_ = !options.on.logs.empty();
    std::error_code error;
    const std::string path = logs.keep_ ? options.on.logs : BesideOutput(options.request.output);
    logs.path_ = std::filesystem::absolute(path, error).lexically_normal().string();
    std::filesystem::create_directories(logs.path_, error);
    if (!error) return logs;
    return absl::InvalidArgumentError(
        fmt::format("cannot make the directory {} for what the workers print: {}; name another "
                    "with --worker-logs",
                    logs.path_, error.message()));
  }

  const std::string& path() const { return path_; }
  /// At the end of a job that nobody took: the directory goes if nothing is in it.
  void Leave() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  /// At its end: what may explain a failure is kept, and the user is told where it is.
  void Conclude(bool failed) const {
    std::error_code error;
    if (failed && !std::filesystem::is_empty(path_, error) && !error)
      return Notice(fmt::format("what the workers printed is in {}", path_));
    if (!keep_) RemoveLogs();
  }

 private:
  void RemoveLogs() const {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("worker") && name.ends_with(".log"))
        std::filesystem::remove(entry.path(), ignored);
    }
    Leave();
  }
  static std::string BesideOutput(std::string output) {
    while (output.size() > 1 && output.ends_with('/')) output.pop_back();
    // An output elsewhere than in files: here, by its last name.
    if (output.find("://") != std::string::npos) output.erase(0, output.rfind('/') + 1);
    return output + ".workers";
  }

  std::string path_;
  bool keep_ = false;
};

/// A launcher in a thread of its own, which looks after it while the job runs. A launcher that
/// fails interrupts the job.
class Crew {
 public:
  explicit Crew(std::unique_ptr<launch::Launcher> launcher) : launcher_(std::move(launcher)) {}
  ~Crew() { (void)End(); }

  void Begin() {
    thread_ = std::thread([this] { Run(); });
  }
  /// Stops the workers; says what went wrong with them, if anything did.
  absl::Status End() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return failure_;
  }
  /// After End: whether the workers could be started at all.
  bool began() const { return began_; }

 private:
  void Run() {
    failure_ = launcher_->Start();
    began_ = failure_.ok();
    while (failure_.ok() && !over_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(launch::kLaunchCheckMs));
      failure_ = launcher_->Check();
    }
    if (!failure_.ok()) Interrupt();
    launcher_->Stop();
  }

  const std::unique_ptr<launch::Launcher> launcher_;
  std::atomic<bool> over_{false};
  absl::Status failure_;
  bool began_ = false;
  std::thread thread_;
};

/// The coordinator that the workers are to attach to: the user's, or one in this process.
struct Meeting {
  std::unique_ptr<Coordinator> own;
  mapreduce::cluster::Whereabouts where;
  std::vector<std::string> arguments;  ///< that lead a worker there
};

bool IsLoopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

absl::StatusOr<rpc::Address> ListenAddress(const OnOptions& on) {
  if (!on.listen.empty()) {
    const auto given = rpc::ParseAddress(on.listen);
    if (given.ok()) return *given;
    return absl::InvalidArgumentError(
        fmt::format("--on-listen: {}", std::string(given.status().message())));
  }
  rpc::Address address;
  address.host = rpc::OwnHost();
  if (IsLoopback(address.host))
    Notice(
        "this machine has only a loopback address: workers elsewhere cannot reach it; give "
        "--on-listen HOST:PORT");
  return address;
}

absl::StatusOr<Meeting> Meet(const RunOptions& options, io::FileSystem* files) {
  Meeting meeting;
  if (options.cluster.given()) {
    TRIREME_ASSIGN_OR_RETURN(meeting.where, WhereaboutsOf(options.cluster));
    if (options.cluster.coordinator.empty()) {
      meeting.arguments = KvArguments(options.cluster.kv);
      return meeting;
    }
  } else {
    mapreduce::cluster::CoordinatorOptions coordinator;
    TRIREME_ASSIGN_OR_RETURN(rpc::Address listen, ListenAddress(options.on));
    coordinator.listen.push_back(std::move(listen));
    coordinator.files = files;
    TRIREME_ASSIGN_OR_RETURN(meeting.own, Coordinator::Start(std::move(coordinator)));
    rpc::Address address = meeting.own->addresses().front();
    if (address.host == "0.0.0.0" || address.host == "::") address.host = rpc::OwnHost();
    meeting.where = std::move(address);
  }
  meeting.arguments = {"--coordinator", std::get<rpc::Address>(meeting.where).ToString()};
  return meeting;
}

launch::WorkerCommand CommandOf(const RunOptions& options, const Meeting& meeting) {
  const bool own = std::holds_alternative<mapreduce::BinaryCode>(options.request.code);
  std::error_code error;
  std::string program = options.on.remote_program;
  if (program.empty()) program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  launch::WorkerCommand command;
  command.program = own ? std::vector<std::string>{program, "--as-worker"}
                        : std::vector<std::string>{program, "mr", "worker"};
  command.arguments = meeting.arguments;
  command.arguments.insert(command.arguments.end(),
                           {"--leave-after", fmt::format("{}ms", options.on.patience_ms)});
  const auto* address = std::get_if<rpc::Address>(&meeting.where);
  if (address == nullptr || address->kind == rpc::Address::Kind::kTcp)
    command.arguments.insert(command.arguments.end(), {"--listen", "auto"});
  if (!options.directory.empty()) {
    const auto directory = std::filesystem::absolute(options.directory, error).lexically_normal();
    command.arguments.insert(command.arguments.end(), {"--dir", directory.string()});
  }
  for (std::string& argument : S3PlaceArguments(options.s3)) {
    command.arguments.push_back(std::move(argument));
  }
  command.slots = options.slots;
  command.memory_bytes = options.memory_bytes;
  return command;
}

absl::StatusOr<std::unique_ptr<launch::Launcher>> SshFor(std::string_view hosts,
                                                         const OnOptions& on,
                                                         const LogDirectory& logs,
                                                         launch::WorkerCommand command) {
  if (on.workers != 0)
    return absl::InvalidArgumentError("--workers is for Slurm: with --on ssh give HOST*SLOTS");
  launch::SshOptions ssh;
  TRIREME_ASSIGN_OR_RETURN(ssh.hosts, launch::ReadHosts(hosts));
  ssh.arguments = on.ssh_arguments;
  ssh.log_path = logs.path() + "/workers.log";
  ssh.command = std::move(command);
  ssh.command.arguments.insert(ssh.command.arguments.end(), {"--drain", kSshDrain});
  ssh.notice = Notice;
  return std::make_unique<launch::SshLauncher>(std::move(ssh));
}

absl::StatusOr<std::unique_ptr<launch::Launcher>> SlurmFor(std::string_view asked,
                                                           const RunOptions& options,
                                                           const LogDirectory& logs,
                                                           launch::WorkerCommand command) {
  launch::SlurmOptions slurm;
  TRIREME_ASSIGN_OR_RETURN(slurm.arguments, launch::ParseSlurmOptions(asked));
  const OnOptions& on = options.on;
  slurm.arguments.insert(slurm.arguments.end(), on.slurm_arguments.begin(),
                         on.slurm_arguments.end());
  slurm.workers = on.workers != 0 ? on.workers : kOnWorkersDefault;
  slurm.job_name = options.request.name.empty() ? "trireme" : options.request.name;
  slurm.log_directory = logs.path();
  slurm.command = std::move(command);
  slurm.notice = Notice;
  return std::make_unique<launch::SlurmLauncher>(std::move(slurm));
}

absl::StatusOr<std::unique_ptr<launch::Launcher>> LauncherFor(const RunOptions& options,
                                                              const LogDirectory& logs,
                                                              launch::WorkerCommand command) {
  constexpr std::string_view kSsh = "ssh:", kSlurm = "slurm", kSlurmWith = "slurm:";
  const std::string_view target = options.on.target;
  if (target.starts_with(kSsh))
    return SshFor(target.substr(kSsh.size()), options.on, logs, std::move(command));
  if (target == kSlurm) return SlurmFor({}, options, logs, std::move(command));
  if (target.starts_with(kSlurmWith))
    return SlurmFor(target.substr(kSlurmWith.size()), options, logs, std::move(command));
  return absl::InvalidArgumentError(
      fmt::format("--on '{}': give slurm, slurm:OPTION=VALUE,..., ssh:HOST,HOST*SLOTS,... or "
                  "ssh:@FILE",
                  target));
}

/// The job as its workers find it: its own program is where they have it.
RunOptions AsWorkersSee(RunOptions options) {
  auto* binary = std::get_if<mapreduce::BinaryCode>(&options.request.code);
  if (binary != nullptr && !options.on.remote_program.empty())
    binary->path = options.on.remote_program;
  return options;
}

/// Runs the job with its workers; they have left when it returns.
int RunWithCrew(const RunOptions& options, const mapreduce::cluster::Whereabouts& coordinator,
                const LogDirectory& logs, std::unique_ptr<launch::Launcher> launcher) {
  Crew crew(std::move(launcher));
  const auto report =
      RunJobAt(coordinator, AsWorkersSee(options), [&crew](std::uint64_t) { crew.Begin(); });
  const absl::Status failure = crew.End();
  if (!report.ok()) {
    logs.Leave();
    return WrongUse(report.status());
  }
  const int status = ExitStatusOf(*report);
  const bool without_workers = !failure.ok() && status == kInterrupted;
  logs.Conclude(without_workers || status == kFailed);
  if (!without_workers) return ShowReport(options, *report, status);
  const int wrong_use = WrongUse(failure);
  return crew.began() ? kFailed : wrong_use;
}

}  // namespace

int RunJobOn(const RunOptions& options) {
  mapreduce::Files files(options.s3);
  const auto meeting = Meet(options, &files);
  if (!meeting.ok()) return WrongUse(meeting.status());
  const auto logs = LogDirectory::Make(options);
  if (!logs.ok()) return WrongUse(logs.status());
  auto launcher = LauncherFor(options, *logs, CommandOf(options, *meeting));
  if (launcher.ok()) return RunWithCrew(options, meeting->where, *logs, *std::move(launcher));
  logs->Leave();
  return WrongUse(launcher.status());
}

}  // namespace trireme::cli
