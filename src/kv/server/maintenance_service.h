#pragma once

#include <memory>

#include "etcd/rpc.pb.h"
#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// What clients are told we are: etcd's version whose API this is.
inline constexpr char kServerVersion[] = "3.5.0";
inline constexpr char kClusterVersion[] = "3.5.0";

/// etcdserverpb.Maintenance.
class MaintenanceService final : public rpc::Service {
 public:
  explicit MaintenanceService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  absl::Status Status(const etcdserverpb::StatusRequest& request,
                      etcdserverpb::StatusResponse* response);
  absl::Status Alarm(const etcdserverpb::AlarmRequest& request,
                     etcdserverpb::AlarmResponse* response);
  absl::Status Defragment(const etcdserverpb::DefragmentRequest& request,
                          etcdserverpb::DefragmentResponse* response);
  absl::Status Hash(const etcdserverpb::HashRequest& request, etcdserverpb::HashResponse* response);
  absl::Status HashKv(const etcdserverpb::HashKVRequest& request,
                      etcdserverpb::HashKVResponse* response);
  absl::Status MoveLeader(const etcdserverpb::MoveLeaderRequest& request,
                          etcdserverpb::MoveLeaderResponse* response);
  absl::Status Downgrade(const etcdserverpb::DowngradeRequest& request,
                         etcdserverpb::DowngradeResponse* response);
  void Snapshot(const std::shared_ptr<rpc::ServerCall>& call);

  Member& member_;
};

}  // namespace trireme::kv::inline engine
