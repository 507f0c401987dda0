#pragma once

#include <cstdint>

namespace trireme::kv::inline engine {

struct RocksStoreOptions {
  /// What was applied since the last flush collects in memory up to this size before it is written
  /// as files. Three such trees at most: one being filled, one being written, one that waits for
  /// it. A restart applies them again.
  std::uint64_t overlay_bytes = 16ull << 20;
  /// Blocks of files kept in memory.
  std::uint64_t block_cache_bytes = 32ull << 20;
  /// All versions are merged when compaction has made so many in a hundred unreadable: what they
  /// take is given back, for writing the others again.
  int reclaim_percent = 25;
  /// Threads that merge files, at a low priority.
  int merge_threads = 1;
  /// What writing and merging files may write a second; 0: as much as they can.
  std::uint64_t background_bytes_per_s = 256ull << 20;
  /// Sorted runs of versions at which the newest are merged. More: fewer merges, dearer reads of
  /// what is not the newest version of its key.
  int runs_max = 16;
  /// LZ4 for blocks of files: less disk, more CPU.
  bool compress = false;
};

}  // namespace trireme::kv::inline engine
