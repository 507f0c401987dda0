#include "mapreduce/cluster/fetcher.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "rpc/address.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::mapreduce::cluster {
namespace {

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return io::ErrnoStatus("write", "fetched map output", errno);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return absl::OkStatus();
}

/// Where the segments lie one after the other. DATA_LOSS when the sizes cannot be.
absl::StatusOr<std::vector<Segment>> ReadSegments(const v1::FetchChunk& first) {
  std::vector<Segment> segments;
  std::uint64_t offset = 0;
  for (const v1::Segment& segment : first.segments()) {
    if (segment.bytes() > (1ull << 50) || first.segments_size() > kFetchSegmentsMax) {
      return absl::DataLossError("the segments of a fetched map output cannot be");
    }
    segments.push_back({offset, segment.bytes(), segment.records()});
    offset += segment.bytes();
  }
  return segments;
}

absl::Status Verify(const std::string& path, const std::vector<Segment>& segments) {
  TRIREME_ASSIGN_OR_RETURN(io::File opened, io::File::OpenForRead(path));
  const auto file = std::make_shared<const io::File>(std::move(opened));
  for (const Segment& segment : segments) {
    const auto blocks = ReadBlocks(file, segment);
    for (;;) {
      TRIREME_ASSIGN_OR_RETURN(const std::string_view block, blocks->Next());
      if (block.empty()) break;
    }
  }
  return absl::OkStatus();
}

using Stream = rpc::ClientStream<v1::FetchRequest, v1::FetchChunk>;

absl::Status Receive(Stream& stream, int fd, std::uint64_t bytes) {
  v1::FetchChunk chunk;
  std::uint64_t have = 0;
  while (stream.Read(&chunk)) {
    have += chunk.data().size();
    if (have > bytes) return absl::DataLossError("a fetched map output is longer than it said");
    TRIREME_RETURN_IF_ERROR(WriteAll(fd, chunk.data()));
  }
  TRIREME_RETURN_IF_ERROR(stream.Finish());
  if (have < bytes) return absl::DataLossError("a fetched map output is shorter than it said");
  return absl::OkStatus();
}

/// Of a stored map output, at a time.
constexpr std::size_t kCopyBytes = 1u << 20;

absl::Status CopySegment(const io::ReadableFile& from, const std::string& path,
                         const Segment& segment, int fd) {
  if (segment.bytes == 0) return absl::OkStatus();
  from.ExpectSequential(segment.offset, segment.bytes);
  std::string buffer(std::min<std::uint64_t>(kCopyBytes, segment.bytes), '\0');
  for (std::uint64_t done = 0; done < segment.bytes;) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), segment.bytes - done);
    TRIREME_ASSIGN_OR_RETURN(const std::size_t n,
                             from.ReadAt(segment.offset + done, buffer.data(), want));
    if (n < want) return absl::DataLossError(fmt::format("{} ends early", path));
    TRIREME_RETURN_IF_ERROR(WriteAll(fd, std::string_view(buffer).substr(0, n)));
    done += n;
  }
  return absl::OkStatus();
}

}  // namespace

void Fetcher::Fetch(const std::string& address, const v1::FetchRequest& request, Done done) {
  threads_.Post(
      [this, address, request, done = std::move(done)]() mutable { done(Run(address, request)); });
}

void Fetcher::FetchStored(const std::string& path, std::uint64_t size_bytes,
                          std::uint32_t partition, Done done) {
  threads_.Post([this, path, size_bytes, partition, done = std::move(done)]() mutable {
    done(RunStored(path, size_bytes, partition));
  });
}

void Fetcher::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& [address, channel] : channels_) channel->Close();
  }
  threads_.Stop();
}

