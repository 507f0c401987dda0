#include "mapreduce/cluster/job_code.h"

#include <dlfcn.h>

#include <filesystem>
#include <utility>

#include "fmt/format.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::mapreduce {
namespace {

const Job* own_job = nullptr;

absl::StatusOr<LoadedJob> LoadPlugin(const std::string& path) {
  // dlopen looks for a name without a slash elsewhere.
  const std::string absolute = std::filesystem::absolute(path).string();
  void* handle = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return absl::InvalidArgumentError(fmt::format("cannot load the plugin: {}", ::dlerror()));
  auto abi = reinterpret_cast<std::uint32_t (*)()>(::dlsym(handle, "trireme_mapreduce_abi"));
  auto make = reinterpret_cast<void (*)(void*)>(::dlsym(handle, "trireme_mapreduce_job"));
  if (abi == nullptr || make == nullptr)
    return absl::InvalidArgumentError(fmt::format(
        "{} is not a job: it lacks TRIREME_MAPREDUCE_PLUGIN(job), see <trireme/mapreduce.h>",
        path));
  if (abi() != internal::kPluginAbi)
    return absl::InvalidArgumentError(
        fmt::format("{} was built for plugin ABI {}, this program has {}: rebuild it against the "
                    "installed <trireme/mapreduce.h>",
                    path, abi(), internal::kPluginAbi));
  Job job;  // the object stays loaded for good: the job's code is in it
  make(&job);
  return LoadedJob(std::move(job));
}

absl::StatusOr<LoadedJob> Load(const ReadyCode& code, const Parameters& parameters) {
  auto job = MakeReadyJob(code.name, parameters);
  if (!job.ok()) return job.status();
  return LoadedJob(*std::move(job));
}
absl::StatusOr<LoadedJob> Load(const PluginCode& code, const Parameters&) {
  return LoadPlugin(code.path);
}
absl::StatusOr<LoadedJob> Load(const BinaryCode& code, const Parameters&) {
  if (own_job == nullptr)
    return absl::InvalidArgumentError(
        fmt::format("{} does not call trireme::mapreduce::Main", code.path));
  return LoadedJob(*own_job);
}
absl::StatusOr<LoadedJob> Load(const StreamingCode& code, const Parameters&) {
  return LoadedJob(code);
}

}  // namespace

void SetOwnJob(const Job* job) {
  own_job = job;
}

const Job* OwnJob() {
  return own_job;
}

absl::StatusOr<LoadedJob> LoadJob(const JobCode& code, const Parameters& parameters) {
  auto loaded = std::visit([&](const auto& c) { return Load(c, parameters); }, code);
  return loaded;
}

Job LoadedJob::ForAttempt(const AttemptHooks& hooks) const {
  if (!streaming_) return job_;
  StreamingAttempt attempt;
  if (hooks.spec != nullptr) {
    const JobSetup& setup = *hooks.spec->job;
    attempt.job = setup.id;
    attempt.directory = setup.working_directory;
    attempt.format = setup.settings.input_format;
    attempt.split = &hooks.spec->split;
    attempt.parameters = &setup.settings.parameters;
  }
  attempt.cancelled = hooks.cancelled;
  attempt.memory_bytes = hooks.memory_bytes;
  attempt.on_stderr = hooks.on_stderr;
  return MakeStreamingJob(*streaming_, std::move(attempt));
}

}  // namespace trireme::mapreduce
