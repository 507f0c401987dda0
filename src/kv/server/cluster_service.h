#pragma once

#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include "kv/server/member.h"
#include "kv/server/roster.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// etcdserverpb.Cluster.
class ClusterService final : public rpc::Service {
 public:
  explicit ClusterService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  using Roster = std::vector<RosterEntry>;

  absl::Status List(const etcdserverpb::MemberListRequest& request,
                    etcdserverpb::MemberListResponse* response);
  absl::Status Add(const etcdserverpb::MemberAddRequest& request,
                   etcdserverpb::MemberAddResponse* response);
  absl::Status Remove(const etcdserverpb::MemberRemoveRequest& request,
                      etcdserverpb::MemberRemoveResponse* response);
  absl::Status Update(const etcdserverpb::MemberUpdateRequest& request,
                      etcdserverpb::MemberUpdateResponse* response);
  absl::Status Promote(const etcdserverpb::MemberPromoteRequest& request,
                       etcdserverpb::MemberPromoteResponse* response);

  absl::StatusOr<Roster> Now() const;
  absl::Status CheckNew(const raft::ReplicaStatus& status, const Roster& roster,
                        bool learner) const;
  absl::Status SetNote(const std::string& name, const std::string& value);
  template <typename Response>
  absl::Status Answer(Response* response) const;

  Member& member_;
};

}  // namespace trireme::kv::inline engine
