#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "raft/core/core.h"
#include "sim/sharded/core/shard_machine.h"

namespace trireme::sim::sharded {

/// What an outside observer knows: the committed commands of every group on a state that no fault
/// reaches, and what clerks were told. It watches that a shard is served by one group at most, and
/// that nothing that was acknowledged is missing where the shard is served.
class Record {
 public:
  /// A server has applied a command; of each entry the first time counts.
  void Applied(GroupId group, raft::Index index, const Command& command);
  /// The answer to a put leaves for its clerk.
  void Acknowledges(const Put& put, std::uint64_t version);
  /// Nothing moves any more: every shard that was ever served is served.
  void Ends();

  std::uint64_t commands() const { return commands_; }
  /// Installs of a shard.
  std::uint64_t moves() const { return moves_; }
  /// The first; empty: none.
  const std::string& violation() const { return violation_; }

 private:
  struct Group {
    ShardMachine machine;
    raft::Index last;
  };
  void CheckServed(Shard shard);
  void CheckContent(GroupId group, Shard shard);
  void Violation(std::string what);

  std::map<GroupId, Group> groups_;
  std::map<std::string, std::uint64_t> acknowledged_;  ///< Of each key the latest version.
  std::uint64_t commands_ = 0;
  std::uint64_t moves_ = 0;
  std::string violation_;
};

}  // namespace trireme::sim::sharded
