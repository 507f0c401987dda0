#include "raft/replica/unsafe_recover.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"
#include "raft/log/inspect.h"
#include "raft/log/log.h"
#include "raft/replica/frame.h"
#include "raft/replica/restored.h"

namespace trireme::raft {

namespace {

absl::Status CheckSurvivors(NodeId node, const std::vector<NodeId>& survivors) {
  Configuration configuration;
  configuration.voters = survivors;
  if (Answer answer = Validate(configuration); !answer.ok()) {
    return absl::InvalidArgumentError("survivors: " + answer.why);
  }
  if (!IsVoter(configuration, node)) {
    return absl::InvalidArgumentError(
        fmt::format("node {} is not among the survivors; run this on a survivor, the one with the "
                    "longest log",
                    node.value));
  }
  return absl::OkStatus();
}

absl::StatusOr<RecoveredByForce> Recover(Log& log, RecoveredGroup group, NodeId node,
                                         const std::vector<NodeId>& survivors) {
  const GroupId id = group.group;
  RecoveredByForce done{id, group.last, {}};
  TRIREME_ASSIGN_OR_RETURN(Restored restored, ToRestored(std::move(group)));
  if (Answer answer = Validate(restored); !answer.ok()) {
    return absl::DataLossError(fmt::format("group {}: {}", id.value, answer.why));
  }
  restored = Core::UnsafeRecover(std::move(restored), node, survivors);
  done.term = restored.hard_state.term;
  GroupWrite write;
  write.group = id;
  write.hard_state = restored.hard_state;
  write.entries = std::span(restored.entries).last(1);
  TRIREME_RETURN_IF_ERROR(log.Write(std::span(&write, 1)).status());
  TRIREME_RETURN_IF_ERROR(log.Sync().status());
  return done;
}

}  // namespace

absl::StatusOr<std::vector<RecoveredByForce>> UnsafeRecover(io::Disk& disk,
                                                            const std::string& directory,
                                                            NodeId node,
                                                            std::vector<NodeId> survivors,
                                                            bool dry_run) {
  std::sort(survivors.begin(), survivors.end());
  TRIREME_RETURN_IF_ERROR(CheckSurvivors(node, survivors));
  TRIREME_ASSIGN_OR_RETURN(const Inspection found, Inspect(disk, directory));
  if (found.identity.node != node) {
    return absl::FailedPreconditionError(fmt::format("{} is node {}'s directory, not node {}'s",
                                                     directory, found.identity.node.value,
                                                     node.value));
  }
  if (!found.refusal.empty()) return absl::DataLossError(found.refusal);
  std::vector<RecoveredByForce> all;
  if (dry_run) {
    for (const InspectedGroup& group : found.groups) {
      if (group.group == kHostSection) continue;
      all.push_back({group.group, group.last, Next(group.hard_state.term)});
    }
    return all;
  }
  LogOptions options;
  options.directory = directory;
  options.cluster_id = found.identity.cluster_id;
  options.node = node;
  TRIREME_ASSIGN_OR_RETURN(Log::Opened opened, Log::Open(options, &disk));
  for (RecoveredGroup& group : opened.groups) {
    if (group.group == kHostSection) continue;
    TRIREME_ASSIGN_OR_RETURN(all.emplace_back(),
                             Recover(*opened.log, std::move(group), node, survivors));
  }
  return all;
}

}  // namespace trireme::raft
