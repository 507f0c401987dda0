#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "io/process.h"
#include "mapreduce/cluster/whereabouts.h"
#include "mapreduce/plan/types.h"
#include "rpc/address.h"
#include "trireme/mapreduce/v1/control.pb.h"

/// Who a worker is and where its map outputs can be had.
namespace trireme::mapreduce::cluster {

/// A worker's name. With a directory of its own a restarted worker has the name of its former life,
/// whose attempts and outputs are then known to be lost at once.
class WorkerIdentity {
 public:
  /// `directory` is the user's, empty for none. Another worker that uses it too gets a new name.
  [[nodiscard]] static absl::StatusOr<WorkerIdentity> Claim(const std::string& directory);

  plan::WorkerRef ref() const { return ref_; }
  /// At a clean end, when nobody will ask for this worker again.
  void Forget();

 private:
  plan::WorkerRef ref_{};
  std::string path_;  ///< empty: not kept
  io::Fd lock_;
};

/// Where the shuffle listens when the user does not say: near the directory when that is possible,
/// and never beyond this machine.
rpc::Address DefaultListen(const Whereabouts& coordinator, const std::string& directory);

/// Tells other workers of this machine where `directory` is: writes its nonce, fills in `place`.
[[nodiscard]] absl::Status AnnounceDirectory(const std::string& directory, v1::WorkerPlace* place);

/// Finds out which workers' directories this process can read by itself. One thread.
class Neighbours {
 public:
  /// True when `place` is on this machine and its directory is the one it says: same boot, and the
  /// nonce is found under the path (a container may have another directory there).
  bool CanRead(const v1::WorkerPlace& place);

 private:
  std::map<std::string, bool> known_;  // by nonce
};

}  // namespace trireme::mapreduce::cluster
