#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <trireme/raft.h>
#include "absl/container/flat_hash_map.h"
#include "raft/replica/address_book.h"
#include "raft/replica/applier.h"
#include "raft/replica/frame.h"
#include "raft/replica/group.h"
#include "raft/replica/inbox.h"
#include "raft/replica/tick_wheel.h"
#include "raft/replica/wal.h"
#include "raft/replica/worker.h"

namespace trireme::raft {

/// What Host::Metrics shows beside the groups' states.
struct HostCounters {
  std::atomic<std::uint64_t> turns{0};
  std::atomic<std::uint64_t> proposals{0};
  std::atomic<std::uint64_t> proposals_refused{0};
  std::atomic<std::uint64_t> committed{0};  ///< Of those proposed here.
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> forwarded{0};          ///< Proposals sent to a leader.
  std::atomic<std::uint64_t> forwards_taken{0};     ///< Proposals of others, as leader.
  std::atomic<std::uint64_t> forwards_repeated{0};  ///< Batches that had been taken before.
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> reads_refused{0};
  std::atomic<std::uint64_t> applied_entries{0};
  std::atomic<std::uint64_t> applied_bytes{0};
  std::atomic<std::uint64_t> frames_sent{0};
  std::atomic<std::uint64_t> frame_bytes_sent{0};
  std::atomic<std::uint64_t> frame_bytes_copied{0};  ///< Data; others go by reference.
  std::atomic<std::uint64_t> frames_not_sent{0};
  std::atomic<std::uint64_t> messages_received{0};
  std::atomic<std::uint64_t> frames_received{0};
  std::atomic<std::uint64_t> frame_bytes_received{0};
  std::atomic<std::uint64_t> frames_dropped{0};      ///< Too much waited.
  std::atomic<std::uint64_t> frames_damaged{0};      ///< No frame, or no message in it.
  std::atomic<std::uint64_t> messages_refused{0};    ///< Impossible, by Core::Step.
  std::atomic<std::uint64_t> messages_unclaimed{0};  ///< Of groups that are not here.
  std::atomic<std::uint64_t> snapshots_taken{0};
  std::atomic<std::uint64_t> snapshots_failed{0};
  std::atomic<std::uint64_t> snapshots_restored{0};
};

/// A peer that is or was a member of a group here.
struct MemberPeer {
  std::chrono::nanoseconds last_member{};  ///< When it was one the last time.
  bool forgotten = false;                  ///< By the transport.
};

/// All of a Host: the loop, which owns the cores and decides nothing, and the threads around it.
///
///   loop         takes all that has happened, tells the cores, carries out what they say
///   log          writes and syncs for all groups, then sends what waited for that; much at once is
///                synced by a second thread while the first writes on (Wal)
///   apply        owns the state machines; all callbacks
///   reader       entries and snapshot parts for followers that lag
///   background   writes snapshots
///   housekeeper  tidies up the log
class HostLoop final : public Host, private Transport::Receiver {
 public:
  explicit HostLoop(HostOptions options);
  ~HostLoop() override { Stop(); }

  absl::Status Begin();
  absl::StatusOr<Replica*> AddGroup(const GroupOptions& options, StateMachine* machine) override;
  absl::Status ForgetGroup(GroupId group) override;
  Replica* Find(GroupId group) const override;
  std::vector<GroupId> dormant() const override;
  absl::Status SetPeer(NodeId peer, const std::string& address) override;
  std::string Metrics() const override;
  void Stop() override;

  // ---- For Group. Any thread.
  Inbox& inbox() { return inbox_; }
  Applier& applier() { return *applier_; }
  HostCounters& counters() { return counters_; }
  NodeId self() const { return options_.node; }
  /// There is something new in the inbox: takes a turn, unless somebody is at it. Without
  /// turn_mutex_.
  void TurnHere();
  /// The same for the log's threads: with much under way they have a disk to keep busy.
  void TurnHereOrWake();
  /// The same for proposals and reads.
  void TurnHereOrGather(std::size_t brought);
  ReplicaStatus StatusOf(const Group& group) const;
  /// Runs `call(core)` between two turns, and then has its output carried out.
  absl::Status CallCore(Group& group, const std::function<Answer(Core&)>& call);
  void ChangeMembers(Group& group, std::vector<Member> members, ProposalCallback done);
  void TakeSnapshot(Group& group, Group::SnapshotCallback done);
  void QueryLocal(Group& group, std::string request,
                  absl::AnyInvocable<void(absl::StatusOr<std::string>)> done);

 private:
  void OnFrame(NodeId from, SharedBytes frame) override;
  void OnUnreachable(NodeId peer) override;

  void Run();
  /// With turn_mutex_, as all below.
  void Turn();
  void TakeTicks();
  void TakeFrames();
  void TakeFrame(const Inbox::FrameItem& item);
  void TakeMessage(NodeId from, GroupId id, const SharedBytes& bytes);
  void TakeProposals();
  void TakeReads();
  void TakeApplied();
  void Persisted(const WalProgress& progress);

