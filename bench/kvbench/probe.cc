#include "kvbench/probe.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "kvbench/source.h"
#include "raftbench/common.h"
#include "rpc/channel.h"
#include "rpc/server.h"
#include "rpc/stub.h"

namespace trireme::kv::bench {
namespace {

using raft::bench::Must;

constexpr char kStatusMethod[] = "/etcdserverpb.Maintenance/Status";
constexpr char kCompactMethod[] = "/etcdserverpb.KV/Compact";
constexpr absl::Duration kProbeTimeout = absl::Seconds(10);
constexpr absl::Duration kCompactionTimeout = absl::Minutes(10);
constexpr std::chrono::milliseconds kRetryPause(2);

absl::StatusOr<std::shared_ptr<rpc::Channel>> Connect(const rpc::Address& server) {
  rpc::ChannelOptions options;
  options.reconnect_delay_min = absl::Milliseconds(1);
  options.reconnect_delay_max = absl::Milliseconds(5);
  return rpc::Channel::Create(server, std::move(options));
}

absl::StatusOr<etcdserverpb::RangeResponse> Range(const std::shared_ptr<rpc::Channel>& channel,
                                                  bool linearizable, absl::Duration timeout) {
  etcdserverpb::RangeRequest range;
  range.set_key(Key(0));
  range.set_serializable(!linearizable);
  return rpc::Unary<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse>(
      channel, kRangeMethod, range, {.timeout = timeout, .wait_for_ready = true});
}

/// Answers every put with nothing until its standard input ends.
void RunAnswerer(int address_to, int until) {
  rpc::Server server;
  server.RegisterMethod(kPutMethod, {.one = [](std::shared_ptr<rpc::ServerCall> call, std::string) {
                          call->Write(std::string());
                          call->Finish(absl::OkStatus());
                        }});
  const auto bound = server.Listen({.host = "127.0.0.1", .port = 0});
  Must(bound.ok() && server.Start().ok(), "the answering process does not start");
  Must(::write(address_to, &bound->port, sizeof bound->port) == sizeof bound->port, "no parent");
  char byte = 0;
  static_cast<void>(::read(until, &byte, 1) == 0);
}

absl::StatusOr<double> MedianOfPuts(std::uint16_t port, std::size_t value_bytes, double seconds) {
  const auto channel = *rpc::Channel::Create({.host = "127.0.0.1", .port = port});
  etcdserverpb::PutRequest put;
  put.set_key("bench_kv");
  put.set_value(std::string(value_bytes, 'v'));
  const std::string bytes = put.SerializeAsString();
  std::vector<double> times;
  const auto from = raft::bench::Clock::now();
  while (times.size() < 20 || raft::bench::SecondsSince(from) < seconds) {
    const auto sent = raft::bench::Clock::now();
    const auto reply = rpc::UnaryBytes(channel, kPutMethod, bytes, {.timeout = kProbeTimeout});
    if (!reply.ok()) return reply.status();
    times.push_back(raft::bench::SecondsSince(sent) * 1000);
  }
  return raft::bench::Quantile(times, 0.5);
}

/// Followers pass puts on or refuse them.
absl::StatusOr<rpc::Address> QuickestToPut(const std::vector<rpc::Address>& servers) {
  constexpr double kSeconds = 0.05;
  double least = 0;
  const rpc::Address* quickest = nullptr;
  for (const rpc::Address& server : servers) {
    const auto median = MedianOfPuts(server.port, 1, kSeconds);
    if (median.ok() && (quickest == nullptr || *median < least)) {
      least = *median;
      quickest = &server;
    }
  }
  if (quickest == nullptr) return absl::UnavailableError("no server takes puts");
  return *quickest;
}

}  // namespace

absl::StatusOr<rpc::Address> FindLeader(const std::vector<rpc::Address>& servers) {
  absl::Status last = absl::UnavailableError("no server says that it leads");
  for (const rpc::Address& server : servers) {
    const auto channel = Connect(server);
    if (!channel.ok()) return channel.status();
    const auto status = rpc::Unary<etcdserverpb::StatusRequest, etcdserverpb::StatusResponse>(
        *channel, kStatusMethod, {}, {.timeout = kProbeTimeout, .wait_for_ready = true});
    if (!status.ok()) {
      last = status.status();
    } else if (status->leader() == status->header().member_id() && status->leader() != 0) {
      return server;
    }
  }
  return absl::IsUnimplemented(last) ? QuickestToPut(servers) : last;
}

absl::Status AwaitReady(const std::vector<rpc::Address>& servers, bool linearizable,
                        absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  for (const rpc::Address& server : servers) {
    const auto channel = Connect(server);
    if (!channel.ok()) return channel.status();
    for (;;) {
      const auto reply = Range(*channel, linearizable, end - absl::Now());
      if (reply.ok()) break;
      if (absl::Now() >= end) return reply.status();
      std::this_thread::sleep_for(kRetryPause);
    }
  }
  return absl::OkStatus();
}

absl::Status CompactAll(const rpc::Address& server) {
  const auto channel = Connect(server);
  if (!channel.ok()) return channel.status();
  const auto now = Range(*channel, true, kProbeTimeout);
  if (!now.ok()) return now.status();
  etcdserverpb::CompactionRequest compact;
  compact.set_revision(now->header().revision());
  compact.set_physical(true);
  return rpc::Unary<etcdserverpb::CompactionRequest, etcdserverpb::CompactionResponse>(
             *channel, kCompactMethod, compact, {.timeout = kCompactionTimeout})
      .status();
}

double MeasureClientRoundTrip(std::size_t value_bytes, double seconds) {
  int port_pipe[2];
  int life_pipe[2];
  Must(::pipe2(port_pipe, O_CLOEXEC) == 0 && ::pipe2(life_pipe, O_CLOEXEC) == 0, "no pipe");
  const ::pid_t child = raft::bench::Fork([&] {
    ::close(life_pipe[1]);
    RunAnswerer(port_pipe[1], life_pipe[0]);
  });
  ::close(life_pipe[0]);
  std::uint16_t port = 0;
  Must(::read(port_pipe[0], &port, sizeof port) == sizeof port, "the answering process is gone");
  const auto median = MedianOfPuts(port, value_bytes, seconds);
  ::close(life_pipe[1]);
  ::close(port_pipe[0]);
  ::close(port_pipe[1]);
  ::waitpid(child, nullptr, 0);
  Must(median.status());
  return *median;
}

}  // namespace trireme::kv::bench
