#include "cli/run_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "cli/command_table.h"
#include "cli/flags.h"
#include "cli/s3_flags.h"
#include "cli/sizes.h"
#include "fmt/format.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::cli {
namespace {

using mapreduce::Isolation;
using mapreduce::JobCode;
using mapreduce::ReadyJob;
using mapreduce::ReadyJobOption;

/// The command line of one run.
class RunParser {
 public:
  RunParser(const std::string& program, JobSource source, const std::string& description)
      : source_(source), app_(description, program) {
    app_.get_formatter()->column_width(34);
    app_.set_help_flag("-h,--help", "show this and exit");
    AddJob();
    AddInputAndOutput();
    AddRunning();
    AddShowing();
    if (source_ != JobSource::kSubmitted) AddOnOptions(app_, &options_.on);
    AddS3Flags(app_, &options_.s3);
  }

  absl::StatusOr<ParsedRun> Parse(std::vector<std::string> arguments) {
    if (absl::Status found = FindReadyJob(arguments); !found.ok()) return found;
    if (Describe(app_)) return HelpAsked{};
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      return HelpAsked{app_.help()};
    } catch (const CLI::ParseError& error) {
      return absl::InvalidArgumentError(Explain(error));
    }
    return Conclude();
  }

 private:
  void AddJob() {
    if (source_ == JobSource::kOwn) return;
    app_.add_option("JOB", ready_, "a ready job: see `trireme mr jobs`");
    app_.add_option("--plugin", plugin_, "a job in a shared object")->type_name("FILE.so");
    app_.add_option("--mapper", streaming_.mapper, "command: lines in, key<TAB>value lines out")
        ->type_name("CMD");
    app_.add_option("--combiner", streaming_.combiner, "command: sorted map output in and out")
        ->type_name("CMD");
    app_.add_option("--reducer", streaming_.reducer,
                    "command: sorted key<TAB>value lines in, output lines out; NONE: map only")
        ->type_name("CMD");
  }

  void AddInputAndOutput() {
    auto* input = app_.add_option("-i,--input", request().inputs,
                                  "files, directories, globs (** for any depth)");
    input->type_name("PATH...")->required();
    app_.add_option("-o,--output", request().output, "directory for part files; must not exist")
        ->type_name("DIR")
        ->required();
    app_.add_option_function<std::string>(
            "--format", [this](const std::string& format) { SetFormat(format); },
            "lines (default), files or fixed:N bytes per record")
        ->type_name("FORMAT");
    app_.add_flag("--overwrite", request().overwrite, "replace an older output when done");
    AddChoice(app_, "--compress", "compress the output: zstd or none (default)", {"zstd", "none"},
              [this](const std::string& kind) { request().compress = kind == "zstd"; });
    AddNumber(app_, "--reduces", "part files; 0: map only (default: by size)", 0,
              mapreduce::kReducesMax,
              [this](auto n) { request().reduces = static_cast<std::uint32_t>(n); });
    AddSize(app_, "--split-size", "input of one map task (default 64M)", 1,
            [this](auto bytes) { request().split_bytes = bytes; });
    app_.add_option_function<std::vector<std::string>>(
            "--set", [this](const auto& settings) { SetParameters(settings); },
            "a parameter of the job")
        ->type_name("NAME=VALUE");
    app_.add_option("--name", request().name, "name of the job")->type_name("NAME");
  }

  void AddRunning() {
    AddNumber(app_, "--slots", "tasks at one time (default: cores)", 1, kSlotsMax,
              [this](auto n) { options_.slots = static_cast<std::uint32_t>(n); });
    AddSize(app_, "--memory",
            "of all processes together (default: half of the machine's or the container's)",
            mapreduce::kMemoryMin, [this](auto bytes) { options_.memory_bytes = bytes; });
    AddChoice(app_, "--isolation",
              "slots are a process or a thread each (default: by the kind of job)",
              {"process", "thread"}, [this](const std::string& kind) {
                request().isolation = kind == "process" ? Isolation::kProcess : Isolation::kThread;
              });
    AddNumber(app_, "--max-attempts", "failures of one task that fail the job (default 4)", 1,
              kAttemptsMax,
              [this](auto n) { request().max_attempts = static_cast<std::uint32_t>(n); });
    AddTime(app_, "--task-timeout", "without progress a task fails (default 10m; 0: never)", 0,
            [this](auto ms) { request().task_timeout_ms = ms; });
    app_.add_flag("--skip-bad-records", request().skip_bad_records,
                  "pass over records that crashed the job's code twice; not with --mapper");
    app_.add_option("--dir", options_.directory, "for temporary files (default: $TMPDIR, /var/tmp)")
        ->type_name("DIR");
    app_.add_flag("--no-sync{false}", request().sync, "do not wait for the disk at the end");
    app_.add_option(
            "--intermediate", request().intermediate,
            "on a cluster: where map outputs go, s3://BUCKET/PREFIX, so that workers may be "
            "lost (default: they stay on the workers)")
        ->type_name("URL");
    AddClusterFlags(app_, &options_.cluster, CoordinatorHelp(), KvHelp());
    AddNumber(app_, "--priority", "on a cluster: greater goes first (default 0)",
              std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(),
              [this](auto n) { request().priority = static_cast<std::int32_t>(n); });
  }

