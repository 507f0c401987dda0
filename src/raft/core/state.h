#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/ring.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"
#include "raft/core/durability.h"
#include "raft/core/lease.h"
#include "raft/core/log_view.h"
#include "raft/core/reads.h"
#include "raft/core/role.h"
#include "raft/core/tickets.h"

namespace trireme::raft {

/// The core's inside. Its functions stand by subject: core.cc (the outline of a step, and output),
/// check_message.cc (what a message must be), election.cc, replication.cc (a leader's appends),
/// following.cc (a follower's log), snapshots.cc, membership.cc, promotion.cc (new voters catch
/// up), witness.cc, reading.cc, proposing.cc (proposals and commit), restore.cc.
class Core::State {
 public:
  State(const Config& config, Restored restored);

  // core.cc
  Answer Step(NodeId from, Message& message);
  void Tick(std::uint64_t count);
  std::uint64_t QuietTicks() const;
  bool settled() const { return settled_; }
  State& Unsettled() {
    settled_ = false;
    return *this;
  }
  bool TakeOutput(Output* output);
  void Persisted(Token token);
  void Applied(Index index);
  CoreStatus Status() const;
  Standing standing() const;
  std::vector<PeerStatus> Peers() const;
  const Configuration& active() const { return configurations_.active(); }

  // election.cc
  Answer Campaign();

  // proposing.cc
  Proposed Propose(Ticket ticket, SharedBytes data);

  // membership.cc
  Proposed ChangeMembership(Ticket ticket, const Configuration& target, Newcomers newcomers);
  Answer Transfer(NodeId to);
  const std::string& why_change_ended() const { return why_change_ended_; }

  // reading.cc
  Answer Read(Ticket ticket);

  // snapshots.cc
  Answer Compact(Index at, std::uint64_t size_bytes, Index drop_to);
  std::optional<SnapshotMeta> MetaAt(Index at) const;
  void SnapshotRead(NodeId peer, Index snapshot, std::uint64_t offset, SharedBytes data);
  void SnapshotNotStored();

  // replication.cc
  void LogRead(NodeId peer, std::vector<Entry> entries);
  void Unreachable(NodeId peer);

 private:
  // core.cc
  Leader* leader() { return std::get_if<Leader>(&role_); }
  const Leader* leader() const { return std::get_if<Leader>(&role_); }
  Term term() const { return hard_state_.term; }
  NodeId self() const { return config_.self; }
  void Send(NodeId to, Message message);
  void SendAfter(Token token, NodeId to, Message message);
  bool IsRoutine(NodeId from, const Message& message);
  void TickOnce();
  void TickLeader(Leader& leader);
  std::uint64_t QuietTicks(const Leader& leader) const;
  void SkipQuiet(std::uint64_t ticks);
  void HandOut(Output* output);
  Index NextBatch(Index first, Index limit, std::vector<Entry>* entries) const;
  void PersistTo(Persist* persist);
  void Evict();

  // restore.cc
  void RestoreLog(Restored& restored);

  // check_message.cc: nothing has changed when the answer is not ok
  Answer Check(NodeId from, const Message& message) const;
  Answer CheckBody(NodeId from, const PreVoteRequest& message) const;
  Answer CheckBody(NodeId from, const VoteRequest& message) const;
  Answer CheckBody(NodeId from, const AppendRequest& message) const;
  Answer CheckBody(NodeId from, const AppendAccepted& message) const;
  Answer CheckBody(NodeId from, const Heartbeat& message) const;
  Answer CheckBody(NodeId from, const SnapshotChunk& message) const;
  Answer CheckBody(NodeId from, const Removed& message) const;
  template <typename M>
  Answer CheckBody(NodeId, const M&) const {
    return {};
  }
  Answer CheckLeader(NodeId from, Term message_term) const;

  // election.cc
  bool IsPromotable() const;
  bool HearsLeader() const;
  void SetTerm(Term term, NodeId vote);
  void ResetElectionTimer();
  void Follow(Term term, NodeId leader);
  void LeaveRole();
  void StartElection();
  void BecomePreCandidate();
  void BecomeCandidate(bool transfer);
  void BecomeLeader();
  void RequestVotes(const Message& request);
  void CountPreVotes();
  void CountVotes();
  void Support(NodeId candidate);
  std::uint64_t QuorumLostTick(const Leader& leader) const;
  void CheckQuorumActive(const Leader& leader);
  void Receive(NodeId from, PreVoteRequest& message);
  void Receive(NodeId from, PreVoteResponse& message);
  void Receive(NodeId from, VoteRequest& message);
  void Receive(NodeId from, VoteResponse& message);
  void Receive(NodeId from, TimeoutNow& message);

  // following.cc
  bool FromLeader(NodeId from, Term message_term);
  bool FromFollower(Term message_term);
  Progress* Heard(NodeId from, std::uint64_t round);
  void Receive(NodeId from, AppendRequest& message);
  void Receive(NodeId from, Heartbeat& message);
  void AppendFrom(AppendRequest& message);
  void TruncateFrom(Index from);
  void AppendToLog(Entry entry);

