#pragma once

#include <cstdint>
#include <variant>

#include "base/ring.h"
#include "raft/core/types.h"

/// What a leader knows of one follower: nextIndex and matchIndex of the thesis (figure 3.1) and how
/// the follower is being sent to. The three states are those of etcd's raft: probe until a match is
/// found, then replicate in a pipeline, or send a snapshot.
namespace trireme::raft {

/// Appends on their way, oldest first.
class Inflight {
 public:
  void Add(Index last, std::uint64_t bytes) {
    appends_.push_back({last, bytes});
    bytes_ += bytes;
  }
  /// Appends that ended at or before `match` have arrived.
  void FreeTo(Index match) {
    while (!appends_.empty() && appends_.front().last <= match) {
      bytes_ -= appends_.front().bytes;
      appends_.pop_front();
    }
  }
  /// A limit of 0 is none. One append always may go.
  bool Full(std::uint32_t count_max, std::uint64_t bytes_max) const {
    return (count_max > 0 && appends_.size() >= count_max) ||
           (bytes_max > 0 && !appends_.empty() && bytes_ >= bytes_max);
  }
  bool empty() const { return appends_.empty(); }
  void clear() {
    appends_.clear();
    bytes_ = 0;
  }

 private:
  struct Append {
    Index last;
    std::uint64_t bytes = 0;
  };
  Ring<Append> appends_;
  std::uint64_t bytes_ = 0;
};

/// `next` is a guess: one append at a time, answered before another goes.
struct Probe {
  bool sent = false;
  std::uint64_t round = 0;  ///< Of that append; an answer to a later round without one says: lost.
};
/// Next runs ahead of match by what is in Progress::inflight.
struct Replicate {};
/// The follower needs entries that the log no longer has.
struct SendSnapshot {
  SnapshotMeta meta;
  std::uint64_t offset = 0;      ///< The follower has everything below.
  bool wanted = true;            ///< The chunk at `offset` is to be asked of the shell.
  std::uint64_t asked_tick = 0;  ///< When it was, or when it was sent.
};

struct Progress {
  NodeId id;
  Index match;    ///< Known to be equal to the leader's log up to here, durably.
  Index next{1};  ///< The first entry to send; match < next.
  std::variant<Probe, Replicate, SendSnapshot> state;
  Inflight inflight;  ///< Kept here, not in Replicate, so that its memory is.

  std::uint64_t heard_tick = 0;   ///< Last sign of life; check-quorum.
  std::uint64_t round_acked = 0;  ///< Latest round it has confirmed; read index.
  Index commit_sent;              ///< What it was told of the commit index.
  Index match_at_heartbeat;       ///< To notice a pipeline without progress.
  bool heartbeat_due = false;
  bool tail_check_due = false;  ///< Send an empty append at `next`: did the tail arrive?
  bool log_read_pending = false;
  bool log_read_failed = false;  ///< The answer was of no use: ask again at the next heartbeat.
  std::uint32_t snapshot_refusals = 0;    ///< In a row, for lack of room.
  std::uint64_t snapshot_not_before = 0;  ///< The tick at which it may be offered one again.
  /// Until then it keeps up, having lacked nothing or stored something an election timeout before.
  std::uint64_t level_until = 0;

  bool replicating() const { return std::holds_alternative<Replicate>(state); }
  bool sending_snapshot() const { return std::holds_alternative<SendSnapshot>(state); }
  const char* StateName() const;

  void BecomeProbe(Index next_guess);
  void BecomeReplicate();
  void BecomeSendSnapshot(const SnapshotMeta& snapshot);

  /// The follower holds everything up to `index`. False: that was known.
  bool Accept(Index index);
  /// The follower refused an append at `rejected`; `fitting` is the last position that may match.
  /// False: an answer out of date.
  bool Reject(Index rejected, Index fitting);
  /// [next, last] with so many bytes has been sent.
  void Sent(Index last, std::uint64_t bytes, std::uint64_t round);
};

}  // namespace trireme::raft