  void AddShowing() {
    // Of a job that is only submitted nothing is shown: these are known there to be refused.
    const std::string group = source_ == JobSource::kSubmitted ? "" : "Options";
    app_.add_option("--report", options_.report, "write a page about the job")
        ->type_name("FILE.html")
        ->group(group);
    app_.add_flag("--json", options_.json, "print one JSON object about the job at the end");
    app_.add_flag("-q,--quiet", options_.quiet, "print nothing but errors")->group(group);
    app_.add_flag("--no-progress", options_.no_progress, "no progress bar")->group(group);
    AddLogLevel(app_);
  }

  const char* CoordinatorHelp() const {
    if (source_ == JobSource::kSubmitted)
      return "unix:/path or host:port (default: $TRIREME_COORDINATOR)";
    return "run on the cluster at unix:/path or host:port (not given: run here, whatever "
           "$TRIREME_COORDINATOR says)";
  }

  const char* KvHelp() const {
    if (source_ == JobSource::kSubmitted) return kKvHelp;
    return "run on the cluster whose coordinator this KV knows: host:port,... (not given: run "
           "here, whatever $TRIREME_KV says)";
  }

  /// A ready job's own options can be known only when its name is: the first argument that is no
  /// option.
  absl::Status FindReadyJob(const std::vector<std::string>& arguments) {
    if (source_ == JobSource::kOwn || arguments.empty() || arguments[0].starts_with("-"))
      return absl::OkStatus();
    const ReadyJob* job = mapreduce::FindReadyJob(arguments[0]);
    if (job == nullptr) return UnknownJob(arguments[0]);
    for (const ReadyJobOption& option : job->options) {
      if (!option.internal) AddJobOption(option);
    }
    return absl::OkStatus();
  }

  static absl::Status UnknownJob(const std::string& name) {
    std::string known;
    for (const ReadyJob& job : mapreduce::ReadyJobs())
      known += (known.empty() ? "" : ", ") + std::string(job.name);
    return absl::InvalidArgumentError(
        fmt::format("unknown job '{}': use {}, or --plugin FILE.so, or --mapper CMD --reducer CMD",
                    name, known));
  }

  void AddJobOption(const ReadyJobOption& option) {
    const std::string name(option.name);
    const std::string help =
        std::string(option.help) +
        (option.otherwise.empty() ? "" : fmt::format(" (default {})", option.otherwise));
    CLI::Option* added = nullptr;
    if (option.flag) {
      added = app_.add_flag_callback(
          "--" + name, [this, name] { request().parameters[name] = "true"; }, help);
    } else {
      added = app_.add_option_function<std::string>(
          "--" + name,
          [this, name](const std::string& value) { request().parameters[name] = value; }, help);
    }
    added->group("Options of the job")->required(option.required);
  }

  void SetParameters(const std::vector<std::string>& settings) {
    for (const std::string& setting : settings) {
      const std::size_t equals = setting.find('=');
      if (equals == std::string::npos || equals == 0) Refuse("--set", setting, "NAME=VALUE");
      request().parameters[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
  }

  void SetFormat(const std::string& text) {
    const auto format = ParseFormat(text);
    if (!format.ok())
      Refuse("--format", text, "lines, files, or fixed:N with N bytes (1 to 2^30) per record");
    request().format = *format;
  }

  absl::StatusOr<ParsedRun> Conclude() {
    const int sources = !ready_.empty() + !plugin_.empty() +
                        !(streaming_.mapper.empty() && streaming_.reducer.empty());
    if (source_ == JobSource::kOwn) {
      // Where it lies, so that other processes and machines find it.
      std::error_code error;
      const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
      request().code = mapreduce::BinaryCode{error ? "/proc/self/exe" : self.string()};
      return options_;
    }
    if (sources != 1)
      return absl::InvalidArgumentError(
          sources == 0 ? "no job: name a ready job (see `trireme mr jobs`), or give --plugin "
                         "FILE.so, or --mapper CMD --reducer CMD"
                       : "several jobs: give one of a ready job's name, --plugin and --mapper");
    if (!ready_.empty()) request().code = mapreduce::ReadyCode{ready_};
    if (!plugin_.empty()) request().code = mapreduce::PluginCode{plugin_};
    if (!streaming_.mapper.empty() || !streaming_.reducer.empty()) return ConcludeStreaming();
    if (!streaming_.combiner.empty())
      return absl::InvalidArgumentError("--combiner goes with --mapper and --reducer");
    return options_;
  }

  absl::StatusOr<ParsedRun> ConcludeStreaming() {
    if (streaming_.mapper.empty())
      return absl::InvalidArgumentError("--reducer without --mapper: give both (`cat` passes on)");
    if (streaming_.reducer == "NONE") {
      streaming_.reducer.clear();
      request().reduces = 0;
    }
    request().code = streaming_;
    return options_;
  }

  mapreduce::JobRequest& request() { return options_.request; }

  const JobSource source_;
  RunOptions options_;
  std::string ready_, plugin_;
  mapreduce::StreamingCode streaming_;
  CLI::App app_;
};

}  // namespace

absl::StatusOr<ParsedRun> ParseRun(const std::string& program, JobSource source,
                                   const std::string& description,
                                   std::vector<std::string> arguments) {
  return RunParser(program, source, description).Parse(std::move(arguments));
}

}  // namespace trireme::cli
