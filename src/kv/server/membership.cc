#include "kv/server/membership.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

#include "kv/server/rpc_errors.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::uint64_t kTenths = 10, kTenthsToHave = 9;

const raft::ReplicaStatus::Peer* PeerOf(const raft::ReplicaStatus& leader, std::uint64_t member) {
  const auto found =
      std::ranges::find(leader.peers, raft::NodeId{member}, &raft::ReplicaStatus::Peer::id);
  return found == leader.peers.end() ? nullptr : &*found;
}

}  // namespace

absl::Status ChangeMembersAndWait(raft::Replica& replica, std::vector<raft::Member> members,
                                  std::chrono::milliseconds timeout) {
  auto done = std::make_shared<std::promise<raft::ProposalResult>>();
  std::future<raft::ProposalResult> result = done->get_future();
  replica.ChangeMembers(std::move(members),
                        [done](raft::ProposalResult r) { done->set_value(std::move(r)); });
  if (result.wait_for(timeout) != std::future_status::ready) return TimedOut();
  const raft::ProposalResult got = result.get();
  return got.state == raft::ProposalState::kCommitted ? absl::OkStatus() : got.status;
}

bool IsActive(const raft::ReplicaStatus& leader, std::uint64_t member) {
  if (leader.self.value == member) return true;
  const auto* peer = PeerOf(leader, member);
  return peer != nullptr && peer->active;
}

bool InSync(const raft::ReplicaStatus& leader, std::uint64_t member) {
  const auto* peer = PeerOf(leader, member);
  return peer != nullptr && peer->active && peer->state != "snapshot" &&
         peer->match.value * kTenths >= leader.commit.value * kTenthsToHave;
}

bool HasActiveQuorum(const raft::ReplicaStatus& leader, const std::vector<raft::Member>& members) {
  std::size_t voters = 0, active = 0;
  for (const raft::Member& member : members) {
    if (member.kind == raft::MemberKind::kLearner) continue;
    ++voters;
    active += IsActive(leader, member.id.value) ? 1 : 0;
  }
  return active > voters / 2;
}

}  // namespace trireme::kv::inline engine
