#include "sim/sharded/core/config.h"

#include <algorithm>

#include "base/bytes.h"

namespace trireme::sim::sharded {
namespace {

using Loads = std::map<GroupId, std::size_t>;

/// The lowest number of those with the fewest, or the most, shards.
Loads::const_iterator Fewest(const Loads& loads) {
  return std::min_element(loads.begin(), loads.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
}
Loads::const_iterator Most(const Loads& loads) {
  return std::max_element(loads.begin(), loads.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
}

bool ReadGroup(ByteReader& reader, ShardConfig* config) {
  std::uint64_t group = 0;
  std::uint64_t count = 0;
  if (!reader.Varint(&group) || !reader.Varint(&count)) return false;
  std::vector<ServerId>& servers = config->groups[static_cast<GroupId>(group)];
  for (; count > 0; --count) {
    std::uint64_t server = 0;
    if (!reader.Varint(&server)) return false;
    servers.push_back(static_cast<ServerId>(server));
  }
  return true;
}

}  // namespace

Shard ShardOf(std::string_view key) {
  std::uint32_t hash = 2'166'136'261u;
  for (const char byte : key) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 16'777'619u;
  }
  return hash % kShards;
}

std::optional<ShardConfig> ShardConfig::With(const std::map<GroupId, std::vector<ServerId>>& join,
                                             const std::vector<GroupId>& leave) const {
  ShardConfig next = *this;
  for (const GroupId group : leave) next.groups.erase(group);
  for (const auto& [group, servers] : join) next.groups.try_emplace(group, servers);
  if (next.groups.empty() || next.groups == groups) return std::nullopt;
  ++next.number;
  next.Balance();
  return next;
}

void ShardConfig::Balance() {
  Loads loads;
  for (const auto& [group, servers] : groups) loads[group] = 0;
  for (GroupId& owner : owners) {
    if (!groups.contains(owner)) owner = kNoGroup;
    if (owner != kNoGroup) ++loads[owner];
  }
  const auto give = [&](GroupId& shard) {
    if (shard != kNoGroup) --loads[shard];
    shard = Fewest(loads)->first;
    ++loads[shard];
  };
  std::for_each(owners.begin(), owners.end(), [&](GroupId& shard) {
    if (shard == kNoGroup) give(shard);
  });
  while (Most(loads)->second > Fewest(loads)->second + 1) {
    give(*std::find(owners.begin(), owners.end(), Most(loads)->first));
  }
}

std::string ShardConfig::Encode() const {
  std::string bytes;
  AppendVarint(bytes, number);
  for (const GroupId owner : owners) AppendVarint(bytes, static_cast<std::uint64_t>(owner));
  AppendVarint(bytes, groups.size());
  for (const auto& [group, servers] : groups) {
    AppendVarint(bytes, static_cast<std::uint64_t>(group));
    AppendVarint(bytes, servers.size());
    for (const ServerId server : servers) AppendVarint(bytes, server);
  }
  return bytes;
}

std::optional<ShardConfig> ShardConfig::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  ShardConfig config;
  if (!reader.Varint(&config.number)) return std::nullopt;
  for (GroupId& owner : config.owners) {
    std::uint64_t group = 0;
    if (!reader.Varint(&group)) return std::nullopt;
    owner = static_cast<GroupId>(group);
  }
  std::uint64_t count = 0;
  if (!reader.Varint(&count)) return std::nullopt;
  for (; count > 0; --count) {
    if (!ReadGroup(reader, &config)) return std::nullopt;
  }
  if (!reader.empty()) return std::nullopt;
  return config;
}

}  // namespace trireme::sim::sharded
