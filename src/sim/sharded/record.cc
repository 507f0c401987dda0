#include "sim/sharded/record.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace trireme::sim::sharded {
namespace {

std::uint64_t NumberOf(GroupId group) {
  return static_cast<std::uint64_t>(group);
}

}  // namespace

void Record::Applied(GroupId group, raft::Index index, const Command& command) {
  Group& g = groups_[group];
  if (index <= g.last) return;
  g.last = index;
  ++commands_;
  (void)g.machine.Apply(command);
  const auto* install = std::get_if<Install>(&command);
  if (install == nullptr) return;
  ++moves_;
  CheckServed(install->shard);
  CheckContent(group, install->shard);
}

void Record::CheckServed(Shard shard) {
  std::string serving;
  std::uint64_t count = 0;
  for (const auto& [group, g] : groups_) {
    if (g.machine.holding(shard) != Holding::kServing) continue;
    serving += fmt::format(" {}", NumberOf(group));
    ++count;
  }
  if (count > 1) Violation(fmt::format("shard {} is served by several groups:{}", shard, serving));
}

void Record::CheckContent(GroupId group, Shard shard) {
  const ShardMachine& machine = groups_[group].machine;
  if (machine.holding(shard) != Holding::kServing) return;
  for (const auto& [key, version] : acknowledged_) {
    if (ShardOf(key) != shard) continue;
    const std::uint64_t there = machine.Read({key}).version;
    if (there >= version) continue;
    Violation(fmt::format("group {} serves {} of version {}, of which {} was acknowledged",
                          NumberOf(group), key, there, version));
  }
}

void Record::Acknowledges(const Put& put, std::uint64_t version) {
  std::uint64_t& latest = acknowledged_[put.key];
  latest = std::max(latest, version);
}

void Record::Ends() {
  for (Shard shard = 0; shard < kShards; ++shard) {
    const auto server = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) {
      return group.second.machine.holding(shard) == Holding::kServing;
    });
    if (server == groups_.end()) {
      Violation(fmt::format("at the end nobody serves shard {}", shard));
    } else {
      CheckContent(server->first, shard);
    }
  }
}

void Record::Violation(std::string what) {
  if (violation_.empty()) violation_ = std::move(what);
}

}  // namespace trireme::sim::sharded