  void MarkDirty(Group& group);
  void TellTicks(Group& group);
  /// The core, to be told of something.
  Core& CoreOf(Group& group) {
    MarkDirty(group);
    return *group.core;
  }
  void CarryOut();
  void CarryOut(Group& group);
  void CarryOutMessages(Group& group);
  void CarryOutApply(Group& group);
  void CarryOutReads(Group& group);
  void SendAll(TurnOutbox& outbox);
  void Publish(Group& group);
  void TellLeadership(Group& group, const Leadership& now);

  // forwarding.cc
  bool MayForward(Group& group, Inbox::ProposalItem& item);
  void SendForwards();
  void SendForward(Group& group);
  void TakeForward(NodeId from, Group& group, const SharedBytes& section);
  absl::Status UnableToTakeFrom(NodeId from, const Group& group) const;
  void TakeForwardAnswer(NodeId from, Group& group, const SharedBytes& section);
  void ForwardsUnreachable(NodeId peer);
  void PlaceForwards(Group& group, const Output& output, ApplyItem* item);
  void EndForwards(Group& group);

  void SnapshotIfDue(Group& group);
  void BeginSnapshot(Group& group);
  void StoreSnapshot(Group& group, LogPosition at, SnapshotWork work);
  void NameSnapshot(Group& group, LogPosition at, std::uint64_t size_bytes);
  void CompactTo(Group& group, Index at, std::uint64_t size_bytes, Index drop_to);
  // durable.cc
  bool MakeFullSnapshot(Group& group);
  void ReplaceOldFull(Group& group);
  static bool SendsSnapshot(const Group& group);
  void EndSnapshot(Group& group, absl::StatusOr<Index> result);

  void Refuse(Group& group, ProposalCallback done, absl::Status why);
  void RefuseRead(Group& group, ReadCallback done, absl::Status why);
  ApplyItem& ApplyCalls(Group& group);
  void GiveUpProposals(Group& group, const absl::Status& why);
  void StopGroup(Group& group, const absl::Status& why);
  void FailGroup(Group& group, const absl::Status& why);
  void FailAll(const absl::Status& why);
  absl::Status Unable(const Group& group) const;
  absl::Status DiskFull(const Group& group) const;
  void AnswerOutstanding(Group& group, const absl::Status& why);

  // Addresses. With turn_mutex_.
  void LoadAddresses();
  absl::Status LearnAddress(const AddressBook::Line& line);
  void TakeAddresses(const SharedBytes& section);
  void KeepAddresses();
  void ReviewPeers();
  void Remember(NodeId peer);
  void TellAddresses();

  absl::Status WriteAndWait(WalItem item);
  absl::StatusOr<Restored> Recover(const GroupOptions& options);
  /// Any thread.
  void Housekeep();
  bool disk_full() const { return no_spare_room_.load() || wal_->full(); }
  Group* FindGroup(GroupId id) const;

  HostOptions options_;
  Clock& clock_;
  Inbox inbox_;
  HostCounters counters_;
  std::atomic<bool> no_spare_room_{false};  // by the latest housekeeping
  std::atomic<bool> stopping_{false};

  std::atomic<bool> turning_{false};           // somebody takes turns, and will look again
  std::atomic<std::uint64_t> outstanding_{0};  // proposals and reads without a result

  mutable std::mutex turn_mutex_;
  // Guarded by turn_mutex_.
  absl::flat_hash_map<std::uint64_t, Group*> groups_;  // those that take part
  std::vector<Group*> in_order_;                       // the same, in the order of AddGroup
  std::vector<std::unique_ptr<Group>> all_;
  absl::flat_hash_map<std::uint64_t, RecoveredGroup> recovered_;
  std::vector<Group*> dirty_;
  TickWheel<Group> wheel_;  // the groups that have not failed
  std::vector<Group*> due_;
  std::vector<Group*> forwarding_;  // have something to forward in this turn
  Inbox::Contents taken_;
  Output output_;
  TurnOutbox outbox_;
  AddressBook addresses_;
  std::uint64_t addresses_kept_ = 0;                                  // revision that the store has
  absl::flat_hash_map<std::uint64_t, std::uint64_t> addresses_told_;  // revision, by peer
  absl::flat_hash_map<std::uint64_t, MemberPeer> member_peers_;
  std::vector<WalItem> to_write_;
  std::vector<WalProgress> persisted_here_;  // by a store that does not wait
  std::vector<ApplyItem> to_apply_;
  std::chrono::nanoseconds ticked_{};
  std::chrono::nanoseconds housekept_{};
  std::chrono::nanoseconds told_{};
  std::chrono::nanoseconds reviewed_{};
  absl::Status fatal_;

  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<Worker> reader_;
  std::unique_ptr<Worker> background_;
  std::unique_ptr<Worker> housekeeper_;
  std::atomic<bool> housekeeping_{false};  // is asked for
  std::thread loop_;
  std::once_flag stopped_;
};

/// Milliseconds of wall-clock time.
std::uint64_t WallMs();
/// What an Answer of the core is to a user.
absl::Status ToStatus(const Answer& answer);

}  // namespace trireme::raft
