#include "raftbench/node.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <sstream>
#include <thread>

#include "fmt/format.h"
#include "io/direct_file.h"
#include "io/posix_disk.h"
#include "raft/log/log.h"
#include "raft/log/memory_log.h"
#include "raft/transport/tcp_transport.h"
#include "raftbench/load.h"

namespace trireme::raft::bench {
namespace {

/// Counts.
class Counter final : public StateMachine {
 public:
  void Apply(std::span<const Entry> commands, std::span<std::string>) override {
    applied += commands.size();
  }
  SnapshotWork Capture() override {
    return [count = applied.load()](SnapshotSink& to) { return to.Append(std::to_string(count)); };
  }
  absl::Status Restore(SnapshotSource& from) override {
    auto text = from.Read();
    if (!text.ok()) return text.status();
    applied = std::stoull(std::string(text->view()));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Query(std::string_view) override { return ""; }

  std::atomic<std::uint64_t> applied{0};
};

class NodeProcess {
 public:
  NodeProcess(int self, const std::vector<std::string>& addresses, const std::string& directory,
              std::uint64_t groups)
      : transport_({.cluster_id = 1,
                    .node = NodeId{static_cast<std::uint64_t>(self) + 1},
                    .listen = addresses[static_cast<std::size_t>(self)]}) {
    HostOptions options;
    options.node = NodeId{static_cast<std::uint64_t>(self) + 1};
    options.transport = &transport_;
    options.advertised_address = addresses[static_cast<std::size_t>(self)];
    Open(directory, options);
    std::vector<Member> members;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      members.push_back({NodeId{i + 1}, addresses[i]});
    }
    options.peers = members;
    auto host = Host::Start(std::move(options));
    Must(host.status());
    host_ = *std::move(host);
    for (std::uint64_t i = 1; i <= groups; ++i) AddGroup(GroupId{i}, members);
  }

  std::string Obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "lead") return Lead();
    if (command == "led") return Led();
    if (command == "hand-over") return replicas_[0]->Transfer(NodeId{1}).ok() ? "1" : "0";
    if (command == "load") return RunLoad(words);
    if (command == "log") return LogLine();
    if (command == "applied") return std::to_string(machines_[0]->applied.load());
    if (command == "leads") return replicas_[0]->leads() ? "1" : "0";
    return "unknown command";
  }

 private:
  void Open(const std::string& directory, HostOptions& options) {
    if (directory.empty()) {
      store_ = std::make_unique<MemoryLog>();
    } else {
      auto opened =
          Log::Open({.directory = directory, .cluster_id = 1, .node = options.node}, &disk_);
      Must(opened.status());
      store_ = std::move(opened->log);
      options.recovered = std::move(opened->groups);
    }
    options.store = store_.get();
  }

  void AddGroup(GroupId id, const std::vector<Member>& members) {
    machines_.push_back(std::make_unique<Counter>());
    GroupOptions options;
    options.group = id;
    options.members = members;
    auto replica = host_->AddGroup(options, machines_.back().get());
    Must(replica.status());
    replicas_.push_back(*replica);
  }

  /// Of the first group; whether it does.
  std::string Lead() {
    static_cast<void>(replicas_[0]->Campaign());
    for (int i = 0; i < 100 && !replicas_[0]->leads(); ++i) ::usleep(2000);
    return replicas_[0]->leads() ? "1" : "0";
  }
  /// The groups that have a leader.
  std::string Led() const {
    const auto led = std::count_if(replicas_.begin(), replicas_.end(), [](const Replica* replica) {
      return replica->leader() != kNobody;
    });
    return std::to_string(led);
  }

  std::string RunLoad(std::istringstream& words) {
    std::size_t bytes = 0;
    std::uint64_t in_flight = 0;
    double seconds = 0;
    std::uint64_t entries_max = 0;
    words >> bytes >> in_flight >> seconds >> entries_max;
    Load load(*replicas_[0], bytes, in_flight);
    const LoadResult result = load.Run(seconds, entries_max);
    return fmt::format("{} {} {} {} {} {}", result.entries_per_second, result.p50_ms, result.p99_ms,
                       result.p999_ms, result.entries, result.failed);
  }

  std::string LogLine() const {
    const std::string metrics = host_->Metrics();
    const std::uint64_t copied = io::DirectFile::bytes_copied() + transport_.stats().bytes_copied;
    return fmt::format("{} {} {} {}", Metric(metrics, "trireme_raft_log_syncs_total"),
                       Metric(metrics, "trireme_raft_log_entries_total"),
                       Metric(metrics, "trireme_raft_frame_bytes_copied_total"), copied);
  }
  static std::string Metric(const std::string& page, const std::string& name) {
    const std::size_t at = page.find("\n" + name + " ");
    return at == std::string::npos
               ? "0"
               : page.substr(at + name.size() + 2, page.find('\n', at + 1) - at - name.size() - 2);
  }

  io::PosixDisk disk_;
  TcpTransport transport_;
  std::unique_ptr<LogStore> store_;
  std::vector<std::unique_ptr<Counter>> machines_;
  std::unique_ptr<Host> host_;
  std::vector<Replica*> replicas_;
};

}  // namespace

void RunNode(int self, const std::vector<std::string>& addresses, const std::string& directory,
             std::uint64_t groups, int in, int out) {
  NodeProcess node(self, addresses, directory, groups);
  std::FILE* const commands = ::fdopen(in, "r");
  char line[256];
  while (std::fgets(line, sizeof line, commands) != nullptr) {
    const std::string answer = node.Obey(line) + "\n";
    if (::write(out, answer.data(), answer.size()) < 0) return;
  }
}

}  // namespace trireme::raft::bench
