#include "mapreduce/cluster/job_counters.h"

namespace trireme::mapreduce {
namespace {

void Add(Counters& to, const char* name, std::uint64_t by) {
  to[{kEngineCounters, name}] += static_cast<std::int64_t>(by);
}

}  // namespace

void CountTask(plan::Phase phase, bool map_only, const TaskResult& result, Counters& to) {
  AddCounters(result.counters, to);
  if (phase == plan::Phase::kMap) {
    Add(to, "map input bytes", result.input_bytes);
    Add(to, "map output records", result.output_records);
    if (map_only) return Add(to, "output bytes", result.output_bytes);
    Add(to, "map output bytes", result.output_bytes);
    Add(to, "spilled records", result.spilled_records);
    return Add(to, "spills", result.spills);
  }
  Add(to, "reduce input groups", result.input_groups);
  Add(to, "reduce input records", result.input_records);
  Add(to, "reduce output records", result.output_records);
  Add(to, "output bytes", result.output_bytes);
}

void CountJob(const plan::JobSnapshot& job, Counters& to) {
  Add(to, "launched attempts", job.stats.attempts);
  if (job.stats.failures != 0) Add(to, "failed attempts", job.stats.failures);
  if (job.stats.killed != 0) Add(to, "killed attempts", job.stats.killed);
  if (job.stats.backups != 0) Add(to, "backup attempts", job.stats.backups);
  if (job.stats.outputs_lost != 0) Add(to, "map outputs lost", job.stats.outputs_lost);
}

}  // namespace trireme::mapreduce
