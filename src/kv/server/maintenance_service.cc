#include "kv/server/maintenance_service.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/server/admin_call.h"
#include "kv/server/admin_errors.h"
#include "kv/server/backup.h"
#include "kv/server/membership.h"
#include "kv/server/roster.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::chrono::milliseconds kLookPause{10};

std::string TextOf(const kv::Alarm& alarm) {
  return fmt::format("memberID:{} alarm:{} ", alarm.member,
                     alarm.kind == AlarmKind::kCorrupt ? "CORRUPT" : "NOSPACE");
}

void Fill(const kv::Alarm& alarm, etcdserverpb::AlarmMember* to) {
  to->set_memberid(alarm.member);
  to->set_alarm(static_cast<etcdserverpb::AlarmType>(alarm.kind));
}

}  // namespace

void MaintenanceService::RegisterWith(rpc::Server& server) {
  namespace pb = etcdserverpb;
  const auto bound = [this](auto handle) {
    return [this, handle](const auto& request, auto* response) {
      return (this->*handle)(request, response);
    };
  };
  using Self = MaintenanceService;
  AddAdminCall<pb::StatusRequest, pb::StatusResponse>(
      server, member_, "/etcdserverpb.Maintenance/Status", false, bound(&Self::Status));
  AddAdminCall<pb::AlarmRequest, pb::AlarmResponse>(
      server, member_, "/etcdserverpb.Maintenance/Alarm", false, bound(&Self::Alarm));
  AddAdminCall<pb::DefragmentRequest, pb::DefragmentResponse>(
      server, member_, "/etcdserverpb.Maintenance/Defragment", false, bound(&Self::Defragment));
  AddAdminCall<pb::HashRequest, pb::HashResponse>(server, member_, "/etcdserverpb.Maintenance/Hash",
                                                  false, bound(&Self::Hash));
  AddAdminCall<pb::HashKVRequest, pb::HashKVResponse>(
      server, member_, "/etcdserverpb.Maintenance/HashKV", false, bound(&Self::HashKv));
  AddAdminCall<pb::MoveLeaderRequest, pb::MoveLeaderResponse>(
      server, member_, "/etcdserverpb.Maintenance/MoveLeader", false, bound(&Self::MoveLeader));
  AddAdminCall<pb::DowngradeRequest, pb::DowngradeResponse>(
      server, member_, "/etcdserverpb.Maintenance/Downgrade", false, bound(&Self::Downgrade));
  rpc::Method snapshot;
  snapshot.one = [this](std::shared_ptr<rpc::ServerCall> call, const std::string&) {
    if (!member_.workers().Run([this, call] { Snapshot(call); })) call->Finish(TooManyRequests());
  };
  server.RegisterMethod("/etcdserverpb.Maintenance/Snapshot", std::move(snapshot));
}

absl::Status MaintenanceService::Status(const etcdserverpb::StatusRequest&,
                                        etcdserverpb::StatusResponse* response) {
  const raft::ReplicaStatus status = member_.replica().Status();
  const auto view = member_.published().view();
  TRIREME_ASSIGN_OR_RETURN(const auto roster, RosterOf(status.members, *view));
  const RosterEntry* self = FindIn(roster, member_.id());
  response->set_version(kServerVersion);
  response->set_dbsize(static_cast<std::int64_t>(member_.housekeeper().store_bytes()));
  response->set_dbsizeinuse(response->dbsize());
  response->set_leader(status.leader.value);
  response->set_raftindex(status.commit.value);
  response->set_raftterm(status.term.value);
  response->set_raftappliedindex(view->meta().applied_index);
  response->set_islearner(self != nullptr && self->learner);
  if (status.leader == raft::kNobody) response->add_errors("etcdserver: no leader");
  for (const kv::Alarm& alarm : member_.housekeeper().alarms()) response->add_errors(TextOf(alarm));
  return absl::OkStatus();
}

