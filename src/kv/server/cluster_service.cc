#include "kv/server/cluster_service.h"

#include <algorithm>
#include <random>
#include <set>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/server/admin_call.h"
#include "kv/server/admin_errors.h"
#include "kv/server/member_ids.h"
#include "kv/server/membership.h"
#include "kv/server/urls.h"

namespace trireme::kv::inline engine {
namespace {

using UrlList = google::protobuf::RepeatedPtrField<std::string>;

/// Learners of a cluster, as etcd limits them.
constexpr int kLearnersMax = 1;

/// Checked, in order and each once.
absl::StatusOr<std::vector<std::string>> PeerUrls(const UrlList& asked) {
  const std::set<std::string> urls(asked.begin(), asked.end());
  if (urls.empty()) return BadPeerUrls();
  for (const std::string& url : urls)
    if (!AddressOfUrl(url).ok()) return BadPeerUrls();
  return std::vector<std::string>(urls.begin(), urls.end());
}

bool Taken(const std::vector<RosterEntry>& roster, const std::vector<std::string>& urls,
           std::uint64_t but) {
  for (const RosterEntry& entry : roster) {
    if (entry.id == but) continue;
    for (const std::string& url : entry.peer_urls)
      if (std::ranges::find(urls, url) != urls.end()) return true;
  }
  return false;
}

void Fill(const RosterEntry& entry, etcdserverpb::Member* to) {
  to->set_id(entry.id);
  to->set_name(entry.name);
  for (const std::string& url : entry.peer_urls) to->add_peerurls(url);
  for (const std::string& url : entry.client_urls) to->add_clienturls(url);
  to->set_islearner(entry.learner);
}

/// Never one that there was: a member's id is drawn anew each time it is added.
std::uint64_t DrawMemberId(const std::vector<std::string>& urls) {
  std::random_device device;
  return MemberIdOf(urls, fmt::format("{:08x}{:08x}", device(), device())) | 1;
}

raft::Member* FindIn(std::vector<raft::Member>& members, std::uint64_t id) {
  const auto found = std::ranges::find(members, raft::NodeId{id}, &raft::Member::id);
  return found == members.end() ? nullptr : &*found;
}

}  // namespace

void ClusterService::RegisterWith(rpc::Server& server) {
  namespace pb = etcdserverpb;
  const auto bound = [this](auto handle) {
    return [this, handle](const auto& request, auto* response) {
      return (this->*handle)(request, response);
    };
  };
  AddAdminCall<pb::MemberListRequest, pb::MemberListResponse>(
      server, member_, "/etcdserverpb.Cluster/MemberList", false, bound(&ClusterService::List));
  AddAdminCall<pb::MemberAddRequest, pb::MemberAddResponse>(
      server, member_, "/etcdserverpb.Cluster/MemberAdd", true, bound(&ClusterService::Add));
  AddAdminCall<pb::MemberRemoveRequest, pb::MemberRemoveResponse>(
      server, member_, "/etcdserverpb.Cluster/MemberRemove", true, bound(&ClusterService::Remove));
  AddAdminCall<pb::MemberUpdateRequest, pb::MemberUpdateResponse>(
      server, member_, "/etcdserverpb.Cluster/MemberUpdate", true, bound(&ClusterService::Update));
  AddAdminCall<pb::MemberPromoteRequest, pb::MemberPromoteResponse>(
      server, member_, "/etcdserverpb.Cluster/MemberPromote", true,
      bound(&ClusterService::Promote));
}

absl::StatusOr<ClusterService::Roster> ClusterService::Now() const {
  return RosterOf(member_.replica().Status().members, *member_.published().view());
}

template <typename Response>
absl::Status ClusterService::Answer(Response* response) const {
  TRIREME_ASSIGN_OR_RETURN(const Roster roster, Now());
  for (const RosterEntry& entry : roster) Fill(entry, response->add_members());
  return absl::OkStatus();
}

absl::Status ClusterService::SetNote(const std::string& name, const std::string& value) {
  return member_.ProposeAndWait({.body = NoteRequest{name, value}}, kAdminTimeout);
}

absl::Status ClusterService::List(const etcdserverpb::MemberListRequest& request,
                                  etcdserverpb::MemberListResponse* response) {
  if (request.linearizable()) TRIREME_RETURN_IF_ERROR(member_.AwaitReadBarrier(kAdminTimeout));
  return Answer(response);
}

absl::Status ClusterService::CheckNew(const raft::ReplicaStatus& status, const Roster& roster,
                                      bool learner) const {
  if (learner && std::ranges::count_if(roster, &RosterEntry::learner) >= kLearnersMax)
    return TooManyLearners();
  if (!member_.options().strict_reconfig_check) return absl::OkStatus();
  const bool one_waits = std::ranges::any_of(roster, &RosterEntry::awaits_vote);
  if (one_waits && !learner) return NotEnoughStarted();
  return HasActiveQuorum(status, status.members) ? absl::OkStatus() : Unhealthy();
}

absl::Status ClusterService::Add(const etcdserverpb::MemberAddRequest& request,
                                 etcdserverpb::MemberAddResponse* response) {
  TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> urls, PeerUrls(request.peerurls()));
  TRIREME_ASSIGN_OR_RETURN(const std::string address, AddressOfUrl(urls.front()));
  const std::lock_guard lock(member_.housekeeper().membership());
  const raft::ReplicaStatus status = member_.replica().Status();
  TRIREME_ASSIGN_OR_RETURN(const Roster roster, Now());
  TRIREME_RETURN_IF_ERROR(CheckNew(status, roster, request.islearner()));
  if (Taken(roster, urls, 0)) return PeerUrlExists();
  const std::uint64_t id = DrawMemberId(urls);
  if (kv::FindIn(roster, id) != nullptr) return MemberExists();
  // The note first: whoever sees the new member knows its URLs and whether it is to vote.
  TRIREME_RETURN_IF_ERROR(SetNote(PeerNoteName(id), Encode(PeerNote{request.islearner(), urls})));
  std::vector<raft::Member> members = status.members;
  members.push_back({raft::NodeId{id}, address, raft::MemberKind::kLearner});
  const absl::Status changed =
      ChangeMembersAndWait(member_.replica(), std::move(members), kAdminTimeout);
  if (!changed.ok()) {
    (void)SetNote(PeerNoteName(id), "");
    return changed;
  }
  Fill({.id = id, .peer_urls = urls, .learner = request.islearner()}, response->mutable_member());
  return Answer(response);
}

