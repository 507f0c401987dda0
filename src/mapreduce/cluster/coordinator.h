#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/cluster/kv_options.h"
#include "mapreduce/plan/limits.h"
#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

/// A submitted job's definition, splits included; one over it is refused.
inline constexpr std::size_t kSubmissionBytesMax = 256u << 20;
/// What a worker may say at once.
inline constexpr std::size_t kWorkerMessageBytesMax = 64u << 20;
/// The owner thread reviews leases and watchers this often when nothing happens.
inline constexpr int kTickMs = 50;

/// How long a new leader waits for the workers that the last one knew before it gives out attempts.
inline constexpr plan::TimeMs kGatherMs = 500;

struct CoordinatorOptions {
  std::vector<rpc::Address> listen;
  std::optional<rpc::Address> http;  ///< of the pages
  bool http_admin = false;           ///< the pages may cancel jobs
  std::string state_directory;       ///< empty: nothing is kept, a restart forgets all jobs
  /// Instead of the directory: one of any number of coordinators that share a KV. It stands by
  /// until it is elected.
  std::optional<KvOptions> kv;
  plan::Limits limits;
  io::FileSystem* files = nullptr;  ///< where output directories are
};

/// A running coordinator: sockets and threads around a Master, which is there while it leads.
/// Thread-safe.
class Coordinator {
 public:
  /// Reads the state, listens, and goes on where the last life stopped. Errors are one line for
  /// the user: an address in use, a state directory in use or damaged.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Coordinator>> Start(
      CoordinatorOptions options);
  ~Coordinator();

  /// What it listens on, ports filled in.
  const std::vector<rpc::Address>& addresses() const;
  const std::optional<rpc::Address>& http_address() const;
  /// What a start had to say: a torn tail, no state.
  const std::vector<std::string>& warnings() const;
  /// Grows for as long as the coordinator is well: several times a second, whatever there is to do.
  std::uint64_t turns() const;

  /// Returns when the coordinator has stopped: OK after Stop, else what made it impossible to go
  /// on.
  [[nodiscard]] absl::Status Wait();
  void Stop();

 private:
  class Core;
  explicit Coordinator(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace trireme::mapreduce::cluster
