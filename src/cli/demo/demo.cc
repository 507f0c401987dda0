#include "cli/demo/demo.h"

#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "cli/demo/actor.h"
#include "cli/demo/lookout.h"
#include "cli/demo/play.h"
#include "cli/demo/same_output.h"
#include "cli/demo/screen.h"
#include "cli/demo/stage.h"
#include "cli/interrupts.h"
#include "cli/mr_servers.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/file.h"

namespace trireme::demo {
namespace {

namespace fs = std::filesystem;

/// Ready jobs and what the audience calls them.
struct Job {
  const char* name;
  const char* title;
};
constexpr Job kJobs[] = {{"wordcount", "word count"}, {"index", "inverted index"}};
constexpr std::size_t kWordsShown = 5;

struct Options {
  std::vector<std::string> input = {"/usr/include/**/*.h", "/usr/share/common-licenses/*"};
  std::string split_size = "256K";
  std::string directory;  ///< empty: a new one under $TMPDIR
  bool keep = false;
  bool hold = false;
};

absl::StatusOr<std::string> MakeDirectory(const Options& options) {
  std::error_code error;
  if (!options.directory.empty()) {
    if (fs::exists(options.directory, error)) {
      return absl::AlreadyExistsError(
          fmt::format("--dir {}: it exists; name one that does not", options.directory));
    }
    fs::create_directories(options.directory, error);
    if (error) return io::ErrnoStatus("mkdir", options.directory, error.value());
    return fs::absolute(options.directory).string();
  }
  std::string path = fs::temp_directory_path(error).string() + "/trireme-demo-XXXXXX";
  if (error || ::mkdtemp(path.data()) == nullptr) return io::ErrnoStatus("mkdtemp", path, errno);
  return path;
}

/// The whole performance, in one directory.
class Demo {
 public:
  Demo(const Options& options, std::string directory)
      : options_(options), directory_(std::move(directory)), screen_(stdout) {}

  absl::Status Run() {
    TRIREME_RETURN_IF_ERROR(RunSequentially());
    TRIREME_ASSIGN_OR_RETURN(stage_, SetStage(directory_));
    TRIREME_ASSIGN_OR_RETURN(auto lookout, Lookout::Create(*stage_));
    screen_.Title("three members of the store, two coordinators, four workers");
    TRIREME_RETURN_IF_ERROR(Open(*stage_, *lookout, screen_, interrupts_));
    TellPages();
    screen_.Title("both jobs at once; three processes are killed in the middle");
    for (const Job& job : kJobs) jobs_.push_back(OnTheStage(job));
    TRIREME_RETURN_IF_ERROR(Play(*stage_, *lookout, screen_, jobs_, interrupts_));
    screen_.Clear();
    TRIREME_RETURN_IF_ERROR(Compare());
    return options_.hold ? Hold(*lookout) : absl::OkStatus();
  }

  /// Ends every process that is left.
  void Close() {
    screen_.Clear();
    std::vector<Actor*> all;
    for (Actor& job : jobs_) all.push_back(&job);
    if (stage_ != nullptr) {
      for (Actor* actor : stage_->All()) all.push_back(actor);
    }
    for (Actor* actor : all) actor->AskToStop();
    for (Actor* actor : all) {
      if (actor->running()) actor->Wait();
    }
  }

  Screen& screen() { return screen_; }

 private:
  std::string OutputOf(const Job& job, const char* how) const {
    return fmt::format("{}/{}-{}", directory_, job.name, how);
  }

