#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ring.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// The log as the core sees it: of every entry above the base its term, of the later ones also the
/// data. The terms are kept as runs, so that a search over conflicting logs steps over whole terms.
/// Invariant: base.index < memory_first() <= last().index + 1.
class LogView {
 public:
  /// An empty log whose first entry will be base.index + 1.
  explicit LogView(LogPosition base);

  LogPosition base() const { return base_; }
  Index first() const { return base_.index + 1; }
  LogPosition last() const { return {last_, runs_.back().term}; }
  /// Entries from here on are in memory.
  Index memory_first() const { return memory_first_; }
  /// Data of the entries in memory.
  std::uint64_t bytes() const { return bytes_; }

  /// Of the base or an entry; nothing outside of them.
  std::optional<Term> TermAt(Index index) const;
  bool Holds(LogPosition position) const { return TermAt(position.index) == position.term; }
  /// The last position with an index and a term of at most `bound`'s; the base when there is none.
  LogPosition LastWithin(LogPosition bound) const;
  /// In memory.
  const Entry& At(Index index) const { return entries_[index - memory_first_]; }

  /// entry.index is last().index + 1, its term at least last().term.
  void Append(Entry entry);
  /// A run of `count` entries that are on stable storage only; the log has none in memory.
  void AppendOlder(Term term, std::uint64_t count);
  /// Drops [from, last].
  void TruncateFrom(Index from);
  /// Drops everything up to `index`, which becomes the base.
  void CompactTo(Index index);
  /// Keeps only the terms of entries up to `index`.
  void EvictTo(Index index);
  void Reset(LogPosition base);

  /// Copies entries (not their bytes) from `first`, which is in memory, up to `last`: at least one
  /// and otherwise at most bytes_max and count_max. Returns their data's size.
  std::uint64_t CopyTo(std::vector<Entry>* to, Index first, Index last, std::uint64_t bytes_max,
                       std::uint64_t count_max) const;

 private:
  void DropFront();
  std::size_t RunOf(Index index) const;

  LogPosition base_;
  Index last_;
  Index memory_first_;
  std::uint64_t bytes_ = 0;
  Ring<Entry> entries_;        // [memory_first_, last_]
  std::vector<TermRun> runs_;  // never empty; the first begins at the base
};

}  // namespace trireme::raft
