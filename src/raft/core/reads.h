#pragma once

#include <cstdint>
#include <vector>

#include "base/ring.h"
#include "raft/core/output.h"
#include "raft/core/types.h"

/// Linearizable reads without a log entry (thesis, 6.4): all reads that wait together share one
/// round of heartbeats, or one message to the leader.
namespace trireme::raft {

/// Reads with an index that wait until it is applied.
class GrantedReads {
 public:
  /// Reads granted later wait for no lower index: waiting longer is always right.
  void Add(Ticket ticket, Index index);
  void Release(Index applied, std::vector<ReadState>* to);
  void Fail(std::vector<ReadState>* to);
  std::size_t size() const { return reads_.size(); }

 private:
  struct Read {
    Ticket ticket;
    Index index;
  };
  Ring<Read> reads_;  // by index
};

/// A follower's request, as its leader sees it.
struct RemoteRead {
  NodeId from;
  std::uint64_t context = 0;
};

struct ReadBatch {
  Index index;              ///< What was committed when the round began.
  std::uint64_t round = 0;  ///< Confirmed when a quorum has answered it.
  std::vector<Ticket> own;
  std::vector<RemoteRead> remote;
  bool empty() const { return own.empty() && remote.empty(); }
};

/// A leader's: the open batch takes all comers; batches under way are confirmed in order.
class LeaderReads {
 public:
  void AddOwn(Ticket ticket) { open_.own.push_back(ticket); }
  void AddRemote(RemoteRead read) { open_.remote.push_back(read); }
  bool has_open() const { return !open_.empty(); }
  std::size_t size() const;

  /// The open batch's reads, to be answered at once.
  ReadBatch TakeOpen();
  /// The open batch waits for a quorum's answers to `round`.
  void Begin(Index commit, std::uint64_t round);
  /// The next batch that a quorum's answers to `round` confirm; false: no more.
  bool TakeConfirmed(std::uint64_t round, ReadBatch* batch);
  /// Leadership ended: none of them can be granted.
  void Fail(std::vector<ReadState>* to);

 private:
  ReadBatch open_;
  Ring<ReadBatch> confirming_;
};

/// A follower's: batches sent to the leader, told apart by context.
class ForwardedReads {
 public:
  explicit ForwardedReads(std::uint64_t first_context) : context_(first_context) {}
  void Add(Ticket ticket) { open_.push_back(ticket); }
  bool has_open() const { return !open_.empty(); }
  std::size_t size() const;

  /// Sends the open batch: returns its context.
  std::uint64_t Send(std::uint64_t now);
  /// The leader's answer. Batches that were sent before are still waited for.
  void Answer(std::uint64_t context, Index index, GrantedReads* granted);
  /// Gives up those sent before `tick`.
  void Expire(std::uint64_t tick, std::vector<ReadState>* to);
  void Fail(std::vector<ReadState>* to);

 private:
  struct Batch {
    std::uint64_t context = 0;
    std::uint64_t sent_tick = 0;
    std::vector<Ticket> tickets;
  };
  std::uint64_t context_;
  std::vector<Ticket> open_;
  std::vector<Batch> sent_;  // oldest first
};

}  // namespace trireme::raft
