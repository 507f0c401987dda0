#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <trireme/raft.h>
#include "raft/core/core.h"
#include "raft/replica/applier.h"
#include "raft/replica/forwards.h"
#include "raft/replica/inbox.h"
#include "raft/replica/slots.h"
#include "raft/replica/tick_wheel.h"
#include "raft/replica/trailing.h"

namespace trireme::raft {

class HostLoop;

/// This process's member of one group. What is below the line is the loop's: it is touched with
/// HostLoop::turn_mutex held. A Group lives as long as its Host, also when it has been forgotten.
class Group final : public Replica {
 public:
  using SnapshotCallback = absl::AnyInvocable<void(absl::StatusOr<Index>)>;

  Group(HostLoop* host_loop, const GroupOptions& group_options, StateMachine* machine);

  void Propose(SharedBytes data, ProposalCallback done) override;
  void Propose(std::span<Proposal> proposals) override;
  ProposalResult ProposeAndWait(SharedBytes data, std::chrono::milliseconds timeout) override;
  void ReadBarrier(absl::AnyInvocable<void(absl::StatusOr<Index>)> done) override;
  void Query(std::string request,
             absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override;
  absl::StatusOr<std::string> QueryAndWait(std::string request,
                                           std::chrono::milliseconds timeout) override;
  void QueryLocal(std::string request,
                  absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) override;
  void ChangeMembers(std::vector<Member> members, ProposalCallback done) override;
  absl::Status Transfer(NodeId to) override;
  absl::Status Campaign() override;
  void TakeSnapshot(SnapshotCallback done) override;
  ReplicaStatus Status() const override;
  NodeId leader() const override { return NodeId{seen_leader.load(std::memory_order_relaxed)}; }
  bool leads() const override { return seen_leads.load(std::memory_order_relaxed); }
  Term term() const override { return Term{seen_term.load(std::memory_order_relaxed)}; }

  GroupId id() const { return options.group; }

  HostLoop* const host;
  const GroupOptions options;
  AppliedGroup applying;  ///< The apply thread's, once the group has started.
  std::atomic<std::uint64_t> seen_leader{0};
  std::atomic<bool> seen_leads{false};
  std::atomic<std::uint64_t> seen_term{0};

  // ---- The loop's.
  // First what each turn needs of each group, near each other.
  std::optional<Core> core;
  absl::Status failure;         ///< Not OK: the core is not called any more.
  bool dirty = false;           ///< It may have an output.
  std::uint64_t told_tick = 0;  ///< The core knows of the host's ticks up to this one.
  TickPlace tick_place;         ///< In the host's wheel; a group that has failed is in it no more.
  Leadership told;              ///< To GroupOptions::on_leadership.
  std::uint64_t counted_outstanding = 0;  ///< In HostLoop::outstanding_.
  Slots<ProposalCallback> proposals;
  Slots<ReadCallback> reads;
  Forwards forwards;             ///< Of this member, while another leads.
  TakenForwards taken_forwards;  ///< Of others.
  Forward to_forward;            ///< Of this turn.
  std::vector<ProposalCallback> to_forward_done;
  std::uint64_t forward_bytes = 0;
  Ticket change_ticket;  ///< Of the latest change of membership.
  std::uint64_t entries_since_snapshot = 0;
  std::uint64_t bytes_since_snapshot = 0;
  Trailing trailing;
  bool snapshot_under_way = false;
  // Of a durable machine. What the core has as its snapshot is a marker unless it is `full_at`.
  Index full_at;
  bool full_is_old = false;     ///< It was there at the last look.
  bool wants_full = false;      ///< A follower needs one.
  bool full_under_way = false;  ///< What is under way is one.
  std::vector<SnapshotCallback> snapshot_waiters;

 private:
  void Read(ReadCallback call);
};

}  // namespace trireme::raft
