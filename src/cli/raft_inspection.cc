#include "cli/raft_inspection.h"

#include <algorithm>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace trireme::cli {
namespace {

using nlohmann::ordered_json;

std::string ShowPosition(raft::LogPosition position) {
  return fmt::format("{} (term {})", position.index.value, position.term.value);
}

std::string SegmentText(const raft::InspectedSegment& segment, std::uint64_t first_needed) {
  std::string text =
      fmt::format("  {}  batches {}..{}  {} entries  {} of {} bytes used  life {}\n", segment.name,
                  segment.first_batch, segment.last_batch, segment.entries, segment.used_bytes,
                  segment.file_bytes, segment.life);
  if (segment.number < first_needed) text += "      not needed any more\n";
  if (segment.torn_batches > 0)
    text += fmt::format("      behind the end: {} torn batches, nobody was told they are durable\n",
                        segment.torn_batches);
  if (!segment.sound) text += fmt::format("      DAMAGED: {}\n", segment.damage);
  return text;
}

std::string GroupText(const raft::InspectedGroup& group) {
  std::string text = fmt::format(
      "  group {}: term {}, vote {}; log after {} up to {}\n", group.group.value,
      group.hard_state.term.value,
      group.hard_state.vote == raft::kNobody ? "none" : std::to_string(group.hard_state.vote.value),
      ShowPosition(group.dropped_to), ShowPosition(group.last));
  if (group.snapshot.last.index != raft::Index{})
    text += fmt::format("      snapshot at {}, {} bytes\n", ShowPosition(group.snapshot.last),
                        group.snapshot.size_bytes);
  for (const raft::TermRun& run : group.terms)
    text += fmt::format("      term {} from entry {}\n", run.term.value, run.first.value);
  for (const auto& [first, last] : group.holes)
    text += fmt::format("      HOLE: entries {}..{} are missing\n", first.value, last.value);
  return text;
}

std::string SnapshotText(const raft::InspectedSnapshot& snapshot) {
  std::string text = fmt::format("  {}  {} bytes{}\n", snapshot.file.name, snapshot.file.file_bytes,
                                 snapshot.named ? "" : "  (no group names it)");
  if (!snapshot.sound) text += fmt::format("      DAMAGED: {}\n", snapshot.damage);
  return text;
}

ordered_json PositionJson(raft::LogPosition position) {
  return {{"index", position.index.value}, {"term", position.term.value}};
}

ordered_json SegmentJson(const raft::InspectedSegment& segment) {
  return {{"name", segment.name},
          {"number", segment.number},
          {"file_bytes", segment.file_bytes},
          {"used_bytes", segment.used_bytes},
          {"first_batch", segment.first_batch},
          {"last_batch", segment.last_batch},
          {"entries", segment.entries},
          {"torn_batches", segment.torn_batches},
          {"life", segment.life},
          {"sound", segment.sound},
          {"damage", segment.damage}};
}

ordered_json GroupJson(const raft::InspectedGroup& group) {
  ordered_json terms = ordered_json::array();
  for (const raft::TermRun& run : group.terms)
    terms.push_back({{"first", run.first.value}, {"term", run.term.value}});
  ordered_json holes = ordered_json::array();
  for (const auto& [first, last] : group.holes)
    holes.push_back({{"first", first.value}, {"last", last.value}});
  return {{"group", group.group.value},
          {"term", group.hard_state.term.value},
          {"vote", group.hard_state.vote.value},
          {"snapshot", PositionJson(group.snapshot.last)},
          {"snapshot_bytes", group.snapshot.size_bytes},
          {"dropped_to", PositionJson(group.dropped_to)},
          {"last", PositionJson(group.last)},
          {"terms", terms},
          {"holes", holes}};
}

ordered_json SnapshotJson(const raft::InspectedSnapshot& snapshot) {
  return {{"name", snapshot.file.name},
          {"group", snapshot.file.group.value},
          {"last", PositionJson(snapshot.file.last)},
          {"file_bytes", snapshot.file.file_bytes},
          {"named", snapshot.named},
          {"sound", snapshot.sound},
          {"damage", snapshot.damage}};
}

template <class Items, class Show>
ordered_json ArrayOf(const Items& items, Show show) {
  ordered_json array = ordered_json::array();
  for (const auto& item : items) array.push_back(show(item));
  return array;
}

}  // namespace

bool IsSound(const raft::Inspection& found) {
  const auto sound = [](const auto& part) { return part.sound; };
  return found.refusal.empty() &&
         std::all_of(found.segments.begin(), found.segments.end(), sound) &&
         std::all_of(found.snapshots.begin(), found.snapshots.end(),
                     [&](const auto& s) { return sound(s) || !s.named; });
}

std::string InspectionText(const raft::Inspection& found) {
  std::string text = fmt::format("node {} of cluster {:016x}\n\nsegments\n",
                                 found.identity.node.value, found.identity.cluster_id);
  for (const auto& segment : found.segments) text += SegmentText(segment, found.first_segment);
  text += "\ngroups\n";
  for (const auto& group : found.groups) text += GroupText(group);
  text += "\nsnapshots\n";
  for (const auto& snapshot : found.snapshots) text += SnapshotText(snapshot);
  text += fmt::format("\n{} spare segments, {} unfinished files\n", found.spares.size(),
                      found.temporaries.size());
  if (!found.refusal.empty()) text += fmt::format("\nA node would refuse it:\n{}\n", found.refusal);
  text += IsSound(found) ? "sound\n" : "DAMAGED\n";
  return text;
}

std::string InspectionJson(const raft::Inspection& found) {
  const ordered_json json = {{"node", found.identity.node.value},
                             {"cluster", fmt::format("{:016x}", found.identity.cluster_id)},
                             {"sound", IsSound(found)},
                             {"refusal", found.refusal},
                             {"first_segment", found.first_segment},
                             {"segments", ArrayOf(found.segments, SegmentJson)},
                             {"groups", ArrayOf(found.groups, GroupJson)},
                             {"snapshots", ArrayOf(found.snapshots, SnapshotJson)},
                             {"spares", found.spares},
                             {"temporaries", found.temporaries}};
  return json.dump(2) + "\n";
}

}  // namespace trireme::cli
