#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"
#include "kv/server/member.h"
#include "kv/server/rpc_errors.h"
#include "rpc/server.h"
#include "rpc/server_call.h"

/// Calls that may wait: on the member's workers, with protobuf's own classes.
namespace trireme::kv::inline engine {

/// So long such a call waits for the cluster, as etcd does.
inline constexpr std::chrono::milliseconds kAdminTimeout{7000};

void FillHeader(Member& member, etcdserverpb::ResponseHeader* header);

/// etcd's Cluster service says nothing of revisions.
inline bool IsOfCluster(std::string_view method) {
  return method.starts_with("/etcdserverpb.Cluster/");
}

/// Sends the call as it came to the leader, and its answer back; waits for a leader while there is
/// none or the one known does not take it, kAdminTimeout at most. False: this member leads by now,
/// and is to answer itself. `method`: a literal.
bool AnsweredByLeader(Member& member, rpc::ServerCall& call, const char* method,
                      const std::string& message);

/// `method` begins with '/', and is a literal.
template <typename Request, typename Response>
void AddAdminCall(rpc::Server& server, Member& member, const char* method, bool by_leader,
                  std::function<absl::Status(const Request&, Response*)> handle) {
  rpc::Method how;
  how.one = [&member, method, by_leader, handle](std::shared_ptr<rpc::ServerCall> call,
                                                 std::string message) {
    const bool taken = member.workers().Run(
        [&member, method, by_leader, handle, call, message = std::move(message)] {
          Request request;
          if (!request.ParseFromString(message)) return call->Finish(Unparsable(method));
          if (by_leader && AnsweredByLeader(member, *call, method, message)) return;
          Response response;
          if (absl::Status status = handle(request, &response); !status.ok())
            return call->Finish(std::move(status));
          FillHeader(member, response.mutable_header());
          if (IsOfCluster(method)) response.mutable_header()->clear_revision();
          call->FinishWith(response.SerializeAsString());
        });
    if (!taken) call->Finish(TooManyRequests());
  };
  server.RegisterMethod(method, std::move(how));
}

}  // namespace trireme::kv::inline engine
