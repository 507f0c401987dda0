// Entries per second through three Raft cores in one thread, with no I/O: what the consensus itself
// costs. Messages go from core to core as structs, or (bytes) through encoder and decoder as they
// would through a socket. Every write is durable at once.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "raft/core/codec.h"
#include "raft/core/core.h"

namespace {

std::uint64_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace trireme::raft {
namespace {

constexpr std::uint64_t kServers = 3;
constexpr std::uint64_t kCompactEvery = 50'000;

class Cluster {
 public:
  explicit Cluster(bool bytes) : bytes_(bytes) {
    Configuration members;
    for (std::uint64_t i = 1; i <= kServers; ++i) members.voters.push_back(NodeId{i});
    for (std::uint64_t i = 1; i <= kServers; ++i) {
      Config config;
      config.self = NodeId{i};
      config.seed = i;
      config.pre_vote = false;
      Restored restored;
      restored.snapshot.configuration = members;
      cores_.emplace_back(config, std::move(restored));
    }
    TRIREME_CHECK(cores_[0].Campaign().ok());
    Settle();
    TRIREME_CHECK(cores_[0].Status().role == RoleName::kLeader);
  }

  void Propose(const std::string& data) {
    TRIREME_CHECK(cores_[0].Propose({}, SharedBytes::Copy(data)).answer.ok());
  }

  /// Until nobody has anything to do: all that was proposed is then applied by the leader.
  void Settle() {
    bool busy = true;
    while (busy) {
      busy = false;
      for (std::uint64_t i = 0; i < kServers; ++i) busy = Serve(i) || busy;
    }
  }

  Index applied() const { return applied_[0]; }

 private:
  bool Serve(std::uint64_t i) {
    Core& core = cores_[i];
    Output& output = outputs_[i];
    if (!core.TakeOutput(&output)) return false;
    if (!output.persist.empty()) core.Persisted(output.persist.token);
    for (Outgoing& out : output.messages) Deliver(i, out);
    if (output.committed.last < output.committed.first) return true;
    applied_[i] = output.committed.last;
    core.Applied(applied_[i]);
    if (applied_[i] - compacted_[i] >= kCompactEvery) Compact(i);
    return true;
  }

  /// Lagging followers could still be served from the last kCompactEvery entries.
  void Compact(std::uint64_t i) {
    TRIREME_CHECK(cores_[i].Compact(applied_[i], 0, compacted_[i]).ok());
    compacted_[i] = applied_[i];
  }

  void Deliver(std::uint64_t from, Outgoing& out) {
    Core& to = cores_[out.to.value - 1];
    if (!bytes_) {
      TRIREME_CHECK(to.Step(NodeId{from + 1}, std::move(out.message)).ok());
      return;
    }
    std::optional<Message> message = DecodeMessage(SharedBytes::Own(EncodeMessage(out.message)));
    TRIREME_CHECK(to.Step(NodeId{from + 1}, std::move(*message)).ok());
  }

  bool bytes_;
  std::vector<Core> cores_;
  Output outputs_[kServers];
  Index applied_[kServers];
  Index compacted_[kServers];
};

void Run(bool bytes, std::size_t size, std::uint64_t batch, std::uint64_t entries) {
  Cluster cluster(bytes);
  const std::string data(size, 'x');
  const auto drive = [&](std::uint64_t count) {
    const Index before = cluster.applied();
    for (std::uint64_t done = 0; done < count; done += batch) {
      for (std::uint64_t i = 0; i < batch; ++i) cluster.Propose(data);
      cluster.Settle();
    }
    return cluster.applied() - before;
  };
  drive(entries / 10);
  const std::uint64_t allocations_before = allocations;
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t done = drive(entries);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("%-8s %6zu %6llu %12.0f %8.0f %12.2f\n", bytes ? "bytes" : "structs", size,
              static_cast<unsigned long long>(batch), static_cast<double>(done) / taken.count(),
              taken.count() * 1e9 / static_cast<double>(done),
              static_cast<double>(allocations - allocations_before) / static_cast<double>(done));
}

}  // namespace
}  // namespace trireme::raft

int main(int argc, char** argv) {
  const std::uint64_t entries = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  std::printf("three cores, one thread; entry = proposed, on three logs, applied on three\n");
  std::printf("%-8s %6s %6s %12s %8s %12s\n", "messages", "size", "batch", "entries/s", "ns/entry",
              "allocs/entry");
  for (const bool bytes : {false, true}) {
    for (const std::uint64_t batch : {1, 16, 256, 1000}) {
      trireme::raft::Run(bytes, 256, batch, batch == 1 ? entries / 10 : entries);
    }
  }
  trireme::raft::Run(false, 4096, 256, entries / 4);
  return 0;
}
