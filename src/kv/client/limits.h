#pragma once

#include <cstddef>

#include "absl/time/time.h"

/// Limits of the room that are no options. docs/kv-client.md has the table.
namespace trireme::kv::internal {

/// What the client's end waits for revocations under way.
inline constexpr absl::Duration kCloseGrace = absl::Seconds(1);
/// A request to renew a lease is given up, and its stream with it, after this share of the TTL.
inline constexpr int kRenewalsPerTtl = 3;
/// A lease counts as lost this share of its TTL early.
inline constexpr int kLeaseMarginShare = 10;
/// Locks and elections wait for one another's keys to go; a watch may miss none, but its member may
/// be cut off, so the keys are read again after so long.
inline constexpr absl::Duration kOwnershipRecheck = absl::Seconds(10);
/// Parts of one revision's events that a watch puts together; above it the watch ends with
/// RESOURCE_EXHAUSTED.
inline constexpr std::size_t kWatchRevisionBytesMax = 256u << 20;

}  // namespace trireme::kv::internal
