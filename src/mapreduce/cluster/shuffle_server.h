#pragma once

#include <string>

#include "mapreduce/cluster/shuffle.h"
#include "mapreduce/cluster/work_queue.h"
#include "rpc/server.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::mapreduce::cluster {

/// Of a server of shuffles: a reduce that was stopped in the middle of a fetch must not hold a
/// thread for long.
rpc::ServerOptions ShuffleOptions();

/// Serves the map outputs under `directory`. Bytes go out as they lie in the file: their checksums
/// are the reader's to compare.
class ShuffleServer final : public v1::ShuffleService {
 public:
  explicit ShuffleServer(std::string directory)
      : directory_(std::move(directory)), threads_(kFetchServersMax) {}

  void Fetch(v1::FetchRequest request, rpc::ReplyWriter<v1::FetchChunk> replies) override;
  void Stop() { threads_.Stop(); }
  const TransferCounts& counts() const { return counts_; }

 private:
  const std::string directory_;
  TransferCounts counts_;
  WorkQueue threads_;
};

}  // namespace trireme::mapreduce::cluster
