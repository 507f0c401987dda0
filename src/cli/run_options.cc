#include "cli/run_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "cli/sizes.h"
#include "fmt/format.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::cli {
namespace {

using mapreduce::Isolation;
using mapreduce::JobCode;
using mapreduce::ReadyJob;
using mapreduce::ReadyJobOption;

/// A callback that turns a parser's error into CLI11's.
template <typename Parse, typename Store>
auto Checked(const char* name, Parse parse, Store store) {
  return [name, parse, store](const std::string& text) {
    auto value = parse(text);
    if (!value.ok()) throw CLI::ValidationError(name, std::string(value.status().message()));
    store(*std::move(value));
  };
}

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
  }

  absl::StatusOr<ParsedRun> Parse(std::vector<std::string> arguments) {
    if (absl::Status found = FindReadyJob(arguments); !found.ok()) return found;
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      return HelpAsked{app_.help()};
    } catch (const CLI::ParseError& error) {
      return absl::InvalidArgumentError(OneLine(error.what()));
    }
    return Conclude();
  }

 private:
  static std::string OneLine(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + " (see --help)";
  }

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
    Option("--format", "FORMAT", "lines (default), files or fixed:N bytes per record", ParseFormat,
           [this](auto format) { request().format = format; });
    app_.add_flag("--overwrite", request().overwrite, "replace an older output when done");
    app_.add_option_function<std::string>(
            "--compress",
            [this](const std::string& kind) {
              if (kind != "zstd" && kind != "none")
                throw CLI::ValidationError("--compress is zstd or none, not '" + kind + "'");
              request().compress = kind == "zstd";
            },
            "compress the output: zstd")
        ->type_name("KIND");
    app_.add_option("--reduces", request().reduces, "part files; 0: map only (default: by size)")
        ->type_name("R");
    Option("--split-size", "BYTES", "input of one map task (default 64M)", ParseSize,
           [this](auto bytes) { request().split_bytes = bytes; });
    app_.add_option_function<std::vector<std::string>>(
            "--set", [this](const auto& settings) { SetParameters(settings); },
            "a parameter of the job")
        ->type_name("NAME=VALUE");
    app_.add_option("--name", request().name, "name of the job")->type_name("NAME");
  }

  void AddRunning() {
    app_.add_option("--slots", options_.slots, "tasks at one time (default: cores)")
        ->check(CLI::Range(1, 4096))
        ->type_name("N");
    Option("--memory", "BYTES", "of all processes together (default: half of the machine's)",
           ParseSize, [this](auto bytes) { options_.memory_bytes = bytes; });
    app_.add_option_function<std::string>(
            "--isolation", [this](const std::string& kind) { SetIsolation(kind); },
            "slots are a process or a thread each (default: by the kind of job)")
        ->type_name("KIND");
    app_.add_option("--max-attempts", request().max_attempts,
                    "failures of one task that fail the job (default 4)")
        ->type_name("N");
    Option("--task-timeout", "TIME", "without progress a task fails (default 10m; 0: never)",
           ParseDuration, [this](auto ms) { request().task_timeout_ms = ms; });
    app_.add_flag("--skip-bad-records", request().skip_bad_records,
                  "pass over records that crashed the job's code twice");
    app_.add_option("--dir", options_.directory, "for temporary files (default: $TMPDIR, /var/tmp)")
        ->type_name("DIR");
    app_.add_flag("--no-sync{false}", request().sync, "do not wait for the disk at the end");
    app_.add_option("--coordinator", options_.coordinator, "run on the cluster at this address")
        ->type_name("ADDR");
    app_.add_option("--priority", request().priority, "on a cluster: greater goes first")
        ->type_name("N");
  }

  void AddShowing() {
    app_.add_option("--report", options_.report, "write a page about the job")
        ->type_name("FILE.html");
    app_.add_flag("--json", options_.json, "print one JSON object about the job at the end");
    app_.add_flag("-q,--quiet", options_.quiet, "print nothing but errors");
    app_.add_flag("--no-progress", options_.no_progress, "no progress bar");
    app_.add_option("--log-level", options_.log_level, "debug, info, warn (default) or error")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
        ->type_name("LEVEL");
  }

  template <typename Parse, typename Store>
  void Option(const char* name, const char* type, const char* help, Parse parse, Store store) {
    app_.add_option_function<std::string>(name, Checked(name, parse, store), help)->type_name(type);
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
      if (equals == std::string::npos || equals == 0)
        throw CLI::ValidationError("--set wants NAME=VALUE, not '" + setting + "'");
      request().parameters[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
  }

  void SetIsolation(const std::string& kind) {
    if (kind != "process" && kind != "thread")
      throw CLI::ValidationError("--isolation is process or thread, not '" + kind + "'");
    request().isolation = kind == "process" ? Isolation::kProcess : Isolation::kThread;
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