absl::StatusOr<std::shared_ptr<rpc::Channel>> Fetcher::ChannelTo(const std::string& address) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return absl::CancelledError("the worker stops");
  std::shared_ptr<rpc::Channel>& channel = channels_[address];
  if (channel != nullptr) return channel;
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address parsed, rpc::ParseAddress(address));
  rpc::ChannelOptions options;
  options.connect_timeout = absl::Milliseconds(kFetchStallMs);
  options.reconnect_delay_max = absl::Milliseconds(kFetchRetryMs / 2);
  // A peer that is cut off says nothing: without this a fetch from it would never end.
  options.keepalive_interval = absl::Milliseconds(kFetchStallMs / 2);
  options.keepalive_timeout = absl::Milliseconds(kFetchStallMs / 2);
  TRIREME_ASSIGN_OR_RETURN(channel, rpc::Channel::Create(parsed, options));
  return channel;
}

absl::Status Fetcher::MakeRoom(FetchedPartition* to) const {
  // Two fetches at once may both pass and exceed the limit by one of them.
  if (*in_memory_ + to->bytes <= memory_bytes_max_) {
    to->fd = io::Fd(::memfd_create("trireme-fetched", MFD_CLOEXEC));
    if (to->fd) {
      to->in_memory = in_memory_;
      *in_memory_ += to->bytes;
      return absl::OkStatus();
    }
  }
  std::string path = directory_ + "/fetch-XXXXXX";
  to->fd = io::Fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!to->fd) return io::ErrnoStatus("create", path, errno);
  ::unlink(path.c_str());
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const FetchedPartition>> Fetcher::Run(
    const std::string& address, const v1::FetchRequest& request) {
  TRIREME_ASSIGN_OR_RETURN(auto channel, ChannelTo(address));
  Stream stream = v1::ShuffleStub(channel).Fetch(request);
  v1::FetchChunk first;
  if (!stream.Read(&first)) {
    const absl::Status why = stream.Finish();
    return why.ok() ? absl::DataLossError("a fetch without a first chunk") : why;
  }
  auto fetched = std::make_shared<FetchedPartition>();
  TRIREME_ASSIGN_OR_RETURN(std::vector<Segment> segments, ReadSegments(first));
  for (const Segment& segment : segments) fetched->bytes += segment.bytes;
  TRIREME_RETURN_IF_ERROR(MakeRoom(fetched.get()));
  TRIREME_RETURN_IF_ERROR(Receive(stream, fetched->fd.get(), fetched->bytes));
  fetched->input.path = fmt::format("/proc/{}/fd/{}", ::getpid(), fetched->fd.get());
  TRIREME_RETURN_IF_ERROR(Verify(fetched->input.path, segments));
  fetched->input.segments = std::move(segments);
  return std::shared_ptr<const FetchedPartition>(std::move(fetched));
}

absl::StatusOr<std::shared_ptr<const FetchedPartition>> Fetcher::RunStored(
    const std::string& path, std::uint64_t size_bytes, std::uint32_t partition) {
  TRIREME_ASSIGN_OR_RETURN(const auto file, files_.Open(path));
  TRIREME_ASSIGN_OR_RETURN(std::vector<Segment> segments,
                           FindSegments(*file, path, size_bytes, partition));
  auto fetched = std::make_shared<FetchedPartition>();
  for (const Segment& segment : segments) fetched->bytes += segment.bytes;
  TRIREME_RETURN_IF_ERROR(MakeRoom(fetched.get()));
  std::uint64_t offset = 0;
  for (Segment& segment : segments) {
    TRIREME_RETURN_IF_ERROR(CopySegment(*file, path, segment, fetched->fd.get()));
    segment.offset = std::exchange(offset, offset + segment.bytes);
  }
  fetched->input.path = fmt::format("/proc/{}/fd/{}", ::getpid(), fetched->fd.get());
  TRIREME_RETURN_IF_ERROR(Verify(fetched->input.path, segments));
  fetched->input.segments = std::move(segments);
  return std::shared_ptr<const FetchedPartition>(std::move(fetched));
}

}  // namespace trireme::mapreduce::cluster
