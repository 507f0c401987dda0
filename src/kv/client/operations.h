#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"
#include "kv/client/core.h"
#include "kv/client/held_lease.h"

namespace trireme::kv::internal {

/// Transactions whose fate becomes known although answers are lost. On the loop thread.
///
/// Each runs under the condition that a key of this client, its slot, was not written since, and
/// writes there who it is and which branch ran. So of all tries of an operation at most one ever
/// has an effect, and a later try, refused, reads what became of it. A client has as many slots as
/// operations ran at the same time. They hang on a lease of the client's, which is revoked at its
/// end or expires after its death; a try that arrives after that is refused with the lease.
class Operations {
 public:
  /// Writes the mark `what` of one operation into its slot.
  class Marker {
   public:
    Marker(std::string slot, std::uint64_t operation, LeaseId lease)
        : slot_(std::move(slot)), operation_(operation), lease_(lease) {}
    etcdserverpb::RequestOp operator()(char what) const;

   private:
    const std::string slot_;
    const std::uint64_t operation_;
    const LeaseId lease_;
  };
  /// The transaction to run; each of its paths leaves exactly one mark.
  using Marked = std::function<etcdserverpb::TxnRequest(const Marker&)>;

  struct Fate {
    /// The transaction's answer. Nothing: it was lost, and `mark` tells which path was taken.
    std::optional<etcdserverpb::TxnResponse> answer;
    char mark = 0;
    Revision revision;
  };
  /// An error: not executed, unless MayHaveTakenEffect.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Fate>)>;

  explicit Operations(Core& core) : core_(core) {}

  void Run(Marked txn, absl::Duration timeout, Done done);
  /// The client ends.
  void Release();

 private:
  using Clock = rpc::Loop::Clock;

  struct Slot {
    std::string key;
    std::int64_t modified = 0;  ///< The revision of its last write; 0: never written.
    LeaseId lease;
  };
  struct Operation {
    Marked txn;
    Clock::time_point deadline;
    Done done;
    Slot slot;
    std::uint64_t number = 0;
  };
  using Handle = std::shared_ptr<Operation>;

  void RunInSession(Handle operation);
  void OpenSession(Handle operation);
  void OnSession(absl::StatusOr<std::shared_ptr<HeldLease>> lease);
  Slot TakeSlot();
  void ReturnSlot(Slot slot, std::int64_t modified);
  etcdserverpb::TxnRequest RequestOf(const Operation& operation) const;
  void OnReply(const Handle& operation, absl::StatusOr<etcdserverpb::TxnResponse> reply,
               bool tainted);
  void OnRefused(const Handle& operation, const etcdserverpb::TxnResponse& reply, bool tainted);

  Core& core_;
  std::shared_ptr<HeldLease> session_;  // Null before the first operation and while being granted.
  std::vector<Handle> waiting_;         // For session_.
  std::vector<Slot> free_slots_;        // Of session_.
  std::uint64_t slots_ = 0;             // Ever made for session_.
  std::uint64_t operations_ = 0;
};

}  // namespace trireme::kv::internal
