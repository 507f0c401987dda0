#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <trireme/raft.h>
#include "absl/status/status.h"

/// Changes of who is a member, as etcd's calls make them.
namespace trireme::kv::inline engine {

/// Waits for the decision. On a thread that may wait.
absl::Status ChangeMembersAndWait(raft::Replica& replica, std::vector<raft::Member> members,
                                  std::chrono::milliseconds timeout);

/// Whether the leader whose status this is has heard lately of the member, and its log has nine
/// tenths of the leader's, as etcd asks before it promotes a learner.
bool InSync(const raft::ReplicaStatus& leader, std::uint64_t member);
/// Whether the leader has heard lately of it, or is it.
bool IsActive(const raft::ReplicaStatus& leader, std::uint64_t member);
/// Whether a majority of these voters is active.
bool HasActiveQuorum(const raft::ReplicaStatus& leader, const std::vector<raft::Member>& members);

}  // namespace trireme::kv::inline engine
