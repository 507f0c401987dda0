#pragma once

#include <vector>

#include <trireme/raft/membership.h>
#include "absl/status/statusor.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// INVALID_ARGUMENT: twice the same id, or no possible configuration.
absl::StatusOr<Configuration> ToConfiguration(const std::vector<Member>& members);
/// Without addresses.
std::vector<Member> ToMembers(const Configuration& configuration);

}  // namespace trireme::raft
