#pragma once

#include "absl/status/statusor.h"
#include "cli/cluster_flags.h"
#include "mapreduce/cluster/kv_options.h"
#include "mapreduce/cluster/whereabouts.h"

namespace trireme::cli {

/// Errors are one line that names the flag.
absl::StatusOr<mapreduce::cluster::KvOptions> KvOptionsOf(const KvFlags& flags);
/// What the flags say, else $TRIREME_KV, else $TRIREME_COORDINATOR.
absl::StatusOr<mapreduce::cluster::Whereabouts> WhereaboutsOf(ClusterFlags flags);

}  // namespace trireme::cli
