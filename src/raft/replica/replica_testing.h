#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <trireme/raft.h>
#include "base/check.h"
#include "io/memory_disk.h"
#include "raft/log/log.h"
#include "raft/log/memory_log.h"
#include "raft/replica/in_process_network.h"

/// What the replica's tests share: a counter, and clusters of it in one process.
namespace trireme::raft {

inline constexpr std::chrono::seconds kLongTime{60};  // longer than anything takes

/// Polls: what is waited for happens in other threads that know nothing of the test.
inline bool Eventually(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + kLongTime;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Adds decimal numbers; answers with the sum so far. Query: the sum.
class Adder : public StateMachine {
 public:
  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      TRIREME_CHECK(commands[i].index > last_);
      last_ = commands[i].index;
      sum += std::stoll(std::string(commands[i].data.view()));
      results[i] = std::to_string(sum);
    }
    applied += commands.size();
  }
  SnapshotWork Capture() override {
    return [now = sum.load(), pad = snapshot_pad_bytes](SnapshotSink& to) -> absl::Status {
      if (absl::Status status = to.Append(std::to_string(now) + " "); !status.ok()) return status;
      return to.Append(std::string(pad, '.'));
    };
  }
  absl::Status Restore(SnapshotSource& from) override {
    std::string all;
    while (true) {
      auto part = from.Read(1000);
      if (!part.ok()) return part.status();
      if (part->empty()) break;
      all += part->view();
    }
    sum = std::stoll(all);
    last_ = from.last().index;
    ++restored;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Query(std::string_view) override { return std::to_string(sum); }

  std::atomic<std::int64_t> sum{0};  ///< May be read by any thread, behind a ReadBarrier.
  std::atomic<std::uint64_t> applied{0};
  std::atomic<std::uint64_t> restored{0};
  std::size_t snapshot_pad_bytes = 0;

 private:
  Index last_;
};

/// A counter or gauge of `host` that has no labels.
inline std::uint64_t MetricOf(const Host& host, const std::string& name) {
  const std::string page = host.Metrics();
  const std::size_t at = page.find("\n" + name + " ");
  TRIREME_CHECK(at != page.npos);
  return std::stoull(page.substr(at + name.size() + 2));
}

struct TestOptions {
  std::size_t nodes = 3;
  bool durable = false;  ///< raft::Log over io::MemoryDisk; otherwise MemoryLog.
  std::chrono::milliseconds tick{5};
  std::function<void(GroupOptions&)> group;
  std::function<void(NodeId, GroupOptions&)> group_of;
  std::function<void(HostOptions&)> host;
  std::function<std::unique_ptr<Adder>()> machine = [] { return std::make_unique<Adder>(); };
  /// Instead of an Adder, if it is set.
  std::function<std::unique_ptr<StateMachine>(NodeId)> other_machine;
};

/// A process of the cluster: what survives its restart, and the Host while it runs.
struct TestNode {
  NodeId id;
  io::MemoryDisk disk;
  std::unique_ptr<LogStore> store;  ///< A MemoryLog stays; a Log is opened anew.
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Adder> machine;
  std::unique_ptr<StateMachine> other_machine;
  std::unique_ptr<Host> host;
  Replica* replica = nullptr;
  bool running() const { return host != nullptr; }
};

class TestCluster {
 public:
  explicit TestCluster(TestOptions options = {}) : options_(std::move(options)) {
    for (std::uint64_t id = 1; id <= options_.nodes; ++id)
      members_.push_back({NodeId{id}, std::to_string(id)});
    for (const Member& member : members_) Start(member.id, members_);
  }
  ~TestCluster() {
    for (auto& [id, node] : nodes_) Stop(id);
  }

  TestNode& node(std::uint64_t id) { return *nodes_.at(NodeId{id}); }
  InProcessNetwork& network() { return network_; }
  const std::vector<Member>& members() const { return members_; }

  void Start(NodeId id, const std::vector<Member>& members) {
    auto& place = nodes_[id];
    if (place == nullptr) place = std::make_unique<TestNode>();
    TestNode& node = *place;
    node.id = id;
    HostOptions host;
    host.node = id;
    host.tick = options_.tick;
    Open(node, &host);
    node.transport = network_.MakeTransport(id);
    host.transport = node.transport.get();
    if (options_.host) options_.host(host);
    auto started = Host::Start(std::move(host));
    ASSERT_TRUE(started.ok()) << started.status();
    node.host = *std::move(started);
    node.machine = options_.machine();
    GroupOptions group;
    group.members = members;
    group.trailing_entries = 10;
    if (options_.group) options_.group(group);
    if (options_.group_of) options_.group_of(id, group);
    if (options_.other_machine) node.other_machine = options_.other_machine(id);
    StateMachine* machine = node.machine.get();
    if (node.other_machine != nullptr) machine = node.other_machine.get();
    auto replica = node.host->AddGroup(group, machine);
    ASSERT_TRUE(replica.ok()) << replica.status();
    node.replica = *replica;
  }
  void Start(std::uint64_t id) { Start(NodeId{id}, members_); }

  void Stop(NodeId id) {
    TestNode& node = *nodes_.at(id);
    node.host.reset();
    node.transport.reset();
    node.replica = nullptr;
    if (options_.durable) node.store.reset();
  }
  void Stop(std::uint64_t id) { Stop(NodeId{id}); }

  /// The leader whom all running members of its configuration follow.
  TestNode* Leader() {
    for (auto& [id, node] : nodes_) {
      if (node->running() && node->replica->leads()) return node.get();
    }
    return nullptr;
  }
  TestNode& AwaitLeader() {
    TestNode* found = nullptr;
    TRIREME_CHECK(Eventually([&] { return (found = Leader()) != nullptr; }));
    return *found;
  }

  /// Proposes until one proposal commits. One whose outcome is unknown fails the test.
  std::int64_t Add(std::int64_t number) {
    ProposalResult result;
    EXPECT_TRUE(Eventually([&] {
      result = AwaitLeader().replica->ProposeAndWait(SharedBytes::Copy(std::to_string(number)),
                                                     kLongTime);
      return result.state != ProposalState::kNotExecuted;
    }));
    EXPECT_EQ(result.state, ProposalState::kCommitted) << result.status;
    return result.state == ProposalState::kCommitted ? std::stoll(result.result) : -1;
  }

  /// Asks until a read is granted.
  static std::int64_t Sum(TestNode& node) {
    absl::StatusOr<std::string> sum;
    EXPECT_TRUE(Eventually([&] {
      sum = node.replica->QueryAndWait("", kLongTime);
      return sum.ok();
    }));
    return std::stoll(*sum);
  }

 private:
  void Open(TestNode& node, HostOptions* host) {
    if (options_.durable) {
      LogOptions log{.directory = "log", .cluster_id = 7, .node = node.id};
      log.segment_bytes = 1u << 20;
      log.reserve_bytes = 16u << 10;
      auto opened = Log::Open(log, &node.disk);
      TRIREME_CHECK(opened.ok());
      node.store = std::move(opened->log);
      host->recovered = std::move(opened->groups);
    } else {
      if (node.store == nullptr) node.store = std::make_unique<MemoryLog>();
      host->recovered = static_cast<MemoryLog&>(*node.store).Recover();
    }
    host->store = node.store.get();
  }

  const TestOptions options_;
  InProcessNetwork network_;
  std::vector<Member> members_;
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
};

}  // namespace trireme::raft
