#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {

/// Failed attempts of a job whose reason is kept, and bytes kept of each.
inline constexpr std::size_t kAttemptNotesMax = 1000;
inline constexpr std::size_t kAttemptNoteBytesMax = 500;
/// Failed attempts of a job, the newest, of whose standard error the end is kept, and how much.
inline constexpr std::size_t kStderrTailsMax = 64;
inline constexpr std::size_t kStderrTailBytesMax = 2048;

/// What the coordinator knows of a job beside the plan: its definition, and what its tasks said.
struct JobEntry {
  struct Report {
    plan::AttemptId attempt{};
    TaskResult result;
  };
  /// Of every attempt that finished a task, for the timeline.
  struct Size {
    std::uint64_t input_bytes = 0, output_bytes = 0, records = 0;
  };

  v1::JobDefinition definition;  ///< without splits once the job has ended
  bool map_only = false;
  std::map<plan::TaskRef, Report> reports;  ///< of each finished task's winner; empty once ended
  Counters counters;                        ///< the sums of those
  std::uint64_t map_input_bytes = 0, reduce_input_bytes = 0;
  std::map<plan::AttemptId, Size> sizes;
  /// Why attempts failed, for the timeline: the first kAttemptNotesMax in this life.
  std::map<plan::AttemptId, std::string> notes;
  /// What they last said on standard error, the newest last.
  std::deque<std::pair<plan::AttemptId, std::string>> stderr_tails;
  bool closed = false;  ///< the job has ended
  /// Its output directory has been made.
  bool output_made = false;
  /// And that is on record; no attempt starts before.
  bool output_ready = false;
  /// The job's end has been carried out: its `_SUCCESS` written or its output removed.
  bool finished = false;
  /// And that is on record: others may hear of it.
  bool announced = false;
  absl::Status finish_error;
  std::int64_t elapsed_ms = 0;  ///< once finished

  /// Adds (or with -1 takes away) what one task's winner said.
  void Count(plan::Phase phase, const TaskResult& result, int sign);
};

/// The jobs of one coordinator, restored with its plan. Owner thread only.
class JobBook {
 public:
  void Admit(plan::JobId id, const plan::JobSpec& spec);
  void Forget(plan::JobId id);
  JobEntry* Find(plan::JobId id);
  const JobEntry* Find(plan::JobId id) const;
  std::optional<plan::JobId> FindSubmission(std::uint64_t submission) const;
  /// The unfinished job that writes to this directory.
  std::optional<plan::JobId> FindWriter(const std::string& output_directory) const;

  /// The task's winner said this. A task that was done again is counted once, as it was last.
  void Report(const plan::AttemptRef& attempt, TaskResult result);
  void Note(const plan::AttemptRef& attempt, std::string_view why, std::string_view stderr_tail);
  /// Drops what only a running job needs.
  void Close(plan::JobId id);

  plan::JobId NextId() const { return plan::JobId{last_id_ + 1}; }

  /// Reads a record of the journal, the plan's or the shell's.
  void Replay(const v1::JournalRecord& record);
  /// The shell's own records for a checkpoint: those that go before the plan's, and after them.
  void Checkpoint(std::vector<v1::JournalRecord>* to) const;
  void CheckpointFinished(std::vector<v1::JournalRecord>* to) const;

 private:
  void ReplayWinner(const plan::AttemptRef& attempt);
  void ReplayTotals(const v1::JobTotals& record);

  std::map<plan::JobId, JobEntry> jobs_;
  std::map<std::uint64_t, plan::JobId> submissions_;
  std::uint64_t last_id_ = 0;
  /// While replaying: reports whose success has not been read yet, and totals of jobs to come.
  std::unordered_map<std::uint64_t, TaskResult> unclaimed_;
  std::map<std::uint64_t, v1::JobTotals> early_totals_;
};

v1::JournalRecord MakeTaskReported(const plan::AttemptRef& attempt, const TaskResult& result);
v1::JournalRecord MakeOutputReady(plan::JobId job);
v1::JournalRecord MakeJobFinished(plan::JobId job, const JobEntry& entry);

}  // namespace trireme::mapreduce::cluster
