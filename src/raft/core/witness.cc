#include <algorithm>
#include <array>

#include "raft/core/quorum.h"
#include "raft/core/state.h"

/// Witnesses vote and count by the positions of their log; what the commands say, they never get.
/// docs/decisions/0014-witnesses.md has the rule for what they are sent, and why.
namespace trireme::raft {

/// This server has no state machine: its configuration says so, or, before it has that, its log.
bool Core::State::LacksData() const {
  return omitted_first_ > Index{} || IsWitness(active(), self());
}

/// It will soon hold what the leader holds.
bool Core::State::KeepsUp(const Progress& peer) const {
  return now_ < peer.level_until &&
         log_.last().index - peer.match <= config_.promotion_lag_max;
}

/// What as many full voters hold durably as a majority has members, or as many as keep up; but one.
Index Core::State::HeldByFullVoters(const Leader& leading,
                                    const std::vector<NodeId>& voters) const {
  std::array<Index, kVotersMax> held;
  std::size_t count = 0;
  std::size_t keep_up = 0;
  for (const NodeId voter : voters) {
    if (IsWitness(active(), voter)) continue;
    const Progress* peer = leading.Find(voter);
    held[count++] = peer == nullptr ? durability_.durable() : peer->match;
    if (peer == nullptr || KeepsUp(*peer)) ++keep_up;
  }
  if (count == 0) return log_.last().index;
  const std::size_t copies =
      std::clamp<std::size_t>(std::min(voters.size() / 2 + 1, keep_up), 1, count);
  const auto nth = held.begin() + static_cast<std::ptrdiff_t>(copies - 1);
  std::nth_element(held.begin(), nth, held.begin() + static_cast<std::ptrdiff_t>(count),
                   std::greater<>());
  return *nth;
}

/// A witness that is ahead of all who may lead would keep them from being elected, and one that
/// stands in for a voter who is there makes for a copy less. So it comes after them.
Index Core::State::LastForWitness(const Leader& leading) const {
  const Index incoming = HeldByFullVoters(leading, active().voters);
  if (!active().joint()) return incoming;
  return std::min(incoming, HeldByFullVoters(leading, active().outgoing));
}

void Core::State::OmitForWitness(const Progress& peer, std::vector<Entry>* entries) const {
  if (active().witnesses.empty() || !IsWitness(active(), peer.id)) return;
  for (Entry& entry : *entries) {
    if (entry.kind != EntryKind::kCommand) continue;
    entry.kind = EntryKind::kOmitted;
    entry.data = {};
  }
}

/// A witness gets a snapshot without bytes, and one that tells it what it is, although the
/// configuration of then may not have known.
SnapshotMeta Core::State::SnapshotFor(NodeId peer) const {
  SnapshotMeta meta = snapshot_;
  if (!IsWitness(active(), peer)) return meta;
  meta.size_bytes = 0;
  std::vector<NodeId>& witnesses = meta.configuration.witnesses;
  const auto place = std::lower_bound(witnesses.begin(), witnesses.end(), peer);
  if (place == witnesses.end() || *place != peer) witnesses.insert(place, peer);
  return meta;
}

/// What there is to apply or to read, a witness has not.
void Core::State::HandOutNothing(Output* output) {
  output->restore.reset();
  handed_out_ = applied_ = std::max(handed_out_, std::min(commit_, durability_.durable()));
  being_applied_.clear();
  forwarded_reads_.Fail(&output->reads);
  granted_reads_.Fail(&output->reads);
}

}  // namespace trireme::raft