absl::Status MaintenanceService::Alarm(const etcdserverpb::AlarmRequest& request,
                                       etcdserverpb::AlarmResponse* response) {
  using pb = etcdserverpb::AlarmRequest;
  const kv::Alarm asked = {request.memberid() == 0 ? member_.id() : request.memberid(),
                           static_cast<AlarmKind>(request.alarm())};
  TRIREME_RETURN_IF_ERROR(member_.AwaitReadBarrier(kAdminTimeout));
  TRIREME_ASSIGN_OR_RETURN(auto raised, AlarmsIn(*member_.published().view()));
  if (request.action() == pb::GET) {
    const kv::Alarm own = {member_.id(), AlarmKind::kNoSpace};
    const bool told = std::ranges::find(raised, own) != raised.end();
    if (member_.housekeeper().disk_full() && !told) raised.push_back(own);
    for (const kv::Alarm& alarm : raised)
      if (asked.kind == AlarmKind::kNone || alarm.kind == asked.kind)
        Fill(alarm, response->add_alarms());
    return absl::OkStatus();
  }
  const bool there = std::ranges::find(raised, asked) != raised.end();
  const bool raise = request.action() == pb::ACTIVATE;
  if (asked.kind == AlarmKind::kNone || (!raise && !there)) return absl::OkStatus();
  if (raise != there) {
    const std::string name = AlarmNoteName(asked), value = raise ? "1" : "";
    TRIREME_RETURN_IF_ERROR(
        member_.ProposeAndWait({.body = NoteRequest{name, value}}, kAdminTimeout));
  }
  Fill(asked, response->add_alarms());
  return absl::OkStatus();
}

/// There is nothing to do: space is given back as it becomes free.
absl::Status MaintenanceService::Defragment(const etcdserverpb::DefragmentRequest&,
                                            etcdserverpb::DefragmentResponse*) {
  return absl::OkStatus();
}

absl::Status MaintenanceService::Hash(const etcdserverpb::HashRequest&,
                                      etcdserverpb::HashResponse* response) {
  TRIREME_ASSIGN_OR_RETURN(const StateHash hash, member_.published().view()->Hash(0));
  response->set_hash(hash.hash);
  return absl::OkStatus();
}

absl::Status MaintenanceService::HashKv(const etcdserverpb::HashKVRequest& request,
                                        etcdserverpb::HashKVResponse* response) {
  TRIREME_ASSIGN_OR_RETURN(const StateHash hash,
                           member_.published().view()->Hash(request.revision()));
  if (hash.error != Error::kNone) return StatusOf(hash.error);
  response->set_hash(hash.hash);
  response->set_compact_revision(hash.compacted);
  response->set_hash_revision(hash.revision);
  return absl::OkStatus();
}

absl::Status MaintenanceService::MoveLeader(const etcdserverpb::MoveLeaderRequest& request,
                                            etcdserverpb::MoveLeaderResponse*) {
  const raft::NodeId target{request.targetid()};
  const raft::ReplicaStatus status = member_.replica().Status();
  if (status.leader != status.self) return NotLeader();
  if (target == status.self) return absl::OkStatus();
  const auto found = std::ranges::find(status.members, target, &raft::Member::id);
  if (found == status.members.end() || found->kind != raft::MemberKind::kVoter)
    return BadTransferee();
  TRIREME_RETURN_IF_ERROR(member_.replica().Transfer(target));
  const auto until = std::chrono::steady_clock::now() + kAdminTimeout;
  while (std::chrono::steady_clock::now() < until && !member_.workers().stopping()) {
    if (member_.replica().leader() == target) return absl::OkStatus();
    std::this_thread::sleep_for(kLookPause);
  }
  return absl::UnavailableError("etcdserver: request timed out, leader transfer took too long");
}

absl::Status MaintenanceService::Downgrade(const etcdserverpb::DowngradeRequest&,
                                           etcdserverpb::DowngradeResponse*) {
  return absl::UnimplementedError(
      "this is not etcd and has no older version to go down to; see docs/operations.md");
}

void MaintenanceService::Snapshot(const std::shared_ptr<rpc::ServerCall>& call) {
  const auto view = member_.published().view();
  const absl::Status status =
      WriteBackup(*view, member_.cluster_id(), [&](std::string bytes) -> absl::Status {
        if (member_.workers().stopping()) return Stopped();
        etcdserverpb::SnapshotResponse response;
        FillHeader(member_, response.mutable_header());
        response.set_blob(std::move(bytes));
        response.set_version(kServerVersion);
        return call->WriteBlocking(response.SerializeAsString());
      });
  call->Finish(status);
}

}  // namespace trireme::kv::inline engine
