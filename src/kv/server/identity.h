#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/server/options.h"

/// Which member of which cluster this is: docs/formats/kv-data-dir.md.
namespace trireme::kv::inline engine {

struct Identity {
  std::uint64_t member_id = 0, cluster_id = 0;
  bool joined = false;  ///< It was added to a cluster that there was: a leader tells it the rest.
  std::string token;    ///< --initial-cluster-token when it began.
};

/// From the data directory, or, for one that begins, from the options: of a first member, or, with
/// --initial-cluster-state existing, as the cluster's other members know it. Blocks while it asks
/// them. What it finds is kept in the directory before it is given.
absl::StatusOr<Identity> Identify(const ServerOptions& options);

/// `path`: of the directory. Not made before.
absl::Status WriteIdentity(const std::string& path, const Identity& identity);

}  // namespace trireme::kv::inline engine
