#include "mapreduce/cluster/worker_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "io/metrics_page.h"
#include "io/process.h"

namespace trireme::mapreduce::cluster {
namespace {

using io::MetricsPage;

constexpr const char* kPhaseNames[] = {"map", "reduce"};

double Number(std::uint64_t value) {
  return static_cast<double>(value);
}

/// Files may come and go meanwhile: what has gone counts as nothing.
std::uint64_t BytesUnder(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::uint64_t bytes = 0;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    const std::uintmax_t size = at->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

std::uint64_t RoomIn(const std::string& directory) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  return error ? 0 : space.available;
}

}  // namespace

void WorkerCounts::Succeeded(plan::Phase phase, bool for_reduces, const TaskResult& result) {
  ++of(phase).succeeded;
  (phase == plan::Phase::kMap ? input_bytes_ : merged_bytes_) += result.input_bytes;
  (for_reduces ? spilled_bytes_ : output_bytes_) += result.output_bytes;
  spills_ += result.spills;
  spilled_records_ += result.spilled_records;
}

void WorkerCounts::Failed(plan::Phase phase, plan::FailureKind kind) {
  ++(kind == plan::FailureKind::kKilled ? of(phase).killed : of(phase).failed);
}

void WorkerCounts::Now(std::uint32_t slots_busy, std::size_t jobs, bool attached, bool draining) {
  slots_busy_ = slots_busy;
  jobs_ = jobs;
  attached_ = attached ? 1 : 0;
  draining_ = draining ? 1 : 0;
  ++turns_;
}

/// Friend of the counts.
class WorkerPage {
 public:
  WorkerPage(const WorkerCounts& counts, const WorkerFacts& facts)
      : counts_(counts), facts_(facts) {}

  std::string Make() {
    AddState();
    AddAttempts();
    AddData();
    AddTransfers();
    AddRoom();
    page_.Process();
    return page_.Take();
  }

 private:
  void AddState() {
    page_.Gauge("trireme_mr_worker_attached", "1: the coordinator knows this worker.",
                Number(counts_.attached_));
    page_.Gauge("trireme_mr_worker_draining", "1: takes no attempts any more.",
                Number(counts_.draining_));
    page_.Gauge("trireme_mr_worker_slots", "Attempts that may run at once.", facts_.slots);
    page_.Gauge("trireme_mr_worker_slots_busy", "Attempts that run.", Number(counts_.slots_busy_));
    page_.Gauge("trireme_mr_worker_jobs", "Jobs that it was told of and may still have data of.",
                Number(counts_.jobs_));
  }

  void AddAttempts() {
    page_.Family("trireme_mr_worker_attempts_started_total", "counter", "Attempts begun here.");
    for (std::size_t i = 0; i < 2; ++i)
      page_.Sample({{"phase", kPhaseNames[i]}}, Number(counts_.phases_[i].started));
    page_.Family("trireme_mr_worker_attempts_ended_total", "counter",
                 "Attempts that ended here, and how.");
    for (std::size_t i = 0; i < 2; ++i) {
      const WorkerCounts::OfPhase& phase = counts_.phases_[i];
      const auto add = [&](const char* outcome, std::uint64_t value) {
        page_.Sample({{"phase", kPhaseNames[i]}, {"outcome", outcome}}, Number(value));
      };
      add("succeeded", phase.succeeded);
      add("failed", phase.failed);
      add("killed", phase.killed);
    }
  }

  void AddData() {
    page_.Family("trireme_mr_worker_bytes_total", "counter",
                 "Of attempts that succeeded here: input that maps read, their output that was "
                 "spilled for reduces, what reduces merged, output of jobs.");
    page_.Sample({{"phase", "input"}}, Number(counts_.input_bytes_));
    page_.Sample({{"phase", "spill"}}, Number(counts_.spilled_bytes_));
    page_.Sample({{"phase", "merge"}}, Number(counts_.merged_bytes_));
    page_.Sample({{"phase", "output"}}, Number(counts_.output_bytes_));
    page_.Counter("trireme_mr_worker_spills_total", "Sorted runs that maps wrote.",
                  Number(counts_.spills_));
    page_.Counter("trireme_mr_worker_spilled_records_total", "Records in them.",
                  Number(counts_.spilled_records_));
  }

  void AddTransfers() {
    AddTransfer("trireme_mr_worker_shuffle_served", "for other workers", *facts_.served);
    AddTransfer("trireme_mr_worker_shuffle_fetched", "from other workers", *facts_.fetched);
    page_.Gauge("trireme_mr_worker_shuffle_memory_bytes", "Fetched partitions held in memory.",
                Number(*facts_.fetched_in_memory));
  }

  void AddTransfer(const std::string& name, const std::string& whose, const TransferCounts& of) {
    page_.Counter(name + "_partitions_total", "Partitions of map outputs, " + whose + ".",
                  Number(of.partitions));
    page_.Counter(name + "_bytes_total", "Their bytes.", Number(of.bytes));
    page_.Counter(name + "_errors_total", "Such transfers that failed.", Number(of.failures));
  }

  void AddRoom() {
    page_.Gauge("trireme_mr_worker_scratch_bytes", "Files in the scratch directory.",
                Number(BytesUnder(facts_.scratch_directory)));
    page_.Gauge("trireme_mr_worker_scratch_free_bytes", "Room on its disk.",
                Number(RoomIn(facts_.scratch_directory)));
    page_.Gauge("trireme_mr_worker_memory_bytes", "Memory of this process and its slots' alone.",
                Number(io::PrivateMemoryOfTree(::getpid())));
    page_.Gauge("trireme_mr_worker_memory_limit_bytes", "What all slots together may use.",
                Number(facts_.memory_bytes));
  }

  const WorkerCounts& counts_;
  const WorkerFacts& facts_;
  MetricsPage page_;
};

std::string WorkerMetrics(const WorkerCounts& counts, const WorkerFacts& facts) {
  return WorkerPage(counts, facts).Make();
}

}  // namespace trireme::mapreduce::cluster
