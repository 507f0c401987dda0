#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/job_code.h"
#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {

/// What a running attempt asks of the outside. Calls come from the attempt's thread and may block;
/// once the attempt is cancelled they return soon.
class AttemptHost {
 public:
  virtual ~AttemptHost() = default;
  /// The output is whole under a temporary name: may it get its final one?
  virtual bool MayCommit(const TaskResult& result) = 0;
  virtual absl::StatusOr<MapInput> FindMapOutput(std::uint32_t map) = 0;
  virtual void OnStatus(std::string_view text) = 0;
  virtual void OnStderr(std::string_view bytes) = 0;
};

struct AttemptOutcome {
  absl::StatusOr<TaskResult> result;
  TaskFailure failure;
};

/// Runs one attempt from start to commit on the calling thread. `environment` has everything but
/// the scratch directory, which is `scratch`/attempt-ID, made and removed here.
AttemptOutcome RunAttempt(const LoadedJob& job, const AttemptSpec& spec,
                          TaskEnvironment environment, const std::string& scratch,
                          std::size_t command_memory_bytes, TaskControl* control,
                          AttemptHost& host);

/// Removes what a failed attempt may have left, also one whose process was killed: its scratch
/// directory and its intermediate file. (An uncommitted part file has a temporary name in the
/// job's output directory, which is removed with the job.)
void DropOutput(const AttemptSpec& spec, io::FileSystem& files, const std::string& scratch);

/// For the next attempt.
void Reset(TaskProgress& progress);

/// The failure that an attempt's status stands for. `progress` tells the record in hand.
AttemptFailure DescribeFailure(const AttemptSpec& spec, const absl::Status& status,
                               const TaskFailure& failure, const TaskProgress& progress);

/// The record that user code has in hand, if any.
std::optional<plan::RecordPosition> RecordInHand(const AttemptSpec& spec,
                                                 const TaskProgress& progress);

}  // namespace trireme::mapreduce
