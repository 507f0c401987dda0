#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "mapreduce/cluster/attempt_runner.h"
#include "mapreduce/cluster/keeper.h"
#include "mapreduce/cluster/mailbox.h"
#include "mapreduce/cluster/slot_pool.h"

namespace trireme::mapreduce {

/// One slot: a thread that runs attempts itself or keeps a process that does.
class Slot {
 public:
  /// `options` outlives the slot.
  Slot(std::uint32_t index, const SlotPool::Options& options, SlotPool::Listener* listener);
  /// Waits for the attempt in hand.
  ~Slot();

  /// False when it is busy.
  [[nodiscard]] bool TryStart(AttemptSpec& spec);
  /// False when this attempt is not in hand.
  bool Tell(std::uint64_t attempt, Word word);
  void CancelAny();
  /// False when it is still busy at `deadline`.
  bool WaitIdle(std::chrono::steady_clock::time_point deadline);
  std::optional<SlotPool::Progress> Running() const;

 private:
  void Loop();
  void RunOne(const AttemptSpec& spec);
  AttemptFailure RunHere(const AttemptSpec& spec, absl::StatusOr<TaskResult>* result);
  absl::StatusOr<const LoadedJob*> Load(const JobSetup& job);

  const std::uint32_t index_;
  const SlotPool::Options& options_;
  SlotPool::Listener* listener_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<AttemptSpec> spec_;  // set while busy
  std::uint32_t maps_provided_ = 0;
  bool stopping_ = false;
  TaskProgress* watched_ = nullptr;  // of the attempt in hand

  // the thread's own
  Mailbox mailbox_;
  TaskProgress progress_;
  TaskControl control_;
  CollectorMemory memory_;
  std::unique_ptr<Keeper> keeper_;
  std::optional<std::pair<std::uint64_t, LoadedJob>> loaded_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace trireme::mapreduce
