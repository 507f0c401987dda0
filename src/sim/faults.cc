#include "sim/faults.h"

#include <algorithm>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "raft/core/configuration.h"
#include "sim/describe.h"
#include "sim/distributions.h"

namespace trireme::sim {

const std::array<Faults::Kind, Faults::kKindCount> Faults::kKinds = {{
    {&Options::crash_ms, &Faults::Crash},
    {&Options::crash_leader_ms, &Faults::CrashLeader},
    {&Options::crash_all_ms, &Faults::CrashAll},
    {&Options::stumble_ms, &Faults::Stumble},
    {&Options::pause_ms, &Faults::Pause},
    {&Options::partition_ms, &Faults::Partition},
    {&Options::isolate_leader_ms, &Faults::IsolateLeader},
    {&Options::slow_disk_ms, &Faults::SlowDisk},
    {&Options::transfer_ms, &Faults::Transfer},
    {&Options::campaign_ms, &Faults::Campaign},
    {&Options::membership_ms, &Faults::Membership},
    {&Options::snapshot_ms, &Faults::Snapshot},
    {&Options::full_disk_ms, &Faults::FullDisk},
    {&Options::sync_fails_ms, &Faults::SyncFails},
    {&Options::power_off_ms, &Faults::PowerOff},
    {&Options::damage_ms, &Faults::Damage},
}};

namespace {

constexpr std::uint64_t kDiskOperationsMax = 40;
/// The number of the event at which the operator looks after damaged nodes.
constexpr std::uint64_t kReplace = 0;
constexpr Micros kOperatorLooks = 200 * kMillisecond;

void Insert(std::vector<raft::NodeId>* list, raft::NodeId node) {
  list->insert(std::lower_bound(list->begin(), list->end(), node), node);
}

void Remove(std::vector<raft::NodeId>* list, raft::NodeId node) {
  list->erase(std::remove(list->begin(), list->end(), node), list->end());
}

}  // namespace

Faults::Faults(Surroundings around, std::vector<std::unique_ptr<Node>>* nodes,
               std::function<void()> make_node, std::uint32_t place)
    : around_(around),
      nodes_(*nodes),
      make_node_(std::move(make_node)),
      place_(place),
      random_(around.options->seed * 3'000'017 + 1 + place) {}

void Faults::Begin() {
  for (std::uint32_t kind = 0; kind < kKinds.size(); ++kind) Schedule(kind);
}

void Faults::Schedule(std::uint32_t kind) {
  const Options::Number mean_ms = around_.options->*kKinds[kind].mean_ms;
  if (mean_ms == 0) return;
  around_.queue->After(Exponential(random_, mean_ms * kMillisecond), EventKind::kFault,
                       place_ * kKindCount + kind);
}

void Faults::OnFault(std::uint32_t who) {
  if (over_) return;
  const std::uint32_t kind = who % kKindCount;
  (this->*kKinds[kind].happen)();
  Schedule(kind);
}

void Faults::OnFaultEnds(std::uint64_t number) {
  if (number == kReplace) return Replace();
  if (const auto full = full_.extract(number); !full.empty()) {
    full.mapped()->storage().SetFull(false);
  }
  if (const auto cut = cuts_.extract(number); !cut.empty()) MendAll(cut.mapped());
  if (const auto slow = slow_.extract(number); !slow.empty()) slow.mapped()->SetSlowDisk(false);
}

void Faults::End() {
  over_ = true;
  around_.trace->Line("-------- faults are over");
  while (!cuts_.empty()) OnFaultEnds(cuts_.begin()->first);
  while (!slow_.empty()) OnFaultEnds(slow_.begin()->first);
  while (!full_.empty()) OnFaultEnds(full_.begin()->first);
  for (const std::unique_ptr<Node>& node : nodes_) {
    node->storage().PowerOffAfter(UINT64_MAX);
    if (!node->up() && !node->broken()) node->Start();
  }
}

Micros Faults::Duration() {
  return kMillisecond + Exponential(random_, around_.options->fault_mean_ms * kMillisecond);
}

Node& Faults::AnyNode() {
  return *nodes_[random_.Below(nodes_.size())];
}

/// The one of the highest term, if several think they lead.
Node* Faults::Leader() {
  Node* leader = nullptr;
  for (const std::unique_ptr<Node>& node : nodes_) {
    if (!node->leads() || node->paused()) continue;
    if (leader == nullptr || node->core().Status().term > leader->core().Status().term) {
      leader = node.get();
    }
  }
  return leader;
}

void Faults::CrashForAWhile(Node& node) {
  if (!node.up()) return;
  node.Crash(random_);
  around_.queue->After(Duration(), EventKind::kStart, node.address());
}

void Faults::Crash() {
  Node* leader = random_.OneIn(3) ? Leader() : nullptr;
  CrashForAWhile(leader != nullptr ? *leader : AnyNode());
}

void Faults::CrashLeader() {
  if (Node* leader = Leader(); leader != nullptr) CrashForAWhile(*leader);
}

void Faults::Stumble() {
  Node& node = AnyNode();
  if (!node.up()) return;
  node.Crash(random_);
  around_.queue->After(random_.Below(kMillisecond), EventKind::kStart, node.address());
}

void Faults::CrashAll() {
  for (const std::unique_ptr<Node>& node : nodes_) CrashForAWhile(*node);
}

void Faults::Pause() {
  Node* leader = random_.OneIn(2) ? Leader() : nullptr;
  Node& node = leader != nullptr ? *leader : AnyNode();
  const Micros now = around_.queue->now();
  const Micros until = std::min(now + Duration(), around_.options->safety_ms * kMillisecond);
  around_.trace->Line("{} pauses for {} us", Name(node.address()), until - now);
  node.Pause(until);
}

/// Two sides that do not hear each other; one that does not hear the other; single links.
Faults::Links Faults::DrawLinks() {
  std::vector<bool> side(nodes_.size());
  for (std::size_t i = 0; i < side.size(); ++i) side[i] = random_.OneIn(2);
  const std::uint64_t form = random_.Below(3);
  Links links;
  for (std::size_t i = 0; i < side.size(); ++i) {
    for (std::size_t j = 0; j < side.size(); ++j) {
      const bool across = form == 1 ? side[i] && !side[j] : side[i] != side[j];
      if (i == j || !(form == 2 ? random_.OneIn(4) : across)) continue;
      links.emplace_back(nodes_[i]->address(), nodes_[j]->address());
    }
  }
  return links;
}

void Faults::Partition() {
  CutForAWhile(DrawLinks());
}

void Faults::IsolateLeader() {
  const Node* leader = Leader();
  if (leader == nullptr) return;
  const std::uint64_t form = random_.Below(4);  // both directions, one of them
  Links links;
  for (const std::unique_ptr<Node>& node : nodes_) {
    if (node.get() == leader) continue;
    if (form != 0) links.emplace_back(node->address(), leader->address());
    if (form != 1) links.emplace_back(leader->address(), node->address());
  }
  CutForAWhile(std::move(links));
}

void Faults::CutForAWhile(Links links) {
  std::string text;
  for (const auto& [from, to] : links) {
    around_.network->Cut(from, to);
    if (around_.trace->on()) text += fmt::format(" {}>{}", from, to);
  }
  around_.trace->Line("cut     {}", text);
  cuts_.emplace(++last_number_, std::move(links));
  around_.queue->After(Duration(), EventKind::kFaultEnds, place_, last_number_);
}

void Faults::MendAll(const Links& links) {
  std::string text;
  for (const auto& [from, to] : links) {
    around_.network->Mend(from, to);
    if (around_.trace->on()) text += fmt::format(" {}>{}", from, to);
  }
  around_.trace->Line("mended  {}", text);
}

void Faults::SlowDisk() {
  Node& node = AnyNode();
  around_.trace->Line("{} has a slow disk", Name(node.address()));
  node.SetSlowDisk(true);
  slow_.emplace(++last_number_, &node);
  around_.queue->After(Duration(), EventKind::kFaultEnds, place_, last_number_);
}

void Faults::Transfer() {
  Node* leader = Leader();
  if (leader == nullptr) return;
  const raft::NodeId to = random_.OneIn(3) ? raft::kNobody : AnyNode().id();
  const bool accepted = leader->Transfer(to);
  around_.trace->Line("{} is to hand over to {}: {}", Name(leader->address()), to.value,
                      accepted ? "accepted" : "refused");
}

void Faults::Campaign() {
  for (std::uint64_t candidates = 1 + random_.Below(2); candidates > 0; --candidates) {
    Node& node = AnyNode();
    around_.trace->Line("{} is to campaign", Name(node.address()));
    node.Campaign();
  }
}

void Faults::Membership() {
  Node* leader = Leader();
  if (leader == nullptr) return;
  const raft::Configuration now = leader->core().Membership();
  if (!now.joint()) leader->ChangeMembership(DrawMembership(now));
}

/// One to three servers change their part at once. A witness must never be needed to elect: it may
/// hold what no electable server has, and would then refuse them all for ever.
raft::Configuration Faults::DrawMembership(const raft::Configuration& now) {
  raft::Configuration target = now;
  target.goal = {};
  for (std::uint64_t changes = 1 + random_.Below(3); changes > 0; --changes) {
    Toggle(AnyNode(), &target);
  }
  const std::size_t full = target.voters.size() - target.witnesses.size();
  return 2 * full > target.voters.size() ? target : now;
}

/// Outsiders become learners or voters, learners voters or outsiders, voters learners or outsiders;
/// a witness votes or is outside. One full voter stays.
void Faults::Toggle(const Node& node, raft::Configuration* c) {
  const bool voter = raft::IsVoter(*c, node.id());
  const bool learner = raft::IsLearner(*c, node.id());
  if (voter && !node.witness() && c->voters.size() - c->witnesses.size() <= 1) return;
  Remove(&c->voters, node.id());
  Remove(&c->learners, node.id());
  Remove(&c->witnesses, node.id());
  if (node.witness()) {
    if (voter) return;
    Insert(&c->voters, node.id());
    Insert(&c->witnesses, node.id());
  } else if (learner ? random_.OneIn(2) : !voter && random_.OneIn(3)) {
    Insert(&c->voters, node.id());
  } else if (!learner && random_.OneIn(2)) {
    Insert(&c->learners, node.id());
  }
}

void Faults::Snapshot() {
  AnyNode().TakeSnapshot();
}

void Faults::FullDisk() {
  Node& node = AnyNode();
  around_.trace->Line("{} has a full disk", Name(node.address()));
  node.storage().SetFull(true);
  full_.emplace(++last_number_, &node);
  around_.queue->After(Duration(), EventKind::kFaultEnds, place_, last_number_);
}

void Faults::SyncFails() {
  AnyNode().storage().FailNextSync();
}

void Faults::PowerOff() {
  AnyNode().storage().PowerOffAfter(random_.Below(kDiskOperationsMax));
}

/// Of a minority of the first voters in all of a world's time, so that what has committed stands on
/// sound disks too; not of those who take another's place.
void Faults::Damage() {
  Node& node = AnyNode();
  const auto known = [&](const Casualty& casualty) {
    return casualty.node == &node || casualty.replacement == &node;
  };
  if (!node.up() || std::any_of(casualties_.begin(), casualties_.end(), known)) return;
  if (casualties_.size() >= (around_.options->voters - 1) / 2) return;
  const std::string where = node.storage().Damage(random_);
  if (where.empty()) return;
  around_.trace->Line("{} has damage in {}", Name(node.address()), where);
  casualties_.push_back({&node});
  if (!std::exchange(operator_looks_, true)) LookAgain();
}

void Faults::LookAgain() {
  around_.queue->After(kOperatorLooks, EventKind::kFaultEnds, place_, kReplace);
}

void Faults::Replace() {
  operator_looks_ = false;
  for (Casualty& casualty : casualties_) {
    casualty.replaced = casualty.replaced || Replaced(casualty);
    operator_looks_ |= !casualty.replaced;
  }
  if (operator_looks_) LookAgain();
}

/// What an operator does about a node that refuses to start: makes a new one, under another id,
/// take its place, as a learner first if it must. True: it is done.
bool Faults::Replaced(Casualty& casualty) {
  Node* leader = casualty.node->broken() ? Leader() : nullptr;
  if (leader == nullptr) return false;
  raft::Configuration now = leader->core().Membership();
  if (now.joint() || now.waits()) return false;
  const raft::NodeId damaged = casualty.node->id();
  if (!raft::IsMember(now, damaged)) return true;
  if (casualty.replacement == nullptr) {
    make_node_();
    casualty.replacement = nodes_.back().get();
  }
  const raft::NodeId replacement = casualty.replacement->id();
  raft::Configuration target = now;
  const bool voter = raft::IsVoter(now, damaged);
  Remove(&target.voters, damaged);
  Remove(&target.learners, damaged);
  Remove(&target.learners, replacement);
  Insert(voter ? &target.voters : &target.learners, replacement);
  if (!leader->ChangeMembership(target) && !raft::IsMember(now, replacement)) {
    Insert(&now.learners, replacement);
    leader->ChangeMembership(now);
  }
  return false;
}

}  // namespace trireme::sim
