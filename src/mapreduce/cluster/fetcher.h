#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "io/process.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/shuffle.h"
#include "mapreduce/cluster/work_queue.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.pb.h"

namespace trireme::mapreduce::cluster {

/// One partition of one map's output, fetched and verified, for as long as this lives. The input's
/// path leads to it from this process and its children; it has no name in any directory.
struct FetchedPartition {
  FetchedPartition() = default;
  FetchedPartition(const FetchedPartition&) = delete;
  FetchedPartition& operator=(const FetchedPartition&) = delete;
  ~FetchedPartition() {
    if (in_memory != nullptr) *in_memory -= bytes;
  }

  io::Fd fd;
  MapInput input;
  std::uint64_t bytes = 0;
  /// What all of them hold in memory; null when this one lies in a file.
  std::shared_ptr<std::atomic<std::uint64_t>> in_memory;
};

/// Fetches from other hosts' workers, a few at a time. Thread-safe.
class Fetcher {
 public:
  /// Partitions are kept in memory up to `memory_bytes_max` in all, further ones in `directory`.
  /// `files` is where stored map outputs are.
  Fetcher(io::FileSystem* files, std::string directory, std::size_t memory_bytes_max)
      : files_(*files),
        directory_(std::move(directory)),
        memory_bytes_max_(memory_bytes_max),
        threads_(kFetchesMax) {}

  /// `done` runs on a thread of the fetcher. DATA_LOSS: fetched, but not what was written.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<const FetchedPartition>>)>;
  void Fetch(const std::string& address, const v1::FetchRequest& request, Done done);
  /// The same from an intermediate file of `size_bytes` in the object store.
  void FetchStored(const std::string& path, std::uint64_t size_bytes, std::uint32_t partition,
                   Done done);
  void Stop();

  const TransferCounts& counts() const { return counts_; }
  /// Of fetched partitions that are held in memory.
  const std::atomic<std::uint64_t>& memory_bytes() const { return *in_memory_; }

 private:
  absl::StatusOr<std::shared_ptr<rpc::Channel>> ChannelTo(const std::string& address);
  absl::StatusOr<std::shared_ptr<const FetchedPartition>> Run(const std::string& address,
                                                              const v1::FetchRequest& request);
  absl::StatusOr<std::shared_ptr<const FetchedPartition>> TryRun(const std::string& address,
                                                                 const v1::FetchRequest& request);
  absl::StatusOr<std::shared_ptr<const FetchedPartition>> RunStored(const std::string& path,
                                                                    std::uint64_t size_bytes,
                                                                    std::uint32_t partition);
  absl::Status MakeRoom(FetchedPartition* to) const;

  io::FileSystem& files_;
  const std::string directory_;
  const std::size_t memory_bytes_max_;
  const std::shared_ptr<std::atomic<std::uint64_t>> in_memory_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
  TransferCounts counts_;
  std::mutex mutex_;
  bool stopped_ = false;                                           // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<rpc::Channel>> channels_;  // Guarded by mutex_.
  WorkQueue threads_;
};

}  // namespace trireme::mapreduce::cluster
