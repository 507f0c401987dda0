#include "mapreduce/cluster/shuffle_server.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/cluster/fetch_wire.h"
#include "mapreduce/engine/run_file.h"

namespace trireme::mapreduce::cluster {
namespace {

absl::Status SendSegment(const io::File& file, const Segment& segment,
                         rpc::ReplyWriter<v1::FetchChunk>& to, TransferCounts& counts) {
  std::uint64_t done = 0;
  while (done < segment.bytes) {
    DataChunk chunk(std::min<std::uint64_t>(kFetchChunkBytes, segment.bytes - done));
    TRIREME_ASSIGN_OR_RETURN(const std::size_t got,
                             file.ReadAt(segment.offset + done, chunk.data(), chunk.size()));
    if (got < chunk.size()) {
      return absl::DataLossError(
          fmt::format("{}: ends before offset {}", file.path(), segment.offset + segment.bytes));
    }
    done += got;
    TRIREME_RETURN_IF_ERROR(to.call().WriteBlocking(std::move(chunk).Encoded()));
    counts.bytes += got;
  }
  return absl::OkStatus();
}

absl::Status Send(const std::string& path, std::uint32_t partition,
                  rpc::ReplyWriter<v1::FetchChunk>& to, TransferCounts& counts) {
  TRIREME_ASSIGN_OR_RETURN(const auto file, RunFile::Open(path));
  std::vector<Segment> segments;
  v1::FetchChunk first;
  for (std::uint32_t run = 0; run < file->runs(); ++run) {
    TRIREME_ASSIGN_OR_RETURN(segments.emplace_back(), file->Find(run, partition));
    v1::Segment* segment = first.add_segments();
    segment->set_bytes(segments.back().bytes);
    segment->set_records(segments.back().records);
  }
  TRIREME_RETURN_IF_ERROR(to.WriteBlocking(first));
  for (const Segment& segment : segments) {
    TRIREME_RETURN_IF_ERROR(SendSegment(file->file(), segment, to, counts));
  }
  return absl::OkStatus();
}

}  // namespace

rpc::ServerOptions ShuffleOptions() {
  rpc::ServerOptions options;
  options.keepalive_interval = absl::Milliseconds(kFetchStallMs);
  options.keepalive_timeout = absl::Milliseconds(kFetchStallMs);
  return options;
}

void ShuffleServer::Fetch(v1::FetchRequest request, rpc::ReplyWriter<v1::FetchChunk> replies) {
  const MapOutputName name{plan::JobId{request.job()}, request.map(),
                           plan::AttemptId{request.map_attempt()}};
  threads_.Post([this, path = MapOutputPath(directory_, name), partition = request.partition(),
                 replies = std::move(replies)]() mutable {
    if (replies.cancelled()) return;
    absl::Status status = Send(path, partition, replies, counts_);
    counts_.Count(status.ok());
    replies.Finish(std::move(status));
  });
}

}  // namespace trireme::mapreduce::cluster
