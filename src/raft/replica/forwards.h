#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <trireme/raft.h>
#include "base/ring.h"
#include "raft/replica/forward_frame.h"

namespace trireme::raft {

/// Proposals of one member that others lead: what has left for the leader, and what the leader has
/// put into its log and this member has yet to see committed. Each ends exactly once. No thread, no
/// clock.
///
/// A leader's answer gives each proposal a place (index, term). By the log matching property the
/// entry that commits there is the proposal if and only if it has that term; and as terms in a log
/// never go back, one that has committed before that place with a later term says that the proposal
/// never will.
class Forwards {
 public:
  /// One that is over before its place has committed.
  struct Ended {
    ProposalCallback done;
    ProposalResult result;
  };
  /// One whose place has committed. If the entry there has another term, it never takes effect.
  struct Placed {
    LogPosition position;
    ProposalCallback done;
  };
  /// The term of an entry that was committed here before; nothing: not known any more.
  using TermAt = std::function<std::optional<Term>(Index)>;

  explicit Forwards(std::uint64_t session) : session_(session) {}

  std::uint64_t session() const { return session_; }
  std::size_t size() const { return sent_proposals_ + placed_.size(); }
  bool empty() const { return size() == 0; }

  /// Proposals are on their way; the number of their Forward. They are given up after `ticks`.
  std::uint64_t Sent(NodeId to, std::vector<ProposalCallback> done, std::uint64_t ticks);
  /// The one sent last has not left.
  std::vector<ProposalCallback> TakeBack();

  /// False: it answers nothing that waits, or in a way that no leader does.
  bool Answered(NodeId from, const ForwardAnswer& answer, const TermAt& term_at);
  /// Everything up to `index` is committed here already.
  void BeginAt(Index index) { committed_ = index; }
  /// Everything up to `last` is, and nothing after it. Says whose places that decides.
  void Committed(LogPosition last, std::vector<Placed>* placed);
  /// A snapshot up to `last` has taken the log's place.
  void Restored(LogPosition last);
  /// The connection is lost, and answers with it.
  void Unreachable(NodeId peer);
  /// Others than `leader` have at most so many ticks left to answer.
  void LeaderIs(NodeId leader, std::uint64_t ticks);
  void Tick(std::uint64_t ticks);
  void GiveUp(const absl::Status& why);

  /// What has ended since the last time.
  std::vector<Ended> TakeEnded() { return std::exchange(ended_, {}); }
  bool has_ended() const { return !ended_.empty(); }

 private:
  struct Batch {
    std::uint64_t number = 0;
    NodeId to;
    std::uint64_t deadline = 0;
    std::vector<ProposalCallback> done;
  };
  struct Waiting {
    Placed placed;
    std::uint64_t deadline = 0;
  };

  void Place(Waiting waiting, const TermAt& term_at);
  void End(ProposalCallback done, ProposalState state, absl::Status why);
  void EndUnknown(Batch& batch, const absl::Status& why);
  template <typename Which>
  void EndUnknownIf(const Which& which, const absl::Status& why);

  const std::uint64_t session_;
  std::uint64_t number_ = 0;
  std::uint64_t now_ = 0;
  Index committed_;
  std::vector<Batch> sent_;  // a few: by number
  std::size_t sent_proposals_ = 0;
  Ring<Waiting> placed_;  // by term, then index
  std::vector<Ended> ended_;
};

/// Forwards that a leader has taken, so that none is taken twice.
class TakenForwards {
 public:
  /// False: it was taken before.
  bool Take(NodeId from, std::uint64_t session, std::uint64_t number);

 private:
  struct Latest {
    std::uint64_t session = 0;
    std::uint64_t number = 0;
  };
  std::map<NodeId, Latest> latest_;
};

}  // namespace trireme::raft
