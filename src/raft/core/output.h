#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/core/messages.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// To be written to stable storage as one atomic step and in the order of the fields; batches in
/// the order of their tokens. Then Core::Persisted(token). A shell may write several at once.
struct Persist {
  Token token;  ///< kNothing: there is nothing to write.
  std::optional<HardState> hard_state;
  /// Parts of a snapshot that a leader sends; the part at offset 0 begins a new one, and the one
  /// that ends at meta.size_bytes is the last. Without room for them: Core::SnapshotNotStored.
  std::vector<SnapshotChunk> chunks;
  /// All chunks of this snapshot are durable. It replaces the log up to its last entry; entries
  /// above it stay only when the log holds exactly that entry.
  std::optional<SnapshotMeta> snapshot;
  /// Without gaps. What the log has from entries[0].index on is dropped first.
  std::vector<Entry> entries;

  bool empty() const { return token == kNothing; }
};

/// Sent at any time once `after` is durable; lossy is fine. kNothing: may go before, or while, the
/// same output's batch is written (thesis, 10.2.1).
struct Outgoing {
  NodeId to;
  Token after;
  Message message;
};

/// To be applied in order. `entries` is empty when they are no longer in memory: then read
/// [first, last] from the log. Nothing to apply: last < first.
struct Committed {
  Index first{1};
  Index last;
  std::vector<Entry> entries;
  /// Tickets of those that were proposed here since the start, in the order of the log.
  struct Mine {
    Index index;
    Ticket ticket;
  };
  std::vector<Mine> mine;
};

enum class LostKind : std::uint8_t {
  kReplaced,   ///< Another entry has committed at its index: it never takes effect.
  kAbandoned,  ///< It followed on an entry that was replaced: it never takes effect.
  kUnknown,    ///< It may have taken effect, or may yet: a snapshot covers its index, or it is a
               ///< change of membership with which the next leader goes on.
};
/// A proposal of this server that will not be reported as committed here.
struct Lost {
  Ticket ticket;
  LostKind kind = LostKind::kUnknown;
};

/// A read may run against a state machine that has applied `index`; it has. Not granted: leadership
/// changed or nobody answered, ask again.
struct ReadState {
  Ticket ticket;
  Index index;
  bool granted = false;
};

/// Answer with Core::LogRead: entries from `first` on, up to `last`, at least one and otherwise at
/// most bytes_max of data.
struct LogReadRequest {
  NodeId peer;  ///< For whom; goes back with the answer.
  Index first;
  Index last;
  std::uint64_t bytes_max = 0;
};

/// Answer with Core::SnapshotRead: up to bytes_max bytes of this snapshot from `offset` on; if
/// there is only a newer one by now, say which.
struct SnapshotReadRequest {
  NodeId peer;  ///< For whom; goes back with the answer.
  Index snapshot;
  std::uint64_t offset = 0;
  std::uint64_t bytes_max = 0;
};

/// Everything since the last TakeOutput. The shell
///   1. starts writing `persist`, and sends the messages that wait for nothing;
///   2. when a token is durable: calls Persisted, sends the messages that wait for it;
///   3. loads `restore`, then applies `committed`, then calls Applied.
/// It may go on calling the core meanwhile.
struct Output {
  Persist persist;
  std::vector<Outgoing> messages;
  std::optional<SnapshotMeta> restore;  ///< Durable. Replaces the state machine's state.
  Committed committed;                  ///< Durable here. Answer with Applied(committed.last).
  std::vector<ReadState> reads;
  std::vector<Lost> lost;
  std::vector<LogReadRequest> log_reads;
  std::vector<SnapshotReadRequest> snapshot_reads;

  void Swap(Output& other);
  /// Empties it, but keeps the memory of its lists.
  void Clear();
  bool empty() const {
    return persist.empty() && messages.empty() && !restore && committed.last < committed.first &&
           reads.empty() && lost.empty() && log_reads.empty() && snapshot_reads.empty();
  }
};

}  // namespace trireme::raft
