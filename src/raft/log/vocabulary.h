#pragma once

#include <compare>
#include <cstdint>

#include "base/log_entry.h"
#include "base/shared_bytes.h"

namespace trireme::raft {

/// One of the Raft groups that share a process and its log.
struct GroupId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(GroupId, GroupId) = default;
};

/// Names what one Write wrote; greater ones are later. All up to the one that Sync returned are
/// durable.
struct BatchNumber {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(BatchNumber, BatchNumber) = default;
};

/// What the log knows of a group's latest snapshot; the bytes are in a file.
struct LogSnapshot {
  LogPosition last;  ///< The last entry it covers. Index 0: there is none.
  std::uint64_t size_bytes = 0;
  SharedBytes configuration;  ///< As of `last`, encoded; at most kConfigurationBytesMax.
  friend bool operator==(const LogSnapshot&, const LogSnapshot&) = default;
};

}  // namespace trireme::raft
