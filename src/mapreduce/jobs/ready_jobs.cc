#include "mapreduce/jobs/ready_jobs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/range_partition.h"
#include "mapreduce/jobs/factories.h"
#include "mapreduce/jobs/sort_by_reference.h"
#include "mapreduce/jobs/sort_in_memory.h"

namespace trireme::mapreduce {
namespace {

constexpr ReadyJobOption kRecordBytes = {
    .name = kRecordBytesOption, .help = "of --format fixed:N", .internal = true};

constexpr std::array kWordCountOptions = {kRecordBytes};

constexpr std::array kNgramsOptions = {
    ReadyJobOption{.name = "n", .otherwise = "3", .help = "words in a row"},
    kRecordBytes,
};

constexpr std::array kGrepOptions = {
    ReadyJobOption{.name = "pattern",
                   .help = "regular expression (RE2 syntax) that a line contains",
                   .required = true},
    ReadyJobOption{.name = "ignore-case", .help = "letters match in either case", .flag = true},
    ReadyJobOption{.name = "invert-match", .help = "the lines that do not match", .flag = true},
    ReadyJobOption{
        .name = "fixed-strings", .help = "the pattern is plain text, no expression", .flag = true},
    ReadyJobOption{.name = "with-filename",
                   .help = "the file's path as the key before the line",
                   .flag = true},
    kRecordBytes,
};

constexpr std::array kSortOptions = {
    ReadyJobOption{.name = "key-bytes",
                   .otherwise = "all",
                   .help = "compare this many bytes at a record's front; equal ones stay in order"},
    kRecordBytes,
    ReadyJobOption{
        .name = kBoundariesOption, .help = "between the partitions, sampled", .internal = true},
    ReadyJobOption{
        .name = kReferencesOption, .help = "files to gather records from", .internal = true},
    ReadyJobOption{.name = kInMemoryOption,
                   .help = "a slot has memory for all references",
                   .flag = true,
                   .internal = true},
};

constexpr std::array kIndexOptions = {kRecordBytes};

constexpr std::array kJoinOptions = {
    ReadyJobOption{.name = "left",
                   .otherwise = "the first --input",
                   .help = "path or pattern of the files on the left, the smaller side"},
    ReadyJobOption{.name = "right",
                   .otherwise = "the second --input",
                   .help = "path or pattern of the files on the right"},
    ReadyJobOption{.name = "key-field", .otherwise = "1", .help = "the field to join on, from 1"},
    ReadyJobOption{.name = "separator", .otherwise = "tab", .help = "what separates fields"},
    ReadyJobOption{.name = "buffer",
                   .otherwise = "268435456",
                   .help = "bytes of memory for the left lines of one key"},
    kRecordBytes,
};

constexpr std::array kReadyJobs = {
    ReadyJob{"wordcount", "how often each word occurs (words are separated by ASCII white space)",
             kWordCountOptions},
    ReadyJob{"ngrams", "how often each run of words within a line occurs", kNgramsOptions},
    ReadyJob{"grep", "the lines that match a pattern, sorted", kGrepOptions},
    ReadyJob{"sort", "lines or fixed-length records in total order over all part files",
             kSortOptions},
    ReadyJob{"index", "each word's number of files and their sorted, comma-separated names",
             kIndexOptions},
    ReadyJob{"join", "key, left line and right line wherever two inputs have a field in common",
             kJoinOptions},
};

using JobFactory = absl::StatusOr<Job> (*)(const JobOptions&);
constexpr std::array<JobFactory, kReadyJobs.size()> kFactories = {
    MakeWordCount, MakeNgrams, MakeGrep, MakeSort, MakeIndex, MakeJoin};

std::string JobNames() {
  std::string names;
  for (const ReadyJob& job : kReadyJobs) {
    if (!names.empty()) names += ", ";
    names += job.name;
  }
  return names;
}

std::string OptionNames(const ReadyJob& job) {
  std::string names;
  for (const ReadyJobOption& option : job.options) {
    if (!option.internal) names += fmt::format(" --{}", option.name);
  }
  return names.empty() ? " none" : names;
}

absl::StatusOr<const ReadyJob*> Checked(std::string_view name, const Parameters& options) {
  const ReadyJob* job = FindReadyJob(name);
  if (job == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("unknown job '{}': there are {}", name, JobNames()));
  }
  for (const auto& [given, value] : options) {
    const std::string& asked = given;  // Clang 14 captures no structured binding.
    const auto is_given = [&](const ReadyJobOption& option) { return option.name == asked; };
    if (std::none_of(job->options.begin(), job->options.end(), is_given)) {
      return absl::InvalidArgumentError(
          fmt::format("job {} has no option --{}; its options:{}", name, given, OptionNames(*job)));
    }
  }
  for (const ReadyJobOption& option : job->options) {
    if (option.required && options.find(option.name) == options.end())
      return absl::InvalidArgumentError(
          fmt::format("job {} needs --{}: {}", name, option.name, option.help));
  }
  return job;
}

absl::Status AddBoundaries(const ReadyJobInput& input, Parameters& options) {
  TRIREME_ASSIGN_OR_RETURN(
      const std::uint64_t key_bytes,
      JobOptions(options).Number("key-bytes", ~std::uint64_t{0}, 1, ~std::uint64_t{0}));
  const auto key_of = [&](const Record& record) { return record.value.substr(0, key_bytes); };
  TRIREME_ASSIGN_OR_RETURN(
      const std::vector<std::string> boundaries,
      SampleBoundaries(input.files, input.splits, input.format, key_of, input.reduces));
  options[std::string(kBoundariesOption)] = EncodeBoundaries(boundaries);
  const std::uint32_t record_bytes = input.format.record_bytes;
  if (input.one_machine && input.reduces != 0 && input.format.kind == InputFormat::Kind::kFixed &&
      PaysByReference(input.splits, record_bytes)) {
    const auto files = ReferencedFiles(input.splits, record_bytes);
    options[std::string(kReferencesOption)] = EncodeReferences(files);
    if (FitsInMemory(files, input.slot_memory_bytes)) options[std::string(kInMemoryOption)] = "";
  }
  return absl::OkStatus();
}

/// Which input is left and which right, where the options do not say.
absl::Status AddSides(const ReadyJobInput& input, Parameters& options) {
  const bool left = options.count("left") != 0, right = options.count("right") != 0;
  if (!left && !right && input.arguments.size() == 2) {
    options["left"] = input.arguments[0];
    options["right"] = input.arguments[1];
  } else if (!left || !right) {
    return absl::InvalidArgumentError(fmt::format(
        "join of {} inputs: give exactly two --input, the left one first, or --left and --right",
        input.arguments.size()));
  }
  for (const Split& split : input.splits) {
    for (const InputRange& range : split.ranges) {
      if (glob::MatchPath(options["left"], range.path)) continue;
      if (glob::MatchPath(options["right"], range.path)) continue;
      return absl::InvalidArgumentError(
          fmt::format("input {} is neither of --left '{}' nor of "
                      "--right '{}'",
                      range.path, options["left"], options["right"]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const ReadyJob> ReadyJobs() {
  return kReadyJobs;
}

const ReadyJob* FindReadyJob(std::string_view name) {
  for (const ReadyJob& job : kReadyJobs) {
    if (job.name == name) return &job;
  }
  return nullptr;
}

absl::StatusOr<Parameters> PrepareReadyJob(std::string_view name, Parameters options,
                                           const ReadyJobInput& input) {
  TRIREME_ASSIGN_OR_RETURN(const ReadyJob* job, Checked(name, options));
  if (input.format.kind == InputFormat::Kind::kFixed)
    options[std::string(kRecordBytesOption)] = std::to_string(input.format.record_bytes);
  const bool files = input.format.kind == InputFormat::Kind::kFiles;
  if (files && (job->name == "sort" || job->name == "join")) {
    return absl::InvalidArgumentError(fmt::format("{} does not go with --format files: use lines{}",
                                                  name, job->name == "sort" ? " or fixed:N" : ""));
  }
  if (job->name == "sort") TRIREME_RETURN_IF_ERROR(AddBoundaries(input, options));
  if (job->name == "join") TRIREME_RETURN_IF_ERROR(AddSides(input, options));
  if (const auto made = MakeReadyJob(name, options); !made.ok()) return made.status();
  return options;
}

absl::StatusOr<Job> MakeReadyJob(std::string_view name, const Parameters& options) {
  TRIREME_ASSIGN_OR_RETURN(const ReadyJob* job, Checked(name, options));
  const auto index = static_cast<std::size_t>(job - kReadyJobs.data());
  TRIREME_ASSIGN_OR_RETURN(Job made, kFactories[index](JobOptions(options)));
  made.name = job->name;
  made.description = job->description;
  return made;
}

}  // namespace trireme::mapreduce
