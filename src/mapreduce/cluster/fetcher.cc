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
#include "mapreduce/cluster/fetch_wire.h"
#include "mapreduce/cluster/shuffle.h"
#include "mapreduce/engine/run_file.h"
#include "rpc/address.h"
#include "rpc/stub.h"

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

/// The messages as they came: see fetch_wire.h.
using Stream = rpc::ClientStream<v1::FetchRequest, std::string>;

/// Where fetched bytes go: verified, then kept.
class Keeping {
 public:
  Keeping(const std::string& what, const std::vector<Segment>& segments, int fd)
      : verifier_(what, segments), fd_(fd) {}

  absl::Status Take(std::string_view bytes) {
    TRIREME_RETURN_IF_ERROR(verifier_.Feed(bytes));
    return WriteAll(fd_, bytes);
  }
  absl::Status Finish() const { return verifier_.Finish(); }

 private:
  BlockVerifier verifier_;
  const int fd_;
};

absl::Status Receive(Stream& stream, Keeping& to) {
  std::string message;
  while (stream.Read(&message)) {
    const auto data = DataOf(message);
    if (!data.has_value()) return absl::DataLossError("a chunk of a fetch is none");
    TRIREME_RETURN_IF_ERROR(to.Take(*data));
  }
  TRIREME_RETURN_IF_ERROR(stream.Finish());
  return to.Finish();
}

/// Of a stored map output, at a time.
constexpr std::size_t kCopyBytes = 1u << 20;

absl::Status CopySegment(const io::ReadableFile& from, const std::string& path,
                         const Segment& segment, Keeping& to) {
  if (segment.bytes == 0) return absl::OkStatus();
  from.ExpectSequential(segment.offset, segment.bytes);
  std::string buffer(std::min<std::uint64_t>(kCopyBytes, segment.bytes), '\0');
  for (std::uint64_t done = 0; done < segment.bytes;) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), segment.bytes - done);
    TRIREME_ASSIGN_OR_RETURN(const std::size_t n,
                             from.ReadAt(segment.offset + done, buffer.data(), want));
    if (n < want) return absl::DataLossError(fmt::format("{} ends early", path));
    TRIREME_RETURN_IF_ERROR(to.Take(std::string_view(buffer).substr(0, n)));
    done += n;
  }
  return absl::OkStatus();
}

/// It has no name but that of the descriptor.
MapInput InputOf(const FetchedPartition& fetched, std::vector<Segment> segments) {
  return {fmt::format("/proc/{}/fd/{}", ::getpid(), fetched.fd.get()), std::move(segments)};
}

}  // namespace

void Fetcher::Fetch(const std::string& address, const v1::FetchRequest& request, Done done) {
  threads_.Post([this, address, request, done = std::move(done)]() mutable {
    auto fetched = Run(address, request);
    counts_.Count(fetched.ok());
    if (fetched.ok()) counts_.bytes += (*fetched)->bytes;
    done(std::move(fetched));
  });
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
  auto fetched = TryRun(address, request);
  if (fetched.ok()) return fetched;
  const std::string file = MapOutputPath(
      "", {plan::JobId{request.job()}, request.map(), plan::AttemptId{request.map_attempt()}});
  return absl::Status(
      fetched.status().code(),
      fmt::format("fetch {} (map {}, partition {}) from {}: {}", file.substr(1), request.map(),
                  request.partition(), address, std::string(fetched.status().message())));
}

absl::StatusOr<std::shared_ptr<const FetchedPartition>> Fetcher::TryRun(
    const std::string& address, const v1::FetchRequest& request) {
  TRIREME_ASSIGN_OR_RETURN(auto channel, ChannelTo(address));
  auto stream =
      rpc::StartServerStream<v1::FetchRequest, std::string>(channel, kFetchMethod, request, {});
  std::string message;
  v1::FetchChunk first;
  if (!stream.Read(&message)) {
    const absl::Status why = stream.Finish();
    return why.ok() ? absl::DataLossError("a fetch without a first chunk") : why;
  }
  if (!first.ParseFromString(message)) return absl::DataLossError("a fetch's first chunk is none");
  auto fetched = std::make_shared<FetchedPartition>();
  TRIREME_ASSIGN_OR_RETURN(std::vector<Segment> segments, ReadSegments(first));
  for (const Segment& segment : segments) fetched->bytes += segment.bytes;
  TRIREME_RETURN_IF_ERROR(MakeRoom(fetched.get()));
  Keeping keeping("its bytes", segments, fetched->fd.get());
  TRIREME_RETURN_IF_ERROR(Receive(stream, keeping));
  fetched->input = InputOf(*fetched, std::move(segments));
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
  Keeping keeping(path, segments, fetched->fd.get());
  std::uint64_t offset = 0;
  for (Segment& segment : segments) {
    TRIREME_RETURN_IF_ERROR(CopySegment(*file, path, segment, keeping));
    segment.offset = std::exchange(offset, offset + segment.bytes);
  }
  TRIREME_RETURN_IF_ERROR(keeping.Finish());
  fetched->input = InputOf(*fetched, std::move(segments));
  return std::shared_ptr<const FetchedPartition>(std::move(fetched));
}

}  // namespace trireme::mapreduce::cluster