  // replication.cc
  void Receive(NodeId from, AppendAccepted& message);
  void Receive(NodeId from, AppendRejected& message);
  void Receive(NodeId from, HeartbeatResponse& message);
  void StartRound(Leader& leader);
  void NoticeLostTails(Leader& leader);
  void Flush(Leader& leader);
  void FlushPeer(Leader& leader, Progress& peer);
  void SendAppends(Leader& leader, Progress& peer);
  Index LastFor(const Leader& leader, const Progress& peer) const;
  bool SendNextAppend(Leader& leader, Progress& peer);
  void SendAppend(Leader& leader, Progress& peer, std::vector<Entry> entries, std::uint64_t bytes);
  void SendTailCheck(Leader& leader, Progress& peer);
  void SendHeartbeat(Progress& peer, std::uint64_t round);
  void AskLog(Progress& peer);

  // witness.cc
  bool LacksData() const;
  bool KeepsUp(const Progress& peer) const;
  Index HeldByFullVoters(const Leader& leader, const std::vector<NodeId>& voters) const;
  Index LastForWitness(const Leader& leader) const;
  void OmitForWitness(const Progress& peer, std::vector<Entry>* entries) const;
  SnapshotMeta SnapshotFor(NodeId peer) const;
  void HandOutNothing(Output* output);

  // proposing.cc
  Answer MayPropose(std::size_t bytes) const;
  LogPosition AppendOwn(EntryKind kind, SharedBytes data);
  void MaybeCommit();
  void CommitTo(Index index);
  void CommittedAsLeader(Leader& leader, Index before);
  bool HasCommittedInTerm() const;

  // membership.cc
  void AdjustPeers(Leader& leader);
  LogPosition AppendConfiguration(const Configuration& configuration);
  Answer CheckCaughtUp(const Leader& leader, const Configuration& target) const;
  Answer MayChange(const Leader& leader, const Configuration& target) const;
  LogPosition Adopt(Ticket ticket, const Configuration& target);
  void AdvanceMembership(Leader& leader);
  void TellThoseRemoved();
  bool TellRemoved(NodeId to);
  void Receive(NodeId from, Removed& message);
  void AdvanceTransfer(Leader& leader);
  NodeId BestSuccessor(const Leader& leader) const;
  void Resign(Leader& leader);

  // promotion.cc
  bool HasCaughtUp(const Leader& leader, NodeId node) const;
  std::vector<NodeId> NewcomersOf(const Leader& leader, const Configuration& target) const;
  void BeginCatchUp(Leader& leader, Ticket ticket, const Configuration& target,
                    const std::vector<NodeId>& newcomers);
  void ResumeCatchUp(Leader& leader);
  void AdvanceCatchUp(Leader& leader);
  void GiveUpChange(Leader& leader);
  void EndGivenUpChange(Leader& leader);

  // snapshots.cc
  void Receive(NodeId from, SnapshotChunk& message);
  void Receive(NodeId from, SnapshotProgress& message);
  void Receive(NodeId from, SnapshotRefused& message);
  bool NeedsSnapshot(const Progress& peer) const;
  void StartSnapshot(Leader& leader, Progress& peer);
  void PumpSnapshot(Leader& leader, Progress& peer);
  void SendChunk(Leader& leader, Progress& peer, SharedBytes data);
  void StoreChunk(NodeId from, SnapshotChunk& message);
  void InstallStored(Follower& following);
  void Install(const SnapshotMeta& meta);
  void SendSnapshotProgress(NodeId to, const SnapshotChunk& message, std::uint64_t next_offset,
                            Token after);

  // reading.cc
  void Receive(NodeId from, ReadIndexRequest& message);
  void Receive(NodeId from, ReadIndexResponse& message);
  void FlushReads(Leader& leader);
  void ConfirmReads(Leader& leader);
  void GrantBatch(const ReadBatch& batch);
  void FlushForwardedReads();
  std::size_t WaitingReads() const;

  Config config_;
  Random random_;
  std::uint64_t now_ = 0;  // ticks of this life

  HardState hard_state_;
  LogView log_;
  ConfigurationHistory configurations_;
  SnapshotMeta snapshot_;  // the latest that is durable here
  Durability durability_;
  Tickets tickets_;
  Lease lease_;

  Index commit_;
  Index handed_out_;                       // to be applied
  Index applied_;                          // as the shell says
  Ring<Index> being_applied_;              // the ends of the batches between these two
  std::optional<SnapshotMeta> restoring_;  // installed, not handed to the state machine yet
  Token restore_after_;

  Index omitted_first_;   // of the log's entries without their data; 0: none is known
  bool removed_ = false;  // is told so, and has not heard of a leader since
  std::string why_change_ended_;

  Role role_;
  NodeId leader_;                         // in the current term; kNobody: unknown
  std::uint32_t ticks_since_leader_ = 0;  // or since the election began
  std::uint32_t election_timeout_ = 0;

  GrantedReads granted_reads_;
  ForwardedReads forwarded_reads_;

  bool settled_ = false;  // the latest output was empty, and nothing has happened since
  Output output_;         // what has come up since the last TakeOutput
};

}  // namespace trireme::raft