absl::Status ClusterService::Remove(const etcdserverpb::MemberRemoveRequest& request,
                                    etcdserverpb::MemberRemoveResponse* response) {
  const std::lock_guard lock(member_.housekeeper().membership());
  const raft::ReplicaStatus status = member_.replica().Status();
  std::vector<raft::Member> members = status.members;
  if (FindIn(members, request.id()) == nullptr) return MemberNotFound();
  std::erase_if(members, [&](const raft::Member& m) { return m.id.value == request.id(); });
  const bool some_vote = std::ranges::any_of(
      members, [](const raft::Member& m) { return m.kind == raft::MemberKind::kVoter; });
  if (!some_vote) return NotEnoughStarted();
  if (member_.options().strict_reconfig_check && !HasActiveQuorum(status, members))
    return NotEnoughStarted();
  // What is known of it goes first: a leader that removes itself says nothing afterwards.
  TRIREME_RETURN_IF_ERROR(SetNote(AttributesNoteName(request.id()), ""));
  TRIREME_RETURN_IF_ERROR(
      ChangeMembersAndWait(member_.replica(), std::move(members), kAdminTimeout));
  TRIREME_ASSIGN_OR_RETURN(Roster roster, Now());
  std::erase_if(roster, [&](const RosterEntry& entry) { return entry.id == request.id(); });
  for (const RosterEntry& entry : roster) Fill(entry, response->add_members());
  if (request.id() != member_.id()) (void)SetNote(PeerNoteName(request.id()), "");
  return absl::OkStatus();
}

absl::Status ClusterService::Update(const etcdserverpb::MemberUpdateRequest& request,
                                    etcdserverpb::MemberUpdateResponse* response) {
  TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> urls, PeerUrls(request.peerurls()));
  const std::lock_guard lock(member_.housekeeper().membership());
  TRIREME_ASSIGN_OR_RETURN(const Roster roster, Now());
  const RosterEntry* entry = kv::FindIn(roster, request.id());
  if (entry == nullptr) return MemberNotFound();
  if (Taken(roster, urls, request.id())) return PeerUrlExists();
  TRIREME_RETURN_IF_ERROR(
      SetNote(PeerNoteName(request.id()), Encode(PeerNote{entry->learner, urls})));
  return Answer(response);
}

absl::Status ClusterService::Promote(const etcdserverpb::MemberPromoteRequest& request,
                                     etcdserverpb::MemberPromoteResponse* response) {
  const std::lock_guard lock(member_.housekeeper().membership());
  const raft::ReplicaStatus status = member_.replica().Status();
  TRIREME_ASSIGN_OR_RETURN(const Roster roster, Now());
  const RosterEntry* entry = kv::FindIn(roster, request.id());
  if (entry == nullptr) return MemberNotFound();
  if (!entry->learner) return MemberNotLearner();
  if (!InSync(status, request.id())) return LearnerNotReady();
  TRIREME_RETURN_IF_ERROR(
      SetNote(PeerNoteName(request.id()), Encode(PeerNote{false, entry->peer_urls})));
  std::vector<raft::Member> members = status.members;
  FindIn(members, request.id())->kind = raft::MemberKind::kVoter;
  TRIREME_RETURN_IF_ERROR(
      ChangeMembersAndWait(member_.replica(), std::move(members), kAdminTimeout));
  return Answer(response);
}

}  // namespace trireme::kv::inline engine
