#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "mapreduce/plan/types.h"

/// Where map outputs lie, for those who write, serve and read them.
namespace trireme::mapreduce::cluster {

/// Bytes of map output in one message of a fetch.
inline constexpr std::size_t kFetchChunkBytes = 256u << 10;
/// Threads of a worker that serve fetches; further ones wait their turn.
inline constexpr int kFetchServersMax = 8;
/// Fetches that a worker has under way at once.
inline constexpr int kFetchesMax = 8;
/// Map outputs that a reduce attempt fetches ahead of the one it waits for.
inline constexpr std::uint32_t kFetchAheadMax = 32;
/// A fetch in which nothing arrives for this long has failed.
inline constexpr std::int64_t kFetchStallMs = 5'000;
/// A fetch that failed is tried again, and reported again, after this time.
inline constexpr std::int64_t kFetchRetryMs = 1'000;
/// The share of a slot's memory that fetched partitions may take, all together; more go to files.
inline constexpr std::size_t kFetchMemoryFraction = 8;
/// Segments (spills) of one map output that a fetch accepts.
inline constexpr int kFetchSegmentsMax = 1 << 20;

struct MapOutputName {
  plan::JobId job{};
  std::uint32_t map = 0;
  plan::AttemptId attempt{};
};

/// What a worker has transferred in one direction. Thread-safe.
struct TransferCounts {
  std::atomic<std::uint64_t> partitions{0}, bytes{0}, failures{0};

  void Count(bool ok) { ++(ok ? partitions : failures); }
};

/// The directory of a job's map outputs within a worker's.
std::string JobDirectory(const std::string& directory, plan::JobId job);
/// The file of one, whole under that name or not at all as far as the plan is concerned.
std::string MapOutputPath(const std::string& directory, const MapOutputName& name);

}  // namespace trireme::mapreduce::cluster
