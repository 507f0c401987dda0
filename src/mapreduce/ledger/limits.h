#pragma once

#include <cstddef>
#include <cstdint>

namespace trireme::mapreduce::ledger {

/// Milliseconds on any clock that does not run backwards.
using TimeMs = std::int64_t;

/// docs/formats/kv-journal.md has them as a table.
struct Limits {
  /// From one write to the next that nothing urgent waits for.
  TimeMs write_interval_ms = 100;
  /// Of these, for which a batch that nobody waits for may wait.
  std::int64_t lazy_intervals = 5;
  /// Chunk bytes of one transaction. etcd refuses requests over 1.5 MiB.
  std::size_t write_bytes_max = 1u << 20;
  std::size_t batch_bytes_max = 64u << 20;
  /// Of a generation and what waits to be written.
  std::size_t journal_bytes_max = 256u << 20;
  /// A generation below both is not worth compacting, nor one that has not grown so much since the
  /// last compaction.
  std::size_t compact_bytes_min = 4u << 20;
  std::size_t compact_chunks_min = 2'048;
  std::size_t compact_growth = 4;
  std::int64_t page_keys = 48;
  TimeMs retry_ms = 100;
};

}  // namespace trireme::mapreduce::ledger
