#include "sim/sharded/fleet.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "sim/log_storage.h"
#include "sim/model_storage.h"

namespace trireme::sim::sharded {

namespace {

constexpr std::uint64_t kServers = 3;

}  // namespace

/// Its nodes' ids are unique in the fleet, as they are addresses; what the oracles watch is within
/// the cluster.
struct Fleet::Cluster {
  Cluster(Surroundings shared, std::uint32_t place, Record* record)
      : around(shared),
        maker(place == 0 ? kStore : static_cast<GroupId>(place), place == 0 ? nullptr : record),
        faults(WithPanel(), &nodes, nullptr, place) {
    raft::Configuration first;
    for (std::uint64_t i = 1; i <= kServers; ++i) {
      first.voters.push_back(raft::NodeId{place * kServers + i});
    }
    for (const raft::NodeId id : first.voters) MakeNode(id, first);
  }

  Surroundings WithPanel() {
    around.panel = &panel;
    return around;
  }

  void MakeNode(raft::NodeId id, const raft::Configuration& first) {
    const Options& o = *around.options;
    std::unique_ptr<Storage> storage;
    if (o.log_storage != 0) {
      storage = std::make_unique<LogStorage>(
          LogStorageOptions{id, first, o.log_segment_kib << 10, o.log_restore_bytes_max});
    } else {
      storage = std::make_unique<ModelStorage>(first);
    }
    nodes.push_back(std::make_unique<Node>(id, false, std::move(storage), around, maker));
    servers.push_back(nodes.back()->address());
    nodes.back()->Start();
  }

  Panel panel;
  Surroundings around;
  ShardServers maker;
  std::vector<ServerId> servers;
  std::vector<std::unique_ptr<Node>> nodes;
  Faults faults;
};

Fleet::Fleet(const Options& options, std::uint64_t groups, Trace::Sink sink)
    : options_(options),
      trace_(&queue_, std::move(sink)),
      network_(&options_, &queue_, &trace_, options.seed * 5'000'011 + 2) {
  const Surroundings shared{&options_, &queue_, &network_, &trace_, nullptr};
  for (std::uint32_t place = 0; place <= groups; ++place) {
    clusters_.push_back(std::make_unique<Cluster>(shared, place, &record_));
  }
}

Fleet::~Fleet() = default;

Surroundings Fleet::around() const {
  return clusters_[0]->around;
}

Fleet::Cluster& Fleet::OfGroup(GroupId group) {
  return *clusters_[group == kStore ? 0 : static_cast<std::size_t>(group)];
}

const std::vector<ServerId>& Fleet::servers(GroupId group) const {
  return clusters_[group == kStore ? 0 : static_cast<std::size_t>(group)]->servers;
}

std::vector<std::unique_ptr<Node>>& Fleet::nodes(GroupId group) {
  return OfGroup(group).nodes;
}

Node& Fleet::NodeAt(Address address) {
  const std::uint64_t place = address - 1;
  return *clusters_[place / kServers]->nodes[place % kServers];
}

Node* Fleet::Leader(GroupId group) {
  Node* leader = nullptr;
  for (const std::unique_ptr<Node>& node : OfGroup(group).nodes) {
    if (!node->leads() || node->paused()) continue;
    if (leader == nullptr || node->core().Status().term > leader->core().Status().term) {
      leader = node.get();
    }
  }
  return leader;
}

void Fleet::Shutdown(GroupId group, Random& random) {
  for (const std::unique_ptr<Node>& node : OfGroup(group).nodes) {
    if (node->up()) node->Crash(random);
  }
}

void Fleet::Start(GroupId group) {
  for (const std::unique_ptr<Node>& node : OfGroup(group).nodes) {
    if (!node->up()) node->Start();
  }
}

bool Fleet::RunFor(Micros duration) {
  const Micros end = queue_.now() + duration;
  while (!queue_.empty() && queue_.next_at() <= end) {
    Step();
    if (!violation().empty()) return false;
  }
  queue_.AdvanceTo(end);
  return true;
}

bool Fleet::RunUntil(const std::function<bool()>& done, Micros bound) {
  const Micros end = queue_.now() + bound;
  while (!done()) {
    if (queue_.empty() || queue_.next_at() > end) return false;
    Step();
    if (!violation().empty()) return false;
  }
  return true;
}

std::string Fleet::violation() const {
  for (const std::unique_ptr<Cluster>& cluster : clusters_) {
    if (!cluster->panel.violation().empty()) return cluster->panel.violation();
  }
  return record_.violation();
}

void Fleet::Step() {
  ++events_;
  Dispatch(queue_.Take());
}

void Fleet::Dispatch(const Event& event) {
  switch (event.kind) {
    case EventKind::kTick:
      return NodeAt(event.who).OnTick(event.what);
    case EventKind::kDisk:
      return NodeAt(event.who).OnDisk(event.what);
    case EventKind::kStart:
      if (!NodeAt(event.who).up()) NodeAt(event.who).Start();
      return;
    case EventKind::kDeliver:
      return Deliver(event.what);
    case EventKind::kWake:
      return customers_[event.who - 1]->OnWake(event.what);
    case EventKind::kFault:
      return clusters_[event.who / Faults::kKindCount]->faults.OnFault(event.who);
    case EventKind::kFaultEnds:
      return clusters_[event.who]->faults.OnFaultEnds(event.what);
  }
}

void Fleet::Deliver(std::uint64_t number) {
  Packet packet;
  if (!network_.Take(number, &packet)) return;
  if (packet.to < kFirstClient) return NodeAt(packet.to).OnPacket(std::move(packet));
  customers_[packet.to - kFirstClient - 1]->OnMessage(packet.from, packet.payload);
}

void Fleet::BeginFaults() {
  for (const std::unique_ptr<Cluster>& cluster : clusters_) cluster->faults.Begin();
}

void Fleet::EndFaults() {
  network_.Heal();
  for (const std::unique_ptr<Cluster>& cluster : clusters_) cluster->faults.End();
}

bool Fleet::IsSettled() {
  return std::all_of(clusters_.begin(), clusters_.end(), [](const auto& cluster) {
    const auto& nodes = cluster->nodes;
    return std::all_of(nodes.begin(), nodes.end(), [&](const auto& node) {
      return node->up() && node->applied() == nodes[0]->applied() &&
             node->applied() == node->core().Status().last.index;
    });
  });
}

void Fleet::TellEnd() {
  for (const std::unique_ptr<Cluster>& cluster : clusters_) {
    EndState end;
    for (const std::unique_ptr<Node>& node : cluster->nodes) {
      end.members.push_back({node->id(), node->applied(), &node->service()});
    }
    cluster->panel.Tell(&Oracle::Ends, end);
  }
  record_.Ends();
}

}  // namespace trireme::sim::sharded
