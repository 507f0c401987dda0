#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/process.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/mailbox.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/cluster/slot_wire.h"
#include "mapreduce/cluster/tail.h"
#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {

/// How often a slot's process has its memory measured.
inline constexpr int kMemoryPollMs = 50;
/// A cancelled attempt that has not ended after this long is killed.
inline constexpr int kCancelPatienceMs = 1000;

/// The keeper of one slot's process: starts it, hands it attempts, watches it, buries it. One
/// thread, except progress(). The process lives from attempt to attempt of one job.
class Keeper {
 public:
  Keeper(const SlotPool::Options& options, std::uint32_t slot, SlotPool::Listener* listener);
  ~Keeper();

  struct Outcome {
    absl::StatusOr<TaskResult> result;
    AttemptFailure failure;  ///< when not OK
  };
  /// Runs the attempt; `mailbox` has what its owner says to it meanwhile.
  Outcome Run(const AttemptSpec& spec, Mailbox* mailbox);

  /// Shared with the process.
  TaskProgress& progress() { return *progress_; }

 private:
  absl::Status Prepare(const JobSetup& job);
  absl::Status Spawn(const JobSetup& job);
  void Watch();
  void WatchMemory();
  void PassOn(const Word& word);
  void ReadSocket();
  void ReadStderr();
  void Handle(const SlotFrame& frame);
  void Bury();
  AttemptFailure Failed(const absl::Status& status, const TaskFailure& failure);
  void Finish(absl::StatusOr<TaskResult> result, AttemptFailure failure);

  const SlotPool::Options& options_;
  const std::uint32_t slot_;
  SlotPool::Listener* listener_;
  TaskProgress* progress_;
  io::Fd progress_fd_;

  std::uint64_t job_ = 0;  // that the process is set up for
  io::Process process_;
  io::Fd socket_, stderr_;
  FrameReader frames_;

  // of the attempt in hand
  const AttemptSpec* spec_ = nullptr;
  Mailbox* mailbox_ = nullptr;
  Tail tail_{kStderrTailBytes};
  bool cancelled_ = false;
  bool over_memory_ = false;  // when last looked at
  std::int64_t kill_at_ms_ = 0;
  std::int64_t memory_looked_ms_ = 0;
  std::string killed_because_;
  bool done_ = false;
  Outcome outcome_;
};

}  // namespace trireme::mapreduce
