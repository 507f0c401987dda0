#pragma once

#include <trireme/raft/log_store.h>
#include <trireme/raft/state_machine.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/core/core.h"
#include "raft/replica/group.h"

/// State machines that are durable by themselves: docs/raft.md, "Durable state machines".
///
/// A marker is a snapshot in the log whose bytes say only that the state is elsewhere. It stands at
/// the entry before the last one that the machine had applied when it was flushed; so a whole
/// snapshot of what is applied can always follow it, also when nothing more is ever proposed.
namespace trireme::raft {

/// A marker's bytes, written once the machine is flushed.
SnapshotWork MarkerAfter(FlushWork flush);

/// Whether the store's latest snapshot of the group is a marker.
absl::StatusOr<bool> IsMarker(const LogStore& store, GroupId group, const SnapshotMeta& snapshot);

/// Brings the group's machine to where its core begins, and lets the core begin where a durable
/// machine is. DATA_LOSS: machine and log do not fit together.
absl::Status BeginState(const LogStore& store, NodeId self, Group& group, Restored* restored);

}  // namespace trireme::raft
