#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/mailbox.h"
#include "mapreduce/fs/s3_options.h"

namespace trireme::mapreduce {

class Slot;

/// Runs attempts side by side, one to a slot, as threads of this process or in processes of their
/// own, as each job says. Slots come to life when they are first needed. Thread-safe.
class SlotPool {
 public:
  struct Options {
    std::uint32_t slots = 1;
    /// Of one slot, for everything: the engine's buffers and the user's code.
    std::size_t memory_bytes = 256u << 20;
    std::string scratch_directory;  ///< exists
    io::FileSystem* files = nullptr;
    /// The program that a slot's process runs for all jobs but those with BinaryCode; it must
    /// hand its arguments to MaybeRunSlotProcess first thing.
    std::string slot_program = "/proc/self/exe";
    S3Options s3;  ///< for the slots' processes, which open `files` of their own
  };

  /// What attempts report. Calls come from the slots' threads, those of one attempt one after the
  /// other; they must not block for long and may call the pool.
  class Listener {
   public:
    virtual ~Listener() = default;
    /// To be answered by Commit or Cancel.
    virtual void OnReadyToCommit(std::uint64_t attempt, const TaskResult& result) = 0;
    /// The slot is free.
    virtual void OnSucceeded(std::uint64_t attempt, const TaskResult& result) = 0;
    /// The slot is free, and what the attempt wrote is gone.
    virtual void OnFailed(std::uint64_t attempt, const AttemptFailure& failure) = 0;
    /// A reduce attempt needs the output of `map`: to be answered by Provide, at any later time.
    virtual void OnMapOutputNeeded(std::uint64_t attempt, std::uint32_t map) = 0;
    virtual void OnStatus(std::uint64_t attempt, std::string_view text) = 0;
  };

  struct Progress {
    std::uint64_t attempt = 0;
    std::uint32_t slot = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_total = 0;  ///< reduce: as of TaskProgress
    std::uint64_t records = 0;
    bool inputs_fetched = false;  ///< reduce: every map output has been provided
  };

  SlotPool(Options options, Listener* listener);
  /// Cancels what runs and waits for it, for a hung thread of user code without end: see Stop.
  ~SlotPool();

  /// Takes a free slot; there must be one. Returns which.
  std::uint32_t Start(AttemptSpec spec);
  /// The attempt ends with OnFailed (kKilled), unless it ends otherwise before that. Unknown
  /// attempts are ignored, here and below.
  void Cancel(std::uint64_t attempt);
  void Commit(std::uint64_t attempt);
  void Provide(std::uint64_t attempt, std::uint32_t map, absl::StatusOr<MapInput> input);

  /// Of all attempts that run.
  std::vector<Progress> Running() const;
  /// Cancels everything and waits for the end of it, at most this long. False: user code hangs in
  /// a thread; all that is left to do is to leave the process without destroying the pool.
  [[nodiscard]] bool Stop(std::chrono::milliseconds patience);

 private:
  void Tell(std::uint64_t attempt, const Word& word);

  const Options options_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

/// Of a slot, whatever its share of --memory would be.
inline constexpr std::size_t kSlotMemoryMin = 8u << 20;
/// What this process holds beside its slots.
inline constexpr std::size_t kOwnerOverheadBytes = 12u << 20;
/// The least that --memory may say: one slot.
inline constexpr std::size_t kMemoryMin = kOwnerOverheadBytes + kSlotMemoryMin;

/// The share of one of `slots` in what all processes together may use.
std::size_t SlotMemory(std::uint64_t all_bytes, std::uint32_t slots, Isolation isolation);

/// The share of one of `slots` in the files that this process may have open.
std::size_t SlotFiles(std::uint32_t slots);

/// How an attempt's memory is divided.
struct MemoryShare {
  std::size_t engine_bytes = 0;   ///< for collecting and merging
  std::size_t command_bytes = 0;  ///< for each command of a streaming job
};
/// In a process a quarter is left for the user's code; commands get as much as the engine.
MemoryShare ShareMemory(std::size_t slot_memory_bytes, const JobSetup& job);

}  // namespace trireme::mapreduce
