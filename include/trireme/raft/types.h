#pragma once

#include <compare>
#include <cstdint>

#include <trireme/raft/bytes.h>

/// What Raft's core and its durable log both speak of (Ongaro, "Consensus: Bridging Theory and
/// Practice", Stanford 2014, cited as "thesis"). Terms, indexes and ids are distinct types; 0 is
/// "none" in each of them.
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

/// What a server is at the moment (thesis, 3.3 and 9.6).
enum class RoleName : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

enum class EntryKind : std::uint8_t {
  kCommand,        ///< The state machine's.
  kNoop,           ///< A new leader's first entry (thesis, 6.4), or a lease's renewal.
  kConfiguration,  ///< EncodeConfiguration (configuration.h); takes effect when appended.
  kOmitted,        ///< A command on a witness, which keeps that there is one and not what.
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

/// Entries from `first` up to the next run's first have this term.
struct TermRun {
  Index first;
  Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

}  // namespace trireme::raft
