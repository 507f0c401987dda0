#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/clock.h>
#include <trireme/raft/config.h>
#include <trireme/raft/log_store.h>
#include <trireme/raft/membership.h>
#include <trireme/raft/state_machine.h>
#include <trireme/raft/transport.h>
#include <trireme/raft/types.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// A replicated state machine to embed. docs/raft.md is the guide.
///
///   Host      one per process: log, connections, threads, timers of all its groups
///   Replica   this process's member of one group: propose, read, change the membership
///   Node      a Host with a durable log, TCP and one group: what most programs want
namespace trireme::raft {

enum class ProposalState : std::uint8_t {
  kCommitted,    ///< It has taken effect, exactly here in the order of the log.
  kNotExecuted,  ///< It has not taken effect and never will. Propose again, perhaps at `leader`.
  kUnknown,      ///< It may have taken effect, or may yet. Client sessions make it safe to repeat.
};

/// What became of a proposal.
struct ProposalResult {
  ProposalState state = ProposalState::kUnknown;
  LogPosition position;  ///< If committed.
  std::string result;    ///< If committed: what the state machine said.
  /// If not committed, why. UNAVAILABLE: not the leader, or leadership changed. RESOURCE_EXHAUSTED:
  /// a named limit is reached, or the disk is full. INVALID_ARGUMENT: too large. CANCELLED: the
  /// Host stops. DEADLINE_EXCEEDED: of the waiting calls. Others are fatal to the group.
  absl::Status status;
  NodeId leader;  ///< If not committed: who leads, as far as this Host knows.
};

using ProposalCallback = absl::AnyInvocable<void(ProposalResult)>;

struct Proposal {
  SharedBytes data;
  ProposalCallback done;  ///< May be empty.
};

/// Of a group, as this Host sees it.
struct ReplicaStatus {
  GroupId group;
  NodeId self;
  RoleName role = RoleName::kFollower;
  Term term;
  NodeId leader;  ///< kNobody: unknown.
  Index commit;
  Index applied;
  Index durable;
  LogPosition last;
  LogPosition snapshot;  ///< The last entry that the latest snapshot covers.
  bool lease_valid = false;
  NodeId transfer_to;
  /// Of the configuration in force: C_new while joint. With addresses, as far as this Host knows.
  std::vector<Member> members;
  std::vector<NodeId> outgoing;  ///< Voters of C_old while joint.
  NodeId catching_up;            ///< A leader's: its change of membership waits for this one.
  /// A leader's view of its followers.
  struct Peer {
    NodeId id;
    Index match;
    Index next;
    std::string state;    ///< "probe", "replicate" or "snapshot".
    bool active = false;  ///< Heard of within an election timeout.
  };
  std::vector<Peer> peers;
  std::uint64_t proposals_waiting = 0;
  std::uint64_t reads_waiting = 0;
  bool removed = false;  ///< It was told that it is no member any more.
  bool disk_full = false;
  absl::Status failure;  ///< Not OK: the group has stopped here, and why.
};

/// Who leads a group, as one member sees it.
struct Leadership {
  Term term;
  NodeId leader;       ///< kNobody: unknown.
  bool leads = false;  ///< It is this member.
  RoleName role = RoleName::kFollower;
  friend bool operator==(const Leadership&, const Leadership&) = default;
};

struct GroupOptions {
  GroupId group{1};
  /// Who begins the group; the same at all of them. Of no effect when this Host's log knows the
  /// group. Empty: this member waits until a leader adds it.
  std::vector<Member> members;
  /// Of Config, what a group decides for itself; self and seed are set by the Host.
  Config config;
  /// A snapshot is taken when so much has been applied since the last one, whichever comes first.
  /// 0: not by this.
  std::uint64_t snapshot_log_bytes = 64u << 20;
  std::uint64_t snapshot_entries = 1'000'000;
  /// Entries before a snapshot's last that stay in the log for followers that are a little behind.
  std::uint64_t trailing_entries = 10'000;
  /// About so many bytes of them at most. What stays is read at the next start.
  std::uint64_t trailing_bytes = 32u << 20;
  /// A member that does not lead sends proposals to the one that does, instead of refusing them.
  bool forward_proposals = false;
  /// So long may the leader take to say where a forwarded proposal stands, and that to commit; then
  /// its outcome is unknown.
  std::uint32_t forward_timeout_ticks = 200;
  /// Told on the apply thread, in order, whenever it has changed; `leads` becomes false also when
  /// the group fails. Not when the Host stops. Returns soon, and may propose.
  std::function<void(const Leadership&)> on_leadership;
  /// A leader's say in the bytes of a proposal that another member made, before they enter the log:
  /// the time, for instance, as only the leader knows it. On the Host's loop; returns soon.
  std::function<SharedBytes(SharedBytes)> on_forwarded;
};

/// This process's member of one group. Lives as long as its Host does. Thread-safe.
///
/// Callbacks run on the Host's apply thread, one at a time, in the order of the log for proposals;
/// they return soon and do not wait for anything of the same Host. One that refuses for a full
/// queue or because the Host stops may run on the calling thread, before the call returns. Every
/// callback runs exactly once.
class Replica {
 public:
  virtual ~Replica() = default;

