#pragma once

#include <optional>
#include <span>

#include "base/log_entry.h"
#include "raft/log/vocabulary.h"

namespace trireme::raft {

/// The parts of one group's batch, which become durable together or not at all. They take effect in
/// the order of the fields.
struct GroupWrite {
  GroupId group;
  std::optional<HardState> hard_state;
  /// Its file is finished (SnapshotWriter::Finish), unless last.index is 0: then there is none and
  /// it says only which configuration the group begins with. When the log does not hold exactly the
  /// entry `last`, all its entries leave; otherwise those that drop_to says.
  std::optional<LogSnapshot> snapshot;
  /// Entries up to this one leave the log; at most the snapshot's last. 0: none.
  Index drop_to;
  /// Without gaps, and following on what the log holds; what it holds from entries[0].index on is
  /// dropped first.
  std::span<const Entry> entries;
  /// The group ceases to exist, with its snapshot. The other fields are empty.
  bool forget = false;
};

}  // namespace trireme::raft
