#pragma once

#include <string_view>

#include <trireme/raft.h>
#include "absl/status/status.h"
#include "kv/model/errors.h"

/// etcd's answers for what goes wrong outside of the model (api/v3rpc/rpctypes/error.go). Clients
/// match on code and text.
namespace trireme::kv::inline engine {

absl::Status StatusOf(Error error);

absl::Status NoLeader();
absl::Status TooManyRequests();
absl::Status Stopped();
/// It may have taken effect.
absl::Status TimedOut();
absl::Status Unparsable(std::string_view method);

/// Of a proposal that was not committed, as far as this member knows.
absl::Status StatusOf(const raft::ProposalResult& result);
/// Of a read that was not granted.
absl::Status ReadStatusOf(const absl::Status& status);

}  // namespace trireme::kv::inline engine
