#include "raftbench/cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "fmt/format.h"
#include "raftbench/common.h"
#include "raftbench/node.h"
#include "rpc/sockets.h"

namespace trireme::raft::bench {
namespace {

/// Free a moment ago.
std::vector<std::string> FreeAddresses(int count) {
  std::vector<rpc::OwnedDescriptor> held;
  std::vector<std::string> addresses;
  for (int i = 0; i < count; ++i) {
    auto bound = rpc::ListenOn(*rpc::ParseAddress("127.0.0.1:0"));
    Must(bound.status());
    held.push_back(std::move(bound->first));
    addresses.push_back(bound->second.ToString());
  }
  return addresses;
}

}  // namespace

Cluster::Cluster(const ClusterOptions& options) {
  const std::vector<std::string> addresses = FreeAddresses(kNodes);
  for (int i = 0; i < kNodes; ++i) {
    int to[2];
    int from[2];
    Must(::pipe2(to, O_CLOEXEC) == 0 && ::pipe2(from, O_CLOEXEC) == 0, "no pipes");
    const std::string directory =
        options.directory.empty() ? "" : fmt::format("{}/node-{}", options.directory, i + 1);
    const ::pid_t process = Fork([&] {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (const Node& other : nodes_) {
        ::close(other.to);
        ::close(other.from);
      }
      ::close(to[1]);
      ::close(from[0]);
      RunNode(i, addresses, directory, options.groups, to[0], from[1]);
    });
    ::close(to[0]);
    ::close(from[1]);
    nodes_.push_back({process, to[1], from[0]});
  }
  const auto from = Clock::now();
  while (Ask(nodes_[0], "lead") != "1") {
    Must(SecondsSince(from) < 30, "the first node does not become the leader");
    for (const Node& node : nodes_) Ask(node, "hand-over");  // Whoever was quicker.
  }
  for (const Node& node : nodes_) {
    while (Ask(node, "led") != std::to_string(options.groups)) {
      Must(SecondsSince(from) < 60, "groups without a leader");
      ::usleep(10000);
    }
  }
}

Cluster::~Cluster() {
  for (int i = 0; i < kNodes; ++i) Kill(i);
}

void Cluster::Kill(int node) {
  Node& one = nodes_[static_cast<std::size_t>(node)];
  if (one.process == 0) return;
  ::kill(one.process, SIGKILL);
  ::waitpid(one.process, nullptr, 0);
  ::close(one.to);
  ::close(one.from);
  one.process = 0;
}

std::string Cluster::Ask(const Node& node, const std::string& command) {
  const std::string line = command + "\n";
  Must(::write(node.to, line.data(), line.size()) > 0, "a node is gone");
  std::string answer;
  char byte = 0;
  while (::read(node.from, &byte, 1) == 1 && byte != '\n') answer += byte;
  Must(byte == '\n', "a node is gone");
  return answer;
}

LoadResult Cluster::Run(std::size_t entry_bytes, std::uint64_t in_flight, double seconds,
                        std::uint64_t entries_max) {
  std::istringstream words(Ask(
      nodes_[0], fmt::format("load {} {} {} {}", entry_bytes, in_flight, seconds, entries_max)));
  LoadResult result;
  words >> result.entries_per_second >> result.p50_ms >> result.p99_ms >> result.p999_ms >>
      result.entries >> result.failed;
  return result;
}

Usage Cluster::Used() {
  Usage usage;
  usage.machine_seconds = MachineCpuSeconds();
  for (const Node& node : nodes_) usage.cpu_seconds += CpuSeconds(node.process);
  for (const Node& node : nodes_) {
    std::istringstream words(Ask(node, "log"));
    std::uint64_t syncs = 0;
    std::uint64_t written = 0;
    std::uint64_t into_frames = 0;
    std::uint64_t elsewhere = 0;
    words >> syncs >> written >> into_frames >> elsewhere;
    if (&node == nodes_.data()) usage.syncs = syncs;
    if (&node == nodes_.data()) usage.written = written;
    usage.copied_bytes += into_frames + elsewhere;
  }
  return usage;
}

std::uint64_t Cluster::Applied(int node) {
  return std::stoull(Ask(nodes_[static_cast<std::size_t>(node)], "applied"));
}

bool Cluster::SomebodyLeads() {
  for (const Node& node : nodes_) {
    if (node.process != 0 && Ask(node, "leads") == "1") return true;
  }
  return false;
}

}  // namespace trireme::raft::bench
