#include "raft/replica/durable.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/core/configuration.h"
#include "raft/replica/host_loop.h"

namespace trireme::raft {

namespace {

constexpr std::string_view kMarker = "trireme: elsewhere";

Index LastOf(const Restored& restored) {
  return restored.entries.empty() ? restored.snapshot.last.index : restored.entries.back().index;
}

std::optional<Term> TermAt(const Restored& restored, Index index) {
  if (index == restored.snapshot.last.index) return restored.snapshot.last.term;
  if (index > LastOf(restored) || restored.entries.empty()) return std::nullopt;
  const Index first = restored.entries.front().index;
  if (index >= first) return restored.entries[index - first].term;
  std::optional<Term> term;
  for (const TermRun& run : restored.older_terms) {
    if (run.first <= index) term = run.term;
  }
  return term;
}

Configuration ConfigurationAt(const Restored& restored, Index index) {
  Configuration configuration = restored.snapshot.configuration;
  const auto see = [&](const Entry& entry) {
    if (entry.kind != EntryKind::kConfiguration || entry.index > index ||
        entry.index <= restored.snapshot.last.index) {
      return;
    }
    configuration = *DecodeConfiguration(entry.data.view());
  };
  for (const Entry& entry : restored.older_configurations) see(entry);
  for (const Entry& entry : restored.entries) see(entry);
  return configuration;
}

absl::Status TooOld(GroupId group, LogPosition machine, LogPosition marker) {
  return absl::DataLossError(fmt::format(
      "group {}: the state machine has durably applied the log up to entry {}, and the log has let "
      "go of entries up to {}: the state machine's files are missing or older than the log. Put "
      "them back, or remove this node from the group and add a new one under another id",
      group.value, machine.index.value, marker.index.value));
}

absl::Status TooNew(GroupId group, LogPosition machine, const Restored& restored) {
  return absl::DataLossError(fmt::format(
      "group {}: the state machine has durably applied entry {} of term {}, which the log, that "
      "ends at entry {}, does not have: the log's files are missing or older than the state "
      "machine's, or another node's",
      group.value, machine.index.value, machine.term.value, LastOf(restored).value));
}

absl::Status RestoreWhole(const LogStore& store, Group& group, const SnapshotMeta& snapshot) {
  group.applying.applied = group.applying.before = snapshot.last;
  group.full_at = snapshot.last.index;
  if (snapshot.last.index == Index{}) return absl::OkStatus();
  return RestoreFrom(store, group.id(), snapshot.last, snapshot.size_bytes,
                     *group.applying.machine);
}

/// The core begins at the entry before the last that is applied, as if a marker stood there.
absl::Status BeginBehind(Group& group, LogPosition machine, Restored* restored) {
  if (TermAt(*restored, machine.index) != machine.term) {
    return TooNew(group.id(), machine, *restored);
  }
  const Index marker = machine.index - 1;
  if (marker > restored->snapshot.last.index) {
    const std::optional<Term> term = TermAt(*restored, marker);
    if (!term) return TooNew(group.id(), machine, *restored);
    restored->snapshot = {{marker, *term}, ConfigurationAt(*restored, marker), kMarker.size()};
  }
  group.applying.applied = machine;
  group.applying.before = restored->snapshot.last;
  return absl::OkStatus();
}

}  // namespace

SnapshotWork MarkerAfter(FlushWork flush) {
  return [flush = std::move(flush)](SnapshotSink& to) mutable -> absl::Status {
    TRIREME_RETURN_IF_ERROR(flush());
    return to.Append(kMarker);
  };
}

absl::StatusOr<bool> IsMarker(const LogStore& store, GroupId group, const SnapshotMeta& snapshot) {
  if (snapshot.last.index == Index{} || snapshot.size_bytes != kMarker.size()) return false;
  TRIREME_ASSIGN_OR_RETURN(const SharedBytes bytes,
                           store.ReadSnapshot(group, snapshot.last.index, 0, kMarker.size()));
  return bytes.view() == kMarker;
}

absl::Status BeginState(const LogStore& store, NodeId self, Group& group, Restored* restored) {
  const SnapshotMeta& snapshot = restored->snapshot;
  if (IsWitness(snapshot.configuration, self)) {
    group.applying.durable = nullptr;
    group.applying.applied = group.applying.before = snapshot.last;
    return absl::OkStatus();
  }
  TRIREME_ASSIGN_OR_RETURN(const bool marker, IsMarker(store, group.id(), snapshot));
  if (group.applying.durable == nullptr) {
    if (!marker) return RestoreWhole(store, group, snapshot);
    return absl::FailedPreconditionError(fmt::format(
        "group {}: the log was written with a state machine that is durable by itself, and this "
        "one is not",
        group.id().value));
  }
  TRIREME_ASSIGN_OR_RETURN(const LogPosition machine, group.applying.durable->DurablyApplied());
  if (machine.index < snapshot.last.index) {
    return marker ? TooOld(group.id(), machine, snapshot.last)
                  : RestoreWhole(store, group, snapshot);
  }
  if (!marker) group.full_at = snapshot.last.index;
  return machine.index == Index{} ? absl::OkStatus() : BeginBehind(group, machine, restored);
}

/// False: the snapshot that the core knows is one that can be sent.
bool HostLoop::MakeFullSnapshot(Group& group) {
  if (group.applying.durable == nullptr) return false;
  if (group.core->Status().snapshot.index == group.full_at) return false;
  if (group.full_under_way) return true;
  group.wants_full = true;
  BeginSnapshot(group);  // or when what is under way has ended
  return true;
}

/// A whole snapshot that no follower needs any more gives its room back.
void HostLoop::ReplaceOldFull(Group& group) {
  if (group.applying.durable == nullptr || !group.failure.ok() || group.full_at == Index{}) return;
  const CoreStatus status = group.core->Status();
  if (status.snapshot.index != group.full_at || status.applied < group.full_at + 2) return;
  if (!std::exchange(group.full_is_old, true) || SendsSnapshot(group)) return;
  BeginSnapshot(group);
}

bool HostLoop::SendsSnapshot(const Group& group) {
  for (const PeerStatus& peer : group.core->Peers()) {
    if (std::string_view(peer.state) == "snapshot") return true;
  }
  return false;
}

}  // namespace trireme::raft
