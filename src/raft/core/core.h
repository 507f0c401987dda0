#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/core/config.h"
#include "raft/core/messages.h"
#include "raft/core/output.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// What an earlier life of this server left on stable storage.
struct Restored {
  HardState hard_state;
  /// The latest snapshot. Of a server that never had one: last is {0, 0} and `configuration` is
  /// the one the cluster began with (the same on all its members; empty on a server that waits to
  /// be added).
  SnapshotMeta snapshot;
  /// The log without gaps, from wherever it begins; possibly only its end, to bound memory. Then
  /// `older_terms` and `older_configurations` tell of those from snapshot.last on that are missing.
  std::vector<Entry> entries;
  std::vector<TermRun> older_terms;
  std::vector<Entry> older_configurations;
};

struct Proposed {
  Answer answer;
  LogPosition position;  ///< Where the entry stands now, if ok.
};

/// A change of membership, whole: what is to be the configuration at the end. Any number of servers
/// at once; joint consensus makes it safe (thesis, 4.3). `outgoing` is empty.
using TargetConfiguration = Configuration;

/// What becomes of servers that are to vote and lack the log.
enum class Newcomers : std::uint8_t {
  kCatchUp,      ///< The leader makes them learners, and voters when they have caught up.
  kAreCaughtUp,  ///< The caller has seen to it; otherwise kNotYet.
};

struct PeerStatus {
  NodeId id;
  Index match;
  Index next;
  const char* state = "";  ///< "probe", "replicate", "snapshot"
  bool active = false;     ///< Heard of within an election timeout.
};

/// Of the status, what elections change: a few words for who asks often.
struct Standing {
  Term term;
  RoleName role = RoleName::kFollower;
  NodeId leader;
  bool removed = false;
};
struct CoreStatus {
  Term term;
  NodeId vote;
  RoleName role = RoleName::kFollower;
  NodeId leader;  ///< kNobody: unknown.
  Index commit;
  Index applied;  ///< As told by Applied.
  Index durable;  ///< The log up to here is on stable storage.
  LogPosition last;
  LogPosition snapshot;
  std::uint64_t log_bytes = 0;  ///< Data of the entries held in memory.
  bool lease_valid = false;
  NodeId transfer_to;
  NodeId catching_up;    ///< A change of membership waits for this learner.
  bool witness = false;  ///< Keeps no commands: there is no state machine here.
  bool removed = false;  ///< Is told to be no member any more: it campaigns no longer.
};

/// Raft's consensus without I/O, threads or clock: the same configuration, restored state and calls
/// give the same outputs. Not thread-safe: one owner.
///
///   Core core(config, restored);
///   core.Step(from, message); core.Tick(); core.Propose(ticket, data);    any number of these
///   core.TakeOutput(&output);                                             then see Output
///   core.Persisted(output.persist.token); core.Applied(output.committed.last);
///
/// Messages are built in TakeOutput, so that all proposals since the last one leave as one append
/// per follower.
class Core {
 public:
  /// Aborts unless Validate(config) and Validate(restored) are ok.
  Core(const Config& config, Restored restored);
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;
  ~Core();

  /// A message from a peer. kInvalid: it is impossible, and nothing has changed.
  Answer Step(NodeId from, Message message);
  /// So many ticks.
  void Tick(std::uint64_t count = 1);
  /// How many ticks would bring nothing up, with all output taken and unless something else happens
  /// first: an owner of many cores may keep them back, and tell of them before what happens next.
  std::uint64_t QuietTicks() const;

  /// Appends a command. Later, exactly once for each ticket other than 0: in Committed::mine or in
  /// Output::lost. kNotLeader, kInvalid, kBusy: certainly not executed, the ticket is not used.
  Proposed Propose(Ticket ticket, SharedBytes data);
  /// Changes the membership. kBusy while another change is under way, or before this leader has
  /// committed an entry of its term. Servers that are to vote and have not caught up are learners
  /// until they have (thesis, 4.2.1); the answer then has position 0. A change is given up, and
  /// they leave again, when one takes over promotion_rounds_max rounds or does not move for
  /// promotion_idle_ticks_max; see WhyChangeEnded. The next leader goes on with it otherwise.
  /// The ticket comes up as committed with the entry that makes the new voters vote (status and
  /// Membership() show when all is done), or as lost: kAbandoned when the change was given up,
  /// kUnknown when leadership ended before.
  Proposed ChangeMembership(Ticket ticket, TargetConfiguration target,
                            Newcomers newcomers = Newcomers::kCatchUp);
  /// Why the latest change of membership was given up here; empty: none was.
  const std::string& WhyChangeEnded() const;
  /// Asks for a linearizable read; answered in Output::reads. On a follower it asks the leader.
  Answer Read(Ticket ticket);
  /// Hands leadership over (thesis, 3.10); proposals are refused (kBusy) until it is done or an
  /// election timeout has passed. kNobody: to the most up-to-date voter.
  Answer Transfer(NodeId to);
  /// Starts an election now.
  Answer Campaign();

  /// All batches up to `token` are durable.
  void Persisted(Token token);
  /// There is no room for the snapshot that a leader sends: nothing of the chunks handed out so far
  /// is kept. Before Persisted of the first batch whose chunks are not stored. The log goes on as
  /// it is, and the leader offers the snapshot again, later each time.
  void SnapshotNotStored();
  /// The state machine has everything up to `index`.
  void Applied(Index index);
  /// A snapshot of the state at `at` (handed out as committed) of so many bytes is durable and from
  /// now on the one that lagging followers get. Entries up to `drop_to` <= `at` leave the log.
  Answer Compact(Index at, std::uint64_t size_bytes, Index drop_to);
  /// Of a snapshot to be taken at `at`: kept in the log or the latest snapshot's. Size is 0.
  std::optional<SnapshotMeta> MetaAt(Index at) const;

  /// The answer to a LogReadRequest. Empty: cannot be had now; asked again at the next heartbeat.
  void LogRead(NodeId peer, std::vector<Entry> entries);
  /// The answer to a SnapshotReadRequest. `snapshot` is the one that `data` was read from, which
  /// may be newer than the one asked for: the follower is then sent the newer one from its
  /// beginning. Empty: cannot be had now; asked again after election_ticks.
  void SnapshotRead(NodeId peer, Index snapshot, std::uint64_t offset, SharedBytes data);
  /// Hint: something sent to `peer` is known not to have arrived.
  void Unreachable(NodeId peer);

  /// For a cluster that has lost its majority for good, with nobody else of it alive: makes
  /// `survivors` the configuration by an entry of this server's log. Committed entries that only
  /// lost servers held are lost. Run it on the survivor with the longest log, while stopped.
  static Restored UnsafeRecover(Restored restored, NodeId self, std::vector<NodeId> survivors);

  /// Fills `output` (its old contents are discarded, its memory reused). False: there is nothing.
  bool TakeOutput(Output* output);
  /// There would be nothing again: what has happened since brought nothing up.
  bool settled() const;

  CoreStatus Status() const;
  Standing standing() const;
  const Configuration& Membership() const;
  std::vector<PeerStatus> Peers() const;  ///< A leader's followers; of others none.

 private:
  class State;
  std::unique_ptr<State> state_;
};

/// Whether `restored` is a state that a Core could have left behind.
Answer Validate(const Restored& restored);

}  // namespace trireme::raft