  Actor JobActor(const Job& job, const char* how, std::vector<std::string> more) const {
    std::vector<std::string> arguments = {
        "mr",        "run", job.name,       "--output",          OutputOf(job, how),
        "--reduces", "4",   "--split-size", options_.split_size, "--quiet"};
    for (const std::string& input : options_.input) {
      arguments.insert(arguments.end(), {"--input", input});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return {job.name, std::move(arguments), OutputOf(job, how) + ".log"};
  }

  Actor OnTheStage(const Job& job) const {
    return JobActor(
        job, "cluster",
        {"--kv", stage_->Kv(), "--report", fmt::format("{}/{}.html", directory_, job.name)});
  }

  absl::Status RunSequentially() {
    screen_.Title("the sequential runs, to compare with");
    for (const Job& job : kJobs) {
      const std::int64_t start = io::SteadyMs();
      Actor alone = JobActor(job, "sequential", {"--slots", "1", "--no-sync"});
      TRIREME_RETURN_IF_ERROR(alone.Start());
      std::optional<io::ExitStatus> exit;
      while (!(exit = alone.TryWait())) {
        if (interrupts_ != 0) return absl::CancelledError("interrupted");
        if (io::SteadyMs() - start > kPlayMsMax) alone.Kill();
        ::poll(nullptr, 0, kLookMs);
      }
      if (!exit->ok()) return alone.EndedBadly(fmt::format("the sequential {}", job.title), *exit);
      screen_.Line(fmt::format("{}: {:.1f} s", job.title,
                               static_cast<double>(io::SteadyMs() - start) / 1e3));
    }
    return absl::OkStatus();
  }

  void TellPages() {
    for (std::size_t i = 0; i < stage_->pages.size(); ++i) {
      screen_.Line(fmt::format("watch the jobs:  http://{}/", stage_->pages[i]));
    }
    for (const std::string& endpoint : stage_->endpoints) {
      screen_.Line(fmt::format("watch the store: http://{}/ui", endpoint));
    }
  }

  absl::Status Compare() {
    screen_.Title("the outputs beside those of the sequential runs");
    for (const Job& job : kJobs) {
      TRIREME_ASSIGN_OR_RETURN(const OutputSize size,
                               SameOutput(OutputOf(job, "sequential"), OutputOf(job, "cluster")));
      screen_.Line(fmt::format("{}: {} files, {} bytes: the same, byte by byte", job.title,
                               size.files, size.bytes));
    }
    screen_.Title("the most frequent words");
    for (const auto& [number, word] : Greatest(OutputOf(kJobs[0], "cluster"), kWordsShown)) {
      screen_.Line(fmt::format("{:>10}  {}", number, cli::OneLine(word)));
    }
    return absl::OkStatus();
  }

  /// Until somebody has seen enough.
  absl::Status Hold(Lookout& lookout) {
    screen_.Title("everything goes on running; Ctrl-C ends it");
    for (const std::int64_t start = io::SteadyMs(); interrupts_ == 0;) {
      screen_.Draw(*stage_, lookout.Look(), io::SteadyMs() - start);
      ::poll(nullptr, 0, 10 * kLookMs);
    }
    return absl::OkStatus();
  }

  const Options& options_;
  const std::string directory_;
  const std::atomic<int>& interrupts_ = *cli::CatchInterrupts();
  Screen screen_;
  std::unique_ptr<Stage> stage_;
  std::deque<Actor> jobs_;
};

/// All but the reports and, when something went wrong, nothing: the logs tell what.
void CleanUp(const std::string& directory, bool keep, bool failed, Screen& screen) {
  std::error_code error;
  if (keep || failed) return screen.Line(fmt::format("everything is left in {}", directory));
  std::string reports;
  std::vector<fs::path> rest;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".html") {
      reports += " " + entry.path().string();
    } else {
      rest.push_back(entry.path());
    }
  }
  for (const fs::path& path : rest) fs::remove_all(path, error);
  if (reports.empty()) fs::remove(directory, error);
  if (!reports.empty()) screen.Title("the reports of the jobs:" + reports);
}

int Perform(const Options& options) {
  const auto directory = MakeDirectory(options);
  if (!directory.ok()) return cli::WrongUse(directory.status());
  Demo demo(options, *directory);
  const absl::Status status = demo.Run();
  demo.Close();
  const bool interrupted = absl::IsCancelled(status);
  CleanUp(*directory, options.keep, !status.ok() && !interrupted, demo.screen());
  if (status.ok()) return cli::kDone;
  cli::Say(stderr, "trireme: demo: {}\n", std::string(status.message()));
  return interrupted ? cli::kInterrupted : cli::kFailed;
}

}  // namespace

int RunDemo(std::vector<std::string> arguments) {
  Options options;
  CLI::App app(
      "Word count and inverted index of real files over three members of the store, two\n"
      "coordinators and four workers, all processes of this machine. A worker, the store's leader\n"
      "and the leading coordinator are killed in the middle and started again; the output is\n"
      "compared with that of a sequential run. Takes less than three minutes; everything but the\n"
      "jobs' reports is removed.",
      "trireme demo");
  app.set_help_flag("-h,--help", "show this and exit");
  app.add_option("--input", options.input,
                 "files, directories or patterns (default: this machine's header files and "
                 "licenses)");
  app.add_option("--split-size", options.split_size, "of a map task's input (default 256K)");
  app.add_option("--dir", options.directory,
                 "for everything the demo writes; must not exist (default: a new one in $TMPDIR)");
  app.add_flag("--keep", options.keep, "leave everything there at the end");
  app.add_flag("--hold", options.hold, "leave the cluster and its pages up until Ctrl-C");
  if (const auto status = cli::ParseArguments(app, std::move(arguments))) return *status;
  return Perform(options);
}

}  // namespace trireme::demo
