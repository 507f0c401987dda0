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

class DurableStateMachine;

/// What is replicated: the same commands in the same order make the same state on every member. All
/// four calls come from one thread of the Host, never two at a time, so that no lock is needed;
/// none of them may wait for a proposal or a read of the same Host. Reads need not queue up behind
/// Apply: one that is safe to read from several threads is read there, behind Replica::ReadBarrier,
/// instead of by Query.
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
  /// RESOURCE_EXHAUSTED for a leader's: no room now; asked again from the beginning after two
  /// seconds, then four, up to 64, and nothing is applied or read until then. Otherwise not OK: the
  /// group stops.
  [[nodiscard]] virtual absl::Status Restore(SnapshotSource& from) = 0;

  /// Answers from the state and leaves it as it is. Linearizable when asked by Replica::Query.
  virtual absl::StatusOr<std::string> Query(std::string_view request) = 0;

  /// The callbacks of all that was decided up to here have run: what they collected can be sent in
  /// one go.
  virtual void Answered() {}

  /// Itself, if it is one.
  virtual DurableStateMachine* AsDurable() { return nullptr; }
};

/// Makes durable all that was applied before it was handed out.
using FlushWork = absl::AnyInvocable<absl::Status()>;

/// A state machine that keeps its state on disk by itself, together with the position up to which
/// it has applied the log. The log then keeps no snapshots of it, but a marker that says from where
/// on the log is complete; a whole snapshot is made only when a follower needs one. The Host sees
/// to it that the log never lets go of entries that the machine has not made durable.
class DurableStateMachine : public StateMachine {
 public:
  /// The last entry whose effect, and that of all before it, is durable: read from where the state
  /// is. Index 0: none is, or a Restore was interrupted, or what is there is of no use. Asked once,
  /// in AddGroup, before any other call: Restore follows if the log has a snapshot beyond it, and
  /// then Apply and Skip with the very next entry.
  virtual absl::StatusOr<LogPosition> DurablyApplied() = 0;

  /// An entry without a command, in its place between two of Apply. Every index comes once, by
  /// Apply or by Skip.
  virtual void Skip(LogPosition at) = 0;

  /// On the thread of Apply, quickly. The work runs on another thread, beside whatever comes later,
  /// once at most. Not OK: the log keeps its entries, and the Host asks again when as much more has
  /// been applied.
  virtual FlushWork Flush() = 0;

  // Of a StateMachine's calls, Restore owes more: all of its effect is durable when it returns, and
  // a process that dies within leaves a state whose DurablyApplied is index 0 or the old one. What
  // Capture returns is asked for seldom, and may read what is on disk.

  DurableStateMachine* AsDurable() final { return this; }
};

}  // namespace trireme::raft
