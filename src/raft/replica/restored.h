#pragma once

#include <trireme/raft/log_store.h>
#include "absl/status/statusor.h"
#include "raft/core/core.h"

namespace trireme::raft {

/// What a store handed back, as a core begins with it. DATA_LOSS: no valid configuration.
absl::StatusOr<Restored> ToRestored(RecoveredGroup found);

}  // namespace trireme::raft
