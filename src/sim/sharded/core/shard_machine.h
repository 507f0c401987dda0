#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sim/sharded/core/command.h"
#include "sim/sharded/core/versioned_map.h"

namespace trireme::sim::sharded {

enum class Holding : std::uint8_t {
  kNone,
  kServing,
  kFrozen,  ///< Still here, for whoever moves it away; served no more.
};

/// A group's replicated state machine: its shards, each with what it holds and the number of the
/// configuration that moved it last, here or away. That number never goes back; by it a step of a
/// move that comes late or twice is known, and changes nothing.
class ShardMachine {
 public:
  static ShardMachine WithNothing() { return {}; }
  /// Serves every key and never moves: the store of the configurations.
  static ShardMachine WithEverything();

  Result Apply(const Command& command);
  /// Without a trace in the state.
  Result Read(const Get& get) const;
  Holding holding(Shard shard) const { return places_[shard].holding; }
  std::uint64_t number(Shard shard) const { return places_[shard].number; }

  std::string Encode() const;
  [[nodiscard]] bool Decode(std::string_view bytes);

 private:
  struct Place {
    Holding holding = Holding::kNone;
    std::uint64_t number = 0;
    VersionedMap content;
  };
  Result Do(const Get& get) const { return Read(get); }
  Result Do(const Put& put);
  Result Do(const Freeze& freeze);
  Result Do(const Install& install);
  Result Do(const Delete& gone);

  std::array<Place, kShards> places_;
};

}  // namespace trireme::sim::sharded
