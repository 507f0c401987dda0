#include "hullbench/shuffle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <latch>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "io/process.h"
#include "mapreduce/cluster/fetcher.h"
#include "mapreduce/cluster/shuffle_server.h"
#include "mapreduce/engine/run_file.h"
#include "mapreduce/fs/local.h"
#include "rpc/server.h"

namespace trireme::bench {
namespace {

using mapreduce::cluster::Fetcher;
using mapreduce::cluster::MapOutputName;
using mapreduce::cluster::ShuffleServer;

constexpr std::size_t kValueBytes = 90;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

MapOutputName NameOf(std::uint32_t map) {
  return {mapreduce::plan::JobId{1}, map, mapreduce::plan::AttemptId{1}};
}

absl::StatusOr<std::uint64_t> WriteMaps(const std::string& directory, std::uint64_t bytes,
                                        std::uint32_t maps) {
  std::filesystem::create_directories(
      mapreduce::cluster::JobDirectory(directory, mapreduce::plan::JobId{1}));
  std::uint64_t total = 0;
  for (std::uint32_t map = 0; map < maps; ++map) {
    TRIREME_ASSIGN_OR_RETURN(
        const auto writer,
        mapreduce::RunWriter::Create(mapreduce::cluster::MapOutputPath(directory, NameOf(map)), 1));
    writer->BeginRun();
    writer->BeginPartition(0);
    const std::string value(kValueBytes, 'v');
    for (std::uint64_t i = 0; writer->bytes() < bytes / maps; ++i) {
      writer->Add(fmt::format("{:010}", i), value);
    }
    TRIREME_RETURN_IF_ERROR(writer->EndRun());
    TRIREME_RETURN_IF_ERROR(writer->Finish());
    total += writer->bytes();
  }
  return total;
}

/// A child that runs `body` and is killed at the end.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) : pid_(::fork()) {
    if (pid_ == 0) {
      body();
      ::_exit(0);
    }
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  const pid_t pid_;
};

/// Serves `directory` for ever; tells its port through `to`.
void ServeShuffle(const std::string& directory, int to) {
  ShuffleServer shuffle(directory);
  rpc::Server server{rpc::ServerOptions()};
  server.Register(shuffle);
  const auto address = server.Listen(*rpc::ParseAddress("127.0.0.1:0"));
  const std::uint16_t port = address.ok() && server.Start().ok() ? address->port : 0;
  (void)!::write(to, &port, sizeof port);
  for (;;) ::pause();
}

absl::StatusOr<double> Fetch(const std::string& directory, const std::string& address,
                             std::uint32_t maps) {
  mapreduce::LocalFileSystem files;
  Fetcher fetcher(&files, directory, 1ull << 30);
  std::latch done(maps);
  std::mutex mutex;
  absl::Status status;
  const double start = Now();
  for (std::uint32_t map = 0; map < maps; ++map) {
    mapreduce::v1::FetchRequest request;
    request.set_job(1);
    request.set_map(map);
    request.set_map_attempt(1);
    fetcher.Fetch(address, request, [&](auto fetched) {
      const std::lock_guard lock(mutex);
      if (!fetched.ok()) status = fetched.status();
      done.count_down();
    });
  }
  done.wait();
  const double seconds = Now() - start;
  fetcher.Stop();
  if (!status.ok()) return status;
  return seconds;
}

/// Writes `bytes` to every connection it gets, from one buffer in the cache.
void ServeBytes(int listener, std::uint64_t bytes) {
  const std::string buffer(mapreduce::cluster::kFetchChunkBytes, 'x');
  for (;;) {
    const io::Fd peer(::accept(listener, nullptr, nullptr));
    for (std::uint64_t left = bytes; left > 0;) {
      const ssize_t wrote =
          ::write(peer.get(), buffer.data(), std::min<std::uint64_t>(left, buffer.size()));
      if (wrote <= 0) break;
      left -= static_cast<std::uint64_t>(wrote);
    }
  }
}

absl::StatusOr<double> ReadBytes(const sockaddr_in& address, std::uint64_t bytes) {
  const io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const double start = Now();
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return io::ErrnoStatus("connect", "the ceiling's socket", errno);
  }
  std::string buffer(mapreduce::cluster::kFetchChunkBytes, '\0');
  for (std::uint64_t have = 0; have < bytes;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got <= 0) return io::ErrnoStatus("read", "the ceiling's socket", errno);
    have += static_cast<std::uint64_t>(got);
  }
  return Now() - start;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

absl::StatusOr<ShuffleResult> RunShuffle(const std::string& directory, std::uint64_t bytes,
                                         std::uint32_t maps, int rounds) {
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t total, WriteMaps(directory, bytes, maps));
  // Both children before any thread of this process is there.
  TRIREME_ASSIGN_OR_RETURN(const io::Pipe pipe, io::MakePipe());
  const Child server([&] { ServeShuffle(directory, pipe.write.get()); });
  const io::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return io::ErrnoStatus("listen", "a port of 127.0.0.1", errno);
  }
  const Child writer([&] { ServeBytes(listener.get(), total); });
  std::uint16_t port = 0;
  if (::read(pipe.read.get(), &port, sizeof port) != sizeof port || port == 0) {
    return absl::InternalError("the process that serves map outputs did not start");
  }
  std::vector<double> fetches, ceilings;
  for (int round = 0; round < rounds; ++round) {
    TRIREME_ASSIGN_OR_RETURN(fetches.emplace_back(),
                             Fetch(directory, fmt::format("127.0.0.1:{}", port), maps));
    TRIREME_ASSIGN_OR_RETURN(ceilings.emplace_back(), ReadBytes(address, total));
  }
  const auto rate = [total](double seconds) { return static_cast<double>(total) / seconds; };
  return ShuffleResult{rate(Median(fetches)), rate(Median(ceilings))};
}

}  // namespace trireme::bench