  /// Appends a command to the group's log, if this member leads or forwards (GroupOptions::
  /// forward_proposals). Committed: it is applied here, and the result is this state machine's.
  virtual void Propose(SharedBytes data, ProposalCallback done) = 0;
  /// The same for several, cheaper than one by one. Takes them over.
  virtual void Propose(std::span<Proposal> proposals) = 0;
  /// Waits for the result; kUnknown when it does not come in time.
  virtual ProposalResult ProposeAndWait(SharedBytes data, std::chrono::milliseconds timeout) = 0;

  /// When `done` runs with OK, the state machine has applied all that was committed before the
  /// call, up to that index at least, and the state may be read (thesis, 6.4): there, or later by
  /// any thread, as far as the state machine can be read beside Apply and Restore. On a follower it
  /// asks the leader. Barriers that wait at one moment share one round.
  virtual void ReadBarrier(absl::AnyInvocable<void(absl::StatusOr<Index>)> done) = 0;
  /// StateMachine::Query, linearizable.
  virtual void Query(std::string request,
                     absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) = 0;
  virtual absl::StatusOr<std::string> QueryAndWait(std::string request,
                                                   std::chrono::milliseconds timeout) = 0;
  /// StateMachine::Query on what is applied here, however old.
  virtual void QueryLocal(std::string request,
                          absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) = 0;

  /// Makes `members` the group's members: any change at once (thesis, 4.3). Servers that are to
  /// vote and lack the log are learners until they have caught up; a change is given up (ABORTED)
  /// when one of them does not (Config::promotion_rounds_max, promotion_idle_ticks_max).
  /// Committed: the change is decided; Status shows when it is complete. Unknown: leadership
  /// changed, and the next leader goes on with it.
  virtual void ChangeMembers(std::vector<Member> members, ProposalCallback done) = 0;
  /// Hands leadership over; kNobody: to the most up-to-date voter. OK: begun. Status shows the end.
  virtual absl::Status Transfer(NodeId to = kNobody) = 0;
  /// Starts an election now.
  virtual absl::Status Campaign() = 0;
  /// Takes a snapshot now, beside the others' work; `done` says when the log has it.
  virtual void TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<Index>)> done) = 0;

  virtual ReplicaStatus Status() const = 0;
  /// Without waiting for the Host's loop; as of its last turn.
  virtual NodeId leader() const = 0;
  virtual bool leads() const = 0;
  virtual Term term() const = 0;
};

struct HostOptions {
  NodeId node;
  /// What OnFatal is told also goes to the log on standard error.
  std::function<void(const absl::Status&)> on_fatal;

  /// Both outlive the Host. `recovered` is what the store handed back when it was opened.
  LogStore* store = nullptr;
  std::vector<RecoveredGroup> recovered;
  Transport* transport = nullptr;  ///< nullptr: a Host whose groups have no other members.
  /// Where the Hosts of other nodes are reached. More are learned from members and frames.
  std::vector<Member> peers;
  /// Where this Host is reached by others; told to all peers. Empty: they must know.
  std::string advertised_address;
  Clock* clock = nullptr;  ///< nullptr: SteadyClock().

  /// A tick of Config. The election timeout is election_ticks of these: 500 ms to 1 s.
  std::chrono::milliseconds tick{25};
  /// Proposals and reads that have been asked for and are not yet taken up by the loop.
  std::uint64_t queued_proposals_max = 1u << 17;
  std::uint64_t queued_proposal_bytes_max = 256u << 20;
  /// Proposals and reads without a result, of all groups.
  std::uint64_t outstanding_max = 1u << 20;
  /// Frames that have arrived and are not yet taken up; more are dropped, counted and sent again.
  std::uint64_t queued_frame_bytes_max = 256u << 20;
  /// So long after the last group has let a peer go, the transport is told to forget it: until then
  /// it may still be told that it was removed.
  std::chrono::milliseconds forget_peer_after{60'000};
  /// A frame is closed when it has so much. A follower begins to write one when it has it whole.
  std::uint64_t frame_bytes_max = 1u << 20;
};

/// Runs the members of any number of groups in this process. Thread-safe.
class Host {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Host>> Start(HostOptions options);
  virtual ~Host() = default;  ///< Stop().

