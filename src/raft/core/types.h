#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"

/// The vocabulary of Raft (Ongaro, "Consensus: Bridging Theory and Practice", Stanford 2014, cited
/// as "thesis"). Terms, indexes and ids are distinct types; 0 is "none" in each of them.
namespace trireme::raft {

/// Logical time: one leader at most in each (thesis, 3.3).
struct Term {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Term, Term) = default;
};
constexpr Term Next(Term term) {
  return Term{term.value + 1};
}

/// A place in the log; the first entry has index 1.
struct Index {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Index, Index) = default;
  constexpr Index& operator++() {
    ++value;
    return *this;
  }
};
constexpr Index operator+(Index index, std::uint64_t count) {
  return Index{index.value + count};
}
constexpr Index operator-(Index index, std::uint64_t count) {
  return Index{index.value - count};
}
/// Entries in (b, a]; a >= b.
constexpr std::uint64_t operator-(Index a, Index b) {
  return a.value - b.value;
}

/// A server. Chosen by the operator, never given to another server again.
struct NodeId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(NodeId, NodeId) = default;
};
inline constexpr NodeId kNobody{};

/// Names a batch handed out to be made durable; greater ones are later. What waits for a token may
/// go when Core::Persisted has been (or is about to be) called with it or a greater one.
struct Token {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Token, Token) = default;
};
/// Depends on nothing that is not durable already.
inline constexpr Token kNothing{};

/// The caller's name for a proposal or a read. 0: the caller does not want to hear of it.
struct Ticket {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Ticket, Ticket) = default;
};

enum class EntryKind : std::uint8_t {
  kCommand,        ///< The state machine's.
  kNoop,           ///< A new leader's first entry (thesis, 6.4), or a lease's renewal.
  kConfiguration,  ///< EncodeConfiguration (configuration.h); takes effect when appended.
};

/// What an entry, a vote request and a snapshot are compared by.
struct LogPosition {
  Index index;
  Term term;
  friend constexpr bool operator==(LogPosition, LogPosition) = default;
};

/// `a` may lead a server whose log ends at `b` (thesis, 3.6.1).
constexpr bool IsAtLeastAsUpToDate(LogPosition a, LogPosition b) {
  return a.term != b.term ? a.term > b.term : a.index >= b.index;
}

/// The bytes are shared: log, messages and state machine see the same ones.
struct Entry {
  Index index;
  Term term;
  EntryKind kind = EntryKind::kCommand;
  SharedBytes data;
  friend bool operator==(const Entry&, const Entry&) = default;
};
constexpr LogPosition PositionOf(const Entry& entry) {
  return {entry.index, entry.term};
}

/// What must survive a crash besides log and snapshot (thesis, figure 3.1).
struct HardState {
  Term term;
  NodeId vote;  ///< In `term`; kNobody: none given.
  friend bool operator==(const HardState&, const HardState&) = default;
};

/// Who takes part (thesis, chapter 4). All lists are sorted and without duplicates.
struct Configuration {
  std::vector<NodeId> voters;     ///< C_new while joint.
  std::vector<NodeId> outgoing;   ///< Voters of C_old while joint, otherwise empty.
  std::vector<NodeId> learners;   ///< Receive the log, do not vote; disjoint from `voters`.
  std::vector<NodeId> witnesses;  ///< Those of the voters that keep no commands and never lead.

  /// Decisions need a majority of `voters` and one of `outgoing` (thesis, 4.3).
  bool joint() const { return !outgoing.empty(); }
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// Of a snapshot, all but its bytes. The bytes are the shell's business.
struct SnapshotMeta {
  LogPosition last;             ///< The last entry it covers. Index 0: there is no snapshot.
  Configuration configuration;  ///< As of `last`.
  std::uint64_t size_bytes = 0;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

/// Entries from `first` up to the next run's first have this term.
struct TermRun {
  Index first;
  Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

enum class RoleName : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

enum class Outcome : std::uint8_t {
  kOk,
  kNotLeader,  ///< Not executed. Ask Status().leader.
  kInvalid,    ///< Not executed; nothing changed. `why` says what is wrong.
  kStale,      ///< Nothing to do: it is so already, or is past.
  kBusy,       ///< Not executed: a named limit is reached, or another change is under way.
  kNotYet,     ///< Not executed: it names something that has not happened here.
};

/// What became of a call. `why` is empty when all is well, otherwise a sentence for a log.
struct [[nodiscard]] Answer {
  Outcome outcome = Outcome::kOk;
  std::string why;
  bool ok() const { return outcome == Outcome::kOk; }
};

inline Answer Refuse(Outcome outcome, std::string why) {
  return {outcome, std::move(why)};
}

}  // namespace trireme::raft
