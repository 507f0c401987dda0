#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "raft/core/types.h"

/// What servers tell each other, a struct each. docs/formats/raft-messages.md has their bytes,
/// codec.h the encoder and the bounded decoder. `term` is the sender's current term unless said
/// otherwise. Every message may be lost, duplicated, delayed and overtaken.
namespace trireme::raft {

/// Would you vote for me? Changes no state at either side (thesis, 9.6).
struct PreVoteRequest {
  Term term;  ///< The term that the election would have: the sender's, plus one.
  LogPosition last;
  friend bool operator==(const PreVoteRequest&, const PreVoteRequest&) = default;
};
struct PreVoteResponse {
  Term term;  ///< Granted: the request's. Refused: the sender's own.
  bool granted = false;
  friend bool operator==(const PreVoteResponse&, const PreVoteResponse&) = default;
};

struct VoteRequest {
  Term term;
  LogPosition last;
  /// The leader asked for this election: do not hold to it (thesis, 4.2.3).
  bool transfer = false;
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};
struct VoteResponse {
  Term term;
  bool granted = false;
  friend bool operator==(const VoteResponse&, const VoteResponse&) = default;
};

/// Entries behind `prev`, without gaps; none: asks whether `prev` matches.
struct AppendRequest {
  Term term;
  LogPosition prev;
  Index commit;
  std::uint64_t round = 0;  ///< The leader's latest round of confirming that it still leads.
  std::vector<Entry> entries;
  friend bool operator==(const AppendRequest&, const AppendRequest&) = default;
};
/// The follower's log equals the leader's up to `match`, durably.
struct AppendAccepted {
  Term term;
  Index match;
  std::uint64_t round = 0;
  friend bool operator==(const AppendAccepted&, const AppendAccepted&) = default;
};
/// `prev` was not there. Nothing above hint.index, and nothing there of a term above hint.term, can
/// match: the leader skips a whole conflicting term per round (thesis, 3.5).
struct AppendRejected {
  Term term;
  Index rejected;  ///< The request's prev.index.
  LogPosition hint;
  std::uint64_t round = 0;
  friend bool operator==(const AppendRejected&, const AppendRejected&) = default;
};

/// Of a Heartbeat that only tells of the commit index.
inline constexpr std::uint64_t kNoAnswer = 0;

/// I lead, and you may commit so far. `commit` is at most what the receiver is known to hold.
struct Heartbeat {
  Term term;
  Index commit;
  std::uint64_t round = kNoAnswer;  ///< Rounds begin at 1.
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
/// Also the answer to whatever comes from an older term: the sender of that learns ours.
struct HeartbeatResponse {
  Term term;
  std::uint64_t round = 0;
  friend bool operator==(const HeartbeatResponse&, const HeartbeatResponse&) = default;
};

/// Bytes [offset, offset + data.size()) of a snapshot of meta.size_bytes (thesis, 5.1).
struct SnapshotChunk {
  Term term;
  std::uint64_t round = 0;
  SnapshotMeta meta;
  std::uint64_t offset = 0;
  SharedBytes data;
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};
/// All below `next_offset` is there; go on from it. After the last chunk AppendAccepted answers.
struct SnapshotProgress {
  Term term;
  Index snapshot;
  std::uint64_t next_offset = 0;
  std::uint64_t round = 0;
  friend bool operator==(const SnapshotProgress&, const SnapshotProgress&) = default;
};
/// There is no room for this snapshot: nothing of it is kept, and the follower goes on with what it
/// has. The leader offers it again later.
struct SnapshotRefused {
  Term term;
  Index snapshot;
  std::uint64_t round = 0;
  friend bool operator==(const SnapshotRefused&, const SnapshotRefused&) = default;
};

/// A follower asks for an index at which its reads are linearizable (thesis, 6.4).
struct ReadIndexRequest {
  Term term;
  std::uint64_t context = 0;  ///< The follower's; the response has it again.
  friend bool operator==(const ReadIndexRequest&, const ReadIndexRequest&) = default;
};
struct ReadIndexResponse {
  Term term;
  std::uint64_t context = 0;
  Index index;
  friend bool operator==(const ReadIndexResponse&, const ReadIndexResponse&) = default;
};

/// Leadership transfer: start an election now (thesis, 3.10).
struct TimeoutNow {
  Term term;
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

/// A configuration without the receiver is committed at this index: nobody waits for it (thesis,
/// 4.2.3). Sent by the leader that removes it, and to whoever asks for votes without being a
/// member.
struct Removed {
  Term term;
  Index configuration;
  friend bool operator==(const Removed&, const Removed&) = default;
};

using Message = std::variant<PreVoteRequest, PreVoteResponse, VoteRequest, VoteResponse,
                             AppendRequest, AppendAccepted, AppendRejected, Heartbeat,
                             HeartbeatResponse, SnapshotChunk, SnapshotProgress, ReadIndexRequest,
                             ReadIndexResponse, TimeoutNow, Removed, SnapshotRefused>;

}  // namespace trireme::raft
