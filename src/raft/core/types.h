#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <trireme/raft/types.h>

/// The vocabulary of Raft (Ongaro, "Consensus: Bridging Theory and Practice", Stanford 2014, cited
/// as "thesis"). Terms, indexes and ids are distinct types; 0 is "none" in each of them.
namespace trireme::raft {

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

/// Who takes part (thesis, chapter 4). All lists are sorted and without duplicates.
struct Configuration {
  std::vector<NodeId> voters;    ///< C_new while joint.
  std::vector<NodeId> outgoing;  ///< Voters of C_old while joint, otherwise empty.
  std::vector<NodeId> learners;  ///< Receive the log, do not vote; disjoint from `voters`.
  /// Members that keep no commands and never lead: voters, or learners that are to become voters.
  std::vector<NodeId> witnesses;
  /// A change that waits for its new voters, who are learners until they have caught up (thesis,
  /// 4.2.1). It is a part of the configuration so that the next leader goes on with it.
  struct Goal {
    std::vector<NodeId> voters;  ///< Members all of them. Empty: there is no such change.
    std::vector<NodeId> learners;
    std::vector<NodeId> witnesses;
    std::vector<NodeId> guests;  ///< Learners that came for it, and leave when it is given up.
    friend bool operator==(const Goal&, const Goal&) = default;
  };
  Goal goal{};

  /// Decisions need a majority of `voters` and one of `outgoing` (thesis, 4.3).
  bool joint() const { return !outgoing.empty(); }
  bool waits() const { return !goal.voters.empty(); }  ///< For the goal's new voters.
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// Of a snapshot, all but its bytes. The bytes are the shell's business.
struct SnapshotMeta {
  LogPosition last;             ///< The last entry it covers. Index 0: there is no snapshot.
  Configuration configuration;  ///< As of `last`.
  std::uint64_t size_bytes = 0;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

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
