#pragma once

#include <cstdint>
#include <string>

#include <trireme/kv.h>

namespace trireme::mapreduce::cluster {

inline constexpr char kDefaultKvPrefix[] = "trireme/mr";
/// What etcd grants at least at its default election timeout.
inline constexpr std::int64_t kLeaderTtlMs = 2'000;
inline constexpr std::int64_t kKvWriteIntervalMs = 100;

/// A store that coordinators, workers and users of a cluster share.
struct KvOptions {
  kv::ClientOptions client;
  std::string prefix = kDefaultKvPrefix;
  std::int64_t leader_ttl_ms = kLeaderTtlMs;            ///< coordinators
  std::int64_t write_interval_ms = kKvWriteIntervalMs;  ///< coordinators

  std::string ElectionName() const { return prefix + "/leader"; }
};

}  // namespace trireme::mapreduce::cluster
