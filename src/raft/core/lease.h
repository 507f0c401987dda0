#pragma once

#include <cstdint>
#include <optional>

#include "base/ring.h"
#include "raft/core/config.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// The log is the lease (Davis, Demirbas & Deng, "LeaseGuard: Raft Leases Done Right", SIGMOD '26):
/// an entry grants its leader lease_ticks of reads without a round, from when it was appended, once
/// it has committed. Whoever leads next has that entry (leader completeness) and commits nothing
/// until it is too old to grant anything, although it takes writes at once.
///
/// There is no shared clock here. The old leader counts from when it appended the entry, the new
/// one from when it received the last entry that it did not write itself, which is later. Let d be
/// the permitted drift. Ticks of the new leader are at most (1 + d) / (1 - d) times as fast as
/// those of the old one, so it waits lease_ticks * (1 + d) / (1 - d), rounded up, and one tick more
/// for the part of a tick that had passed on receipt.
class Lease {
 public:
  explicit Lease(const Config& config);

  bool enabled() const { return ticks_ > 0; }

  /// An entry or a snapshot of another leader (or of an earlier life, or leadership) arrived.
  void Receive(std::uint64_t now);
  /// This leader has appended its entry `index`.
  void Append(std::uint64_t now, Index index);
  void Commit(Index commit);
  /// Leadership is over.
  void Resign(std::uint64_t now);

  /// No other leader can hold a lease any more.
  bool MayCommit(std::uint64_t now) const;
  /// Nobody else can have committed anything.
  bool MayRead(std::uint64_t now) const;
  /// Half of it is over and nothing under way renews it.
  bool WantsRenewal(std::uint64_t now) const;

 private:
  /// Entries appended within one tick.
  struct Appended {
    std::uint64_t tick = 0;
    Index first;
    Index last;
  };

  std::uint64_t ticks_;
  std::uint64_t foreign_ticks_;  // how long another's lease may last by our clock
  std::optional<std::uint64_t> received_;
  std::optional<std::uint64_t> granted_;  // when the latest committed entry was appended
  Ring<Appended> appended_;               // not committed yet
};

}  // namespace trireme::raft
