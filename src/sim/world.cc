#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "raft/core/configuration.h"
#include "sim/describe.h"
#include "sim/log_storage.h"
#include "sim/model_storage.h"

namespace trireme::sim {

World::World(const Options& options, Trace::Sink sink, const MakeCast& make_cast)
    : options_(options),
      trace_(&queue_, std::move(sink)),
      network_(&options_, &queue_, &trace_, options.seed * 5'000'011 + 2),
      around_{&options_, &queue_, &network_, &trace_, &panel_},
      cast_(make_cast(around_)),
      faults_(around_, &nodes_, [this] { AddNode({}); }) {
  MakeNodes();
  for (std::uint64_t i = 1; i <= options_.clients; ++i) {
    clients_.push_back(cast_->MakeCustomer(i, around_));
  }
}

void World::MakeNodes() {
  raft::Configuration first;
  for (std::uint64_t i = 1; i <= options_.voters; ++i) first.voters.push_back(raft::NodeId{i});
  if (options_.witness != 0) first.witnesses.push_back(first.voters.back());
  for (std::uint64_t i = 1; i <= options_.voters + options_.spares; ++i) {
    AddNode(i <= options_.voters ? first : raft::Configuration{});
  }
}

void World::AddNode(const raft::Configuration& first) {
  const raft::NodeId id{nodes_.size() + 1};
  std::unique_ptr<Storage> storage;
  if (options_.log_storage != 0) {
    storage = std::make_unique<LogStorage>(LogStorageOptions{
        id, first, options_.log_segment_kib << 10, options_.log_restore_bytes_max});
  } else {
    storage = std::make_unique<ModelStorage>(first);
  }
  nodes_.push_back(
      std::make_unique<Node>(id, raft::IsWitness(first, id), std::move(storage), around_, *cast_));
  nodes_.back()->Start();
}

RunResult World::Run() {
  trace_.Line("-------- {}", options_.Text());
  faults_.Begin();
  if (RunFor(options_.safety_ms * kMillisecond)) Settle();
  if (panel_.violation().empty()) CheckEnd();
  if (!panel_.violation().empty()) trace_.Line("-------- violation: {}", panel_.violation());
  return {panel_.violation(),
          queue_.now(),
          events_,
          cast_->operations(),
          panel_.ledger().committed_last().value,
          panel_.undecided()};
}

bool World::RunFor(Micros duration) {
  const Micros end = queue_.now() + duration;
  while (!queue_.empty() && queue_.next_at() <= end) {
    Step();
    if (!panel_.violation().empty()) return false;
  }
  queue_.AdvanceTo(end);
  return true;
}

bool World::RunUntil(const std::function<bool()>& done, Micros bound) {
  const Micros end = queue_.now() + bound;
  while (!done()) {
    if (queue_.empty() || queue_.next_at() > end) return false;
    Step();
    if (!panel_.violation().empty()) return false;
  }
  return true;
}

void World::Step() {
  ++events_;
  Dispatch(queue_.Take());
}

void World::Dispatch(const Event& event) {
  switch (event.kind) {
    case EventKind::kTick:
      return node(event.who).OnTick(event.what);
    case EventKind::kDisk:
      return node(event.who).OnDisk(event.what);
    case EventKind::kStart:
      if (!node(event.who).up() && !node(event.who).broken()) node(event.who).Start();
      return;
    case EventKind::kDeliver:
      return Deliver(event.what);
    case EventKind::kWake:
      return clients_[event.who - 1]->OnWake(event.what);
    case EventKind::kFault:
      return faults_.OnFault(event.who);
    case EventKind::kFaultEnds:
      return faults_.OnFaultEnds(event.what);
  }
}

void World::Deliver(std::uint64_t number) {
  Packet packet;
  if (!network_.Take(number, &packet)) return;
  if (packet.to < kFirstClient) return node(packet.to).OnPacket(std::move(packet));
  clients_[packet.to - kFirstClient - 1]->OnMessage(packet.from, packet.payload);
}

Node* World::Leader() {
  Node* leader = nullptr;
  for (const std::unique_ptr<Node>& node : nodes_) {
    if (!node->leads() || node->paused()) continue;
    if (leader == nullptr || node->core().Status().term > leader->core().Status().term) {
      leader = node.get();
    }
  }
  return leader;
}

void World::Settle() {
  network_.Heal();
  faults_.End();
  for (const std::unique_ptr<Customer>& client : clients_) client->BeginLast();
  // Damaged nodes are replaced one after the other, each by one that has to catch up.
  const std::uint64_t times = std::max<std::uint64_t>(1, faults_.casualties());
  const Options::Number settle_ms = options_.settle_ms * times;
  if (RunUntil([this] { return IsSettled(); }, settle_ms * kMillisecond)) return;
  if (!panel_.violation().empty()) return;
  panel_.Violation(
      fmt::format("no progress {} ms after the last fault:{}", settle_ms, Standstill()));
}

/// Who is where, for a message.
std::string World::Standstill() {
  std::string text;
  for (const std::unique_ptr<Customer>& client : clients_) {
    if (!client->finished()) text += fmt::format(" client {} waits;", client->number());
  }
  for (const std::unique_ptr<Node>& node : nodes_) {
    if (!node->up()) {
      text += fmt::format(" {} is {};", Name(node->address()), node->broken() ? "broken" : "down");
      continue;
    }
    const raft::CoreStatus status = node->core().Status();
    text +=
        fmt::format(" {}{} term {} log {} commit {} applied {},{};", Name(node->address()),
                    node->leads() ? " leads," : "", status.term.value, Describe(status.last),
                    status.commit.value, status.applied.value, Describe(node->core().Membership()));
  }
  return text;
}

std::vector<Node*> World::Members(const Node& leader) {
  std::vector<Node*> members;
  for (const raft::NodeId id : raft::Members(leader.core().Membership())) {
    members.push_back(&node(id.value));
  }
  return members;
}

/// A leader that does not begin its term with an entry of its own commits what its predecessors
/// left only with the next write (thesis, 3.6.2), and no client writes any more. Once a term.
void World::Nudge(Node& leader) {
  const raft::Term term = leader.core().Status().term;
  if (options_.leader_noop != 0 || term == nudged_) return;
  if (leader.Propose(cast_->Nudge())) nudged_ = term;
}

bool World::IsSettled() {
  for (const std::unique_ptr<Customer>& client : clients_) {
    if (!client->finished()) return false;
  }
  Node* leader = Leader();
  if (leader == nullptr) return false;
  const raft::CoreStatus status = leader->core().Status();
  if (status.commit != status.last.index) {
    Nudge(*leader);
    return false;
  }
  if (leader->core().Membership().joint()) return false;
  for (const Node* member : Members(*leader)) {
    if (!member->up() || member->core().Status().applied != status.commit) return false;
  }
  return true;
}

void World::CheckEnd() {
  EndState end;
  for (const Node* member : Members(*Leader())) {
    if (member->witness()) continue;
    end.members.push_back({member->id(), member->applied(), &member->service()});
  }
  panel_.Tell(&Oracle::Ends, end);
  if (std::string wrong = cast_->End(); !wrong.empty()) panel_.Violation(std::move(wrong));
}

}  // namespace trireme::sim