  /// Starts this process's member of a group: restores `machine` from the latest snapshot, then
  /// takes part. `machine` outlives the Host. The Replica is the Host's.
  [[nodiscard]] virtual absl::StatusOr<Replica*> AddGroup(const GroupOptions& options,
                                                          StateMachine* machine) = 0;
  /// Stops the member and erases all that the store has of it. Its id must not be used again for
  /// another group, and this node must have left the group, or the group is given up.
  [[nodiscard]] virtual absl::Status ForgetGroup(GroupId group) = 0;
  virtual Replica* Find(GroupId group) const = 0;
  /// Groups that the store knows and AddGroup has not been called for.
  virtual std::vector<GroupId> dormant() const = 0;

  /// Where a peer is reached from now on.
  virtual absl::Status SetPeer(NodeId peer, const std::string& address) = 0;
  /// In Prometheus's text format.
  virtual std::string Metrics() const = 0;

  /// Ends all threads. What is outstanding is answered: kNotExecuted where that is certain,
  /// kUnknown otherwise. Idempotent. Not on the apply thread.
  virtual void Stop() = 0;
};

// ---- Our implementations of the seams

/// Of the durable log: docs/raft-log.md has all numbers.
struct DurableLogOptions {
  std::string directory;  ///< Made if need be. Of one node of one cluster for good.
  std::uint64_t cluster_id = 0;
  NodeId node;
  std::uint64_t segment_bytes = 64u << 20;
};
struct OpenedLog {
  std::unique_ptr<LogStore> store;
  std::vector<RecoveredGroup> groups;  ///< For HostOptions::recovered.
};
/// FAILED_PRECONDITION: in use, or another node's or cluster's. DATA_LOSS, with file and offset:
/// damage that no crash explains.
[[nodiscard]] absl::StatusOr<OpenedLog> OpenDurableLog(const DurableLogOptions& options);

/// Keeps everything in memory: what a process that dies had acknowledged is lost to it, so it must
/// come back under another node id.
std::unique_ptr<LogStore> MakeMemoryLog();

/// PEM texts. Both ends of a connection show a certificate that `ca_pem` has signed. Unless one of
/// the last two says otherwise, whoever holds one may speak as any member of the cluster.
struct TlsIdentity {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  std::string ca_pem;
  /// What every peer's certificate must say, of the one that dials and of the one that is dialed:
  /// exactly this common name, or this subject alternative name (DNS, IP or URI). "{node}" stands
  /// for the id of the node that the peer says it is. One of them at most; empty: not looked at.
  std::string allowed_cn;
  std::string allowed_hostname;
};
struct TcpOptions {
  std::uint64_t cluster_id = 0;  ///< Of other clusters' nodes nothing is taken.
  NodeId node;
  std::string listen = "127.0.0.1:0";  ///< host:port (port 0: any), or unix:/path.
  std::vector<std::string> listen_also;
  std::optional<TlsIdentity> tls;
  /// Answers AskNode, on a thread that must not be kept. Empty: nobody is answered.
  std::function<std::string(std::string_view question)> answer;
};
/// Frames over TCP, TLS or unix sockets, one connection per pair of processes.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Transport>> MakeTcpTransport(
    const TcpOptions& options);

/// Asks whoever listens at a TCP transport's address, of whatever cluster: how a server that wants
/// to join learns who is there. Blocks. UNAVAILABLE: nobody is there, or it does not answer.
[[nodiscard]] absl::StatusOr<std::string> AskNode(const std::string& address,
                                                  const std::optional<TlsIdentity>& tls,
                                                  std::string_view question,
                                                  std::chrono::milliseconds timeout);

// ---- All in one

struct NodeOptions {
  NodeId node;
  std::uint64_t cluster_id = 1;  ///< The same on all members, another in every other cluster.
  std::string directory;         ///< Of the log; empty: in memory.
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> listen_also;  ///< Further addresses that the others may use.
  /// How others reach `listen`. Empty: as `listen` says.
  std::string advertised_address;
  std::optional<TlsIdentity> tls;
  std::function<std::string(std::string_view question)> answer;  ///< As TcpOptions has it.
  /// The group's first members, with their addresses: the same list on all of them. A node that is
  /// to join gives none; those that lead tell it the rest.
  std::vector<Member> members;
  /// host:port for /metrics and /healthz over HTTP; empty: none.
  std::string http;

  GroupOptions group;  ///< `members` of it is set from the above.
  HostOptions host;    ///< The same: node, store, recovered, transport, advertised_address.
};

/// A Host with a log, TCP and one group.
class Node {
 public:
  /// `machine` outlives the Node.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Node>> Start(const NodeOptions& options,
                                                                   StateMachine* machine);
  virtual ~Node() = default;  ///< Stop().

  virtual Replica& replica() = 0;
  virtual Host& host() = 0;
  virtual std::string address() const = 0;       ///< Where it listens for its peers.
  virtual std::string http_address() const = 0;  ///< With the port that the system chose.
  virtual void Stop() = 0;
};

}  // namespace trireme::raft
