#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/whereabouts.h"
#include "mapreduce/fs/s3_options.h"
#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

/// Heartbeats for each lease.
inline constexpr std::int64_t kBeatsPerLease = 10;
/// A commit that another attempt may still make is asked for again after this time.
inline constexpr std::int64_t kCommitRetryMs = 200;
/// An attempt that has read all its input has still something to do. Counting it as done would hide
/// one that hangs at the end from those who look for stragglers.
inline constexpr double kReadShare = 0.9;
/// How long a worker that was told to stop waits for its attempts, and for the jobs that may still
/// want its map outputs.
inline constexpr std::int64_t kDrainPatienceMs = 30'000;
/// How long slots may take to stop when the worker leaves.
inline constexpr std::int64_t kStopPatienceMs = 3'000;

struct WorkerOptions {
  Whereabouts coordinator;
  std::optional<rpc::Address> listen;  ///< none: a socket in its directory, or a loopback port
  std::uint32_t slots = 0;             ///< 0: as many as cores
  std::uint64_t memory_bytes = 0;      ///< of all slots together; 0: half of the machine's
  std::string directory;               ///< empty: as ScratchDirectory has it
  std::optional<Isolation> isolation;  ///< none: as each job asks
  bool always_fetch = false;           ///< also what could be read from a neighbour's directory
  std::int64_t drain_patience_ms = kDrainPatienceMs;
  std::optional<rpc::Address> http;  ///< where /metrics and /healthz are served; none: nowhere
  std::int64_t leave_after_ms = 0;   ///< without a coordinator for so long; 0: never
  std::string slot_program = "/proc/self/exe";
  S3Options s3;
};

/// A running worker: slots, the session with the coordinator, the shuffle's server. Thread-safe.
class Worker {
 public:
  /// Errors are one line for the user. The coordinator need not be there yet.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Worker>> Start(WorkerOptions options);
  ~Worker();

  const rpc::Address& shuffle_address() const;
  const std::optional<rpc::Address>& http_address() const;
  /// Grows for as long as the worker is well: many times a second, whatever there is to do.
  std::uint64_t turns() const;
  /// Takes no new attempts, finishes what runs, says goodbye. Said twice: leaves at once.
  void Drain();
  /// Returns when the worker has left. `*hung`: user code is stuck in a thread, and the process
  /// must be left by _exit without destroying the worker.
  [[nodiscard]] absl::Status Wait(bool* hung);

 private:
  class Core;
  explicit Worker(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace trireme::mapreduce::cluster
