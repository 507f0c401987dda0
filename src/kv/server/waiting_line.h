#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"
#include "kv/model/view.h"
#include "kv/server/member.h"
#include "kv/server/stream_set.h"
#include "rpc/server_call.h"

/// The line that waits for a lock or an election: keys NAME/LEASE-IN-HEX, and the one with the
/// smallest create revision has it. As etcd's clients keep it (clientv3/concurrency), so that both
/// may stand in one line.
namespace trireme::kv::inline engine {

/// The end of the range of all keys that begin so.
std::string PrefixEnd(std::string_view prefix);
/// Who is first in the line of `prefix`.
absl::StatusOr<std::optional<KeyValue>> FirstInLine(const ReadView& view, std::string_view prefix);

/// A place in a line, for a call that waits until it is the first.
class PlaceInLine final : public std::enable_shared_from_this<PlaceInLine> {
 public:
  struct Place {
    std::string key;
    std::int64_t create_revision = 0;
    LeaseId lease = kNoLease;
  };
  using Done = std::function<void(absl::StatusOr<Place>)>;

  /// On the call's io thread. `done` runs there once. A call that is cancelled leaves the line.
  /// Lease 0: one of etcd's 60 seconds is granted. `set_value`: a key that is there already gets
  /// it.
  static void Join(Member& member, std::shared_ptr<rpc::ServerCall> call, std::string name,
                   LeaseId lease, std::string value, bool set_value, Done done);

  PlaceInLine(Member& member, std::shared_ptr<rpc::ServerCall> call, std::string name,
              std::string value, bool set_value, Done done);
  ~PlaceInLine() { StopWaiting(); }
  PlaceInLine(const PlaceInLine&) = delete;
  PlaceInLine& operator=(const PlaceInLine&) = delete;

 private:
  void Grant();
  void Enter(LeaseId lease);
  void Entered(const etcdserverpb::TxnResponse& response);
  void SetValue();
  void Look();
  absl::StatusOr<std::optional<std::string>> Predecessor(const ReadView& view) const;
  absl::StatusOr<bool> StillThere(const ReadView& view) const;
  void Leave();
  void End(absl::StatusOr<Place> result);
  void StopWaiting();

  Member& member_;
  const std::shared_ptr<rpc::ServerCall> call_;
  const std::string prefix_, value_;
  const bool set_value_;
  const StreamEntry entry_;
  Done done_;
  Place place_;
  KeyWatch::Id waits_ = 0;
};

}  // namespace trireme::kv::inline engine
