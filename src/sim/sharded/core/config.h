#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trireme::sim::sharded {

/// Keys are dealt to this many shards; a shard moves as a whole.
inline constexpr std::size_t kShards = 12;
using Shard = std::size_t;
/// FNV-1a (32 bits) of the key, modulo kShards.
Shard ShardOf(std::string_view key);

using ServerId = std::uint32_t;
/// Servers that replicate some shards together.
enum class GroupId : std::uint32_t {};
inline constexpr GroupId kNoGroup{0};

/// Who serves what. Each change makes the next number; 0 is the one before the first, in which
/// nobody serves anything.
struct ShardConfig {
  std::uint64_t number = 0;
  std::array<GroupId, kShards> owners{};
  std::map<GroupId, std::vector<ServerId>> groups;

  /// The next configuration, with these groups and without those, balanced: no group has two shards
  /// more than another, and no shard moves that need not. None: it would have no group or be the
  /// same.
  std::optional<ShardConfig> With(const std::map<GroupId, std::vector<ServerId>>& join,
                                  const std::vector<GroupId>& leave) const;

  std::string Encode() const;
  static std::optional<ShardConfig> Decode(std::string_view bytes);
  friend bool operator==(const ShardConfig&, const ShardConfig&) = default;

 private:
  void Balance();
};

}  // namespace trireme::sim::sharded
