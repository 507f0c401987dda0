#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trireme::raft {

/// Where a snapshot's bytes go, from its front to its end.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  /// Not OK: the snapshot is lost; give the status back.
  [[nodiscard]] virtual absl::Status Append(std::string_view bytes) = 0;
};

/// A snapshot's bytes, from its front to its end.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  /// The next bytes, as many as come handily and at most `bytes_max`; none: it is over.
  [[nodiscard]] virtual absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max = 1u << 20) = 0;
  /// Its last entry, and its size.
  virtual LogPosition last() const = 0;
  virtual std::uint64_t size_bytes() const = 0;
};

/// Writes what a state machine was when it was captured.
using SnapshotWork = absl::AnyInvocable<absl::Status(SnapshotSink&)>;

/// What is replicated: the same commands in the same order make the same state on every member. All
/// four calls come from one thread of the Host, never two at a time, so that no lock is needed;
/// none of them may wait for a proposal or a read of the same Host.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  /// Applies commands in the order of the log. `results` has as many empty strings; what is put
  /// into results[i] goes to whoever proposed commands[i]. Everything that it depends on is in the
  /// commands and the state: no clock, no random source.
  virtual void Apply(std::span<const Entry> commands, std::span<std::string> results) = 0;

  /// Fixes the state as it is now, quickly, and returns what writes it: that runs on another
  /// thread, beside later Apply, and once at most.
  virtual SnapshotWork Capture() = 0;

  /// Replaces the whole state: at the start, when there is a snapshot, and when a leader sends one.
  /// Not OK: the group stops.
  [[nodiscard]] virtual absl::Status Restore(SnapshotSource& from) = 0;

  /// Answers from the state and leaves it as it is. Linearizable when asked by Replica::Query.
  virtual absl::StatusOr<std::string> Query(std::string_view request) = 0;
};

}  // namespace trireme::raft
