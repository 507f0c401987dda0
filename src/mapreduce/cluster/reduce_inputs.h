#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mapreduce/cluster/fetcher.h"
#include "mapreduce/cluster/owner_queue.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/cluster/wire.h"
#include "mapreduce/cluster/worker_place.h"

namespace trireme::mapreduce::cluster {

/// A job that this worker has been told of.
struct OpenJob {
  plan::JobId id{};
  std::shared_ptr<const JobSetup> setup;
  std::uint32_t maps = 0;
  std::uint32_t reduces = 0;
  std::string output_directory;
  std::vector<std::optional<plan::MapOutput>> outputs;  ///< where each map's is, as far as told

  bool map_only() const { return reduces == 0; }
};

/// Brings map outputs to reduce attempts: read in place where that is possible, else fetched, and
/// again from elsewhere when the coordinator says that an output has moved. Owner thread only.
class ReduceInputs {
 public:
  struct Hands {
    std::function<void(std::uint64_t attempt, std::uint32_t map, MapInput)> provide;
    /// The attempt cannot have that output and goes on waiting for another.
    std::function<void(std::uint64_t attempt, const plan::FetchSource&)> report;
  };

  ReduceInputs(plan::WorkerRef self, std::string directory, bool always_fetch, Fetcher* fetcher,
               OwnerQueue* owner, Hands hands);

  void Start(std::uint64_t attempt, const OpenJob* job, std::uint32_t partition);
  void Stop(std::uint64_t attempt);
  /// The attempt waits for this map's output.
  void Want(std::uint64_t attempt, std::uint32_t map);
  void LearnPlace(const v1::WorkerPlace& place);
  /// The job's `outputs` have changed for this map, or a place has become known (kAllMaps).
  void Retry(const OpenJob* job, std::optional<std::uint32_t> map);
  /// Tries again what failed some time ago.
  void Tick(std::int64_t now_ms);

  /// The output that the attempt was given for `map`.
  plan::AttemptId GivenFrom(std::uint64_t attempt, std::uint32_t map) const;
  /// About how many bytes the attempt has to merge.
  std::uint64_t ExpectedBytes(std::uint64_t attempt) const;

 private:
  struct Fetch {
    plan::AttemptId source{};
    bool under_way = false;
    std::shared_ptr<const FetchedPartition> got;
    std::int64_t retry_ms = 0;  ///< not before
  };
  struct Reduce {
    const OpenJob* job = nullptr;
    std::uint32_t partition = 0;
    std::uint32_t ahead = 0;  ///< maps before this one have been looked at
    std::set<std::uint32_t> wanted;
    std::map<std::uint32_t, Fetch> fetches;
    std::map<std::uint32_t, plan::AttemptId> given;
  };

  void LookAhead(std::uint64_t attempt, Reduce& reduce, std::uint32_t until);
  void Try(std::uint64_t attempt, Reduce& reduce, std::uint32_t map);
  void TryFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                const v1::WorkerPlace* place);
  void Give(std::uint64_t attempt, Reduce& reduce, std::uint32_t map, MapInput input);
  void ReadInPlace(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                   const std::string& directory, plan::AttemptId source);
  void StartFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                  const std::string& address, plan::AttemptId source);
  void StartStoredFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                        const plan::MapOutput& output);
  void OnFetched(std::uint64_t attempt, std::uint32_t map, plan::AttemptId source,
                 absl::StatusOr<std::shared_ptr<const FetchedPartition>> got);
  void Fail(std::uint64_t attempt, Reduce& reduce, std::uint32_t map, plan::AttemptId source,
            bool corrupt);

  const plan::WorkerRef self_;
  const std::string directory_;
  const bool always_fetch_;
  Fetcher* const fetcher_;
  OwnerQueue* const owner_;
  const Hands hands_;
  Neighbours neighbours_;
  std::map<plan::WorkerId, v1::WorkerPlace> places_;
  std::map<std::uint64_t, Reduce> reduces_;
  std::int64_t now_ms_ = 0;
};

}  // namespace trireme::mapreduce::cluster
