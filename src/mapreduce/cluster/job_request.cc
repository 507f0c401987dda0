#include "mapreduce/cluster/job_request.h"

#include <filesystem>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/cluster/job_code.h"
#include "mapreduce/cluster/output_directory.h"
#include "mapreduce/fs/glob.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::mapreduce {
namespace {

std::string NameOf(const JobRequest& request, const Job& job) {
  if (!request.name.empty()) return request.name;
  if (!job.name.empty()) return job.name;
  if (const auto* plugin = std::get_if<PluginCode>(&request.code))
    return std::filesystem::path(plugin->path).stem().string();
  return "job";
}

std::uint32_t ReducesOf(const JobRequest& request, const Job& job, std::uint64_t input_bytes) {
  if (job.map_only) return 0;
  return request.reduces.value_or(DefaultReduces(input_bytes));
}

absl::Status CheckRequest(const JobRequest& request) {
  if (request.output.empty())
    return absl::InvalidArgumentError("--output is '': name a directory for the part files");
  if (request.reduces.value_or(1) > kReducesMax)
    return absl::InvalidArgumentError(
        fmt::format("--reduces {} is more than {}", *request.reduces, kReducesMax));
  if (request.split_bytes == 0)
    return absl::InvalidArgumentError("--split-size must be at least 1");
  if (request.max_attempts == 0)
    return absl::InvalidArgumentError("--max-attempts must be at least 1");
  if (!request.intermediate.empty() && !io::IsObjectPath(request.intermediate))
    return absl::InvalidArgumentError(
        fmt::format("--intermediate '{}' is not s3://BUCKET/PREFIX: leave it out, and map outputs "
                    "stay on the workers",
                    request.intermediate));
  if (!request.intermediate.empty() && request.one_machine)
    return absl::InvalidArgumentError(
        "--intermediate goes with --coordinator: a job in one process keeps its map outputs here");
  if (request.skip_bad_records && std::holds_alternative<StreamingCode>(request.code))
    return absl::InvalidArgumentError(
        "--skip-bad-records does not go with --mapper: a command reads ahead, so nobody knows at "
        "which record it died; let the command pass over what it cannot read");
  return absl::OkStatus();
}

plan::JobSpec SpecOf(const JobRequest& request, const JobSettings& settings, std::size_t maps) {
  plan::JobSpec spec;
  spec.name = settings.name;
  spec.maps = static_cast<std::uint32_t>(maps);
  spec.reduces = settings.reduces;
  spec.max_attempts = request.max_attempts;
  spec.priority = request.priority;
  spec.skip_bad_records = request.skip_bad_records;
  spec.task_timeout_ms = request.task_timeout_ms;
  spec.durable_outputs = !request.intermediate.empty() && spec.reduces > 0;
  return spec;
}

/// Ready jobs may learn from the input what every task has to know.
absl::StatusOr<Parameters> CompleteParameters(const JobRequest& request, io::FileSystem& files,
                                              const std::vector<Split>& splits,
                                              std::uint32_t reduces) {
  const auto* ready = std::get_if<ReadyCode>(&request.code);
  if (ready == nullptr) return request.parameters;
  return PrepareReadyJob(ready->name, request.parameters,
                         {&files, request.inputs, splits, request.format, reduces,
                          request.one_machine, request.slot_memory_bytes});
}

}  // namespace

absl::StatusOr<PreparedJob> PrepareJob(const JobRequest& request, io::FileSystem& files) {
  TRIREME_RETURN_IF_ERROR(CheckRequest(request));
  PreparedJob prepared;
  prepared.output = request.output;
  prepared.overwrite = request.overwrite;
  const OutputDirectory output(&files, request.output, io::Durability::kProcess);
  TRIREME_RETURN_IF_ERROR(output.Check(request.overwrite));
  TRIREME_ASSIGN_OR_RETURN(const auto inputs, ExpandInputs(files, request.inputs));
  TRIREME_RETURN_IF_ERROR(output.CheckApart(inputs));
  prepared.input_files = inputs.size();
  for (const io::FileInfo& input : inputs) prepared.input_bytes += input.size_bytes;
  TRIREME_ASSIGN_OR_RETURN(prepared.splits,
                           PlanSplits(inputs, request.format, request.split_bytes));

  auto setup = std::make_shared<JobSetup>();
  setup->code = request.code;
  setup->isolation = request.isolation.value_or(DefaultIsolation(request.code));
  setup->intermediate = request.intermediate;
  JobSettings& settings = setup->settings;
  settings.input_format = request.format;
  settings.compress_output = request.compress;
  settings.durability = request.sync ? io::Durability::kPowerLoss : io::Durability::kProcess;
  const std::uint32_t likely_reduces =
      request.reduces.value_or(DefaultReduces(prepared.input_bytes));
  TRIREME_ASSIGN_OR_RETURN(settings.parameters,
                           CompleteParameters(request, files, prepared.splits, likely_reduces));
  TRIREME_ASSIGN_OR_RETURN(const LoadedJob code, LoadJob(request.code, settings.parameters));
  const Job job = code.ForAttempt({});
  if (job.mapper == nullptr)
    return absl::InvalidArgumentError(fmt::format("job '{}' has no mapper", NameOf(request, job)));
  settings.name = NameOf(request, job);
  settings.reduces = ReducesOf(request, job, prepared.input_bytes);
  prepared.spec = SpecOf(request, settings, prepared.splits.size());
  prepared.setup = std::move(setup);
  return prepared;
}

namespace {

struct CodeDescriber {
  std::string operator()(const ReadyCode& code) const { return code.name; }
  std::string operator()(const PluginCode& code) const { return "plugin " + code.path; }
  std::string operator()(const BinaryCode& code) const { return "program " + code.path; }
  std::string operator()(const StreamingCode& code) const {
    std::string text = "mapper `" + code.mapper + "`";
    if (!code.combiner.empty()) text += ", combiner `" + code.combiner + "`";
    if (!code.reducer.empty()) text += ", reducer `" + code.reducer + "`";
    return text;
  }
};

}  // namespace

std::vector<std::pair<std::string, std::string>> DescribeSettings(const PreparedJob& prepared) {
  /// A value of a parameter that the input determined may be long.
  constexpr std::size_t kValueBytesMax = 200;
  const JobSetup& setup = *prepared.setup;
  std::vector<std::pair<std::string, std::string>> settings{
      {"code", std::visit(CodeDescriber(), setup.code)},
      {"isolation", setup.isolation == Isolation::kThread ? "thread" : "process"},
      {"reduces", fmt::format("{}", setup.settings.reduces)},
      {"max attempts", fmt::format("{}", prepared.spec.max_attempts)},
      {"task timeout", fmt::format("{} ms", prepared.spec.task_timeout_ms)},
      {"skip bad records", prepared.spec.skip_bad_records ? "yes" : "no"},
      {"map outputs", setup.intermediate.empty() ? "on the workers" : setup.intermediate},
      {"output", setup.settings.compress_output ? "zstd" : "plain"}};
  for (const auto& [name, value] : setup.settings.parameters)
    settings.emplace_back(name, value.substr(0, kValueBytesMax));
  return settings;
}

}  // namespace trireme::mapreduce
