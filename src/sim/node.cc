#include "sim/node.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "sim/describe.h"
#include "sim/distributions.h"

namespace trireme::sim {

using raft::Index;
using raft::NodeId;
using raft::Ticket;
using raft::Token;

namespace {

constexpr std::uint64_t kSlowDiskFactor = 20;
constexpr Micros kRestartDelay = 200 * kMillisecond;
constexpr Micros kFullDiskDelay = 20 * kMillisecond;
constexpr std::uint64_t kAllBytes = ~std::uint64_t{0};

bool IsFull(const absl::Status& status) {
  return absl::IsResourceExhausted(status);
}

}  // namespace

Node::Node(NodeId id, bool witness, std::unique_ptr<Storage> storage, Surroundings around,
           ServiceMaker& maker)
    : id_(id),
      witness_(witness),
      storage_(std::move(storage)),
      around_(around),
      service_(maker.MakeService(around, this)),
      random_(around.options->seed * 1'000'003 + id.value) {}

raft::Config Node::CoreConfig() {
  const Options& o = *around_.options;
  raft::Config config;
  config.self = id_;
  config.seed = random_.Next();
  config.election_ticks = static_cast<std::uint32_t>(o.election_ticks);
  config.heartbeat_ticks = static_cast<std::uint32_t>(o.heartbeat_ticks);
  config.pre_vote = o.pre_vote != 0;
  config.check_quorum = o.check_quorum != 0;
  config.leader_noop = o.leader_noop != 0;
  config.append_entries_max = static_cast<std::uint32_t>(o.append_entries_max);
  config.inflight_appends_max = static_cast<std::uint32_t>(o.inflight_appends_max);
  config.log_cache_bytes_max = o.log_cache_bytes_max;
  config.snapshot_chunk_bytes_max = o.snapshot_chunk_bytes_max;
  config.lease_ticks = static_cast<std::uint32_t>(o.lease_ticks);
  config.clock_drift_ppm_max = static_cast<std::uint32_t>(o.clock_drift_ppm_max);
  return config;
}

void Node::Start() {
  absl::StatusOr<raft::Restored> restored = storage_->Open();
  if (!restored.ok()) return Stop(restored.status());
  if (const raft::Answer answer = raft::Validate(*restored); !answer.ok()) {
    return around_.panel->Violation(fmt::format("node {} cannot start: {}", id_.value, answer.why));
  }
  around_.trace->Line("{} starts: term {} vote {} snapshot {} entries {}", Name(address()),
                      restored->hard_state.term.value, restored->hard_state.vote.value,
                      Describe(restored->snapshot.last), restored->entries.size());
  around_.panel->Tell(&Oracle::Starts, id_, *restored);
  ++life_;
  const raft::SnapshotMeta snapshot = restored->snapshot;
  core_ = std::make_unique<raft::Core>(CoreConfig(), *std::move(restored));
  service_->Reset();
  applied_ = snapshot_at_ = snapshot.last.index;
  bytes_since_snapshot_ = 0;
  if (snapshot.size_bytes > 0) LoadSnapshot(snapshot.last);
  if (!stop_.ok()) return Stop(stop_);
  SetClock();
}

void Node::LoadSnapshot(raft::LogPosition snapshot) {
  const absl::StatusOr<SharedBytes> bytes = storage_->ReadSnapshot(snapshot.index, 0, kAllBytes);
  if (!bytes.ok()) return StopSoon(bytes.status());
  if (service_->Restore(bytes->view(), snapshot)) return;
  around_.panel->Violation(
      fmt::format("node {} cannot read the snapshot of {}", id_.value, snapshot.index.value));
}

void Node::SetClock() {
  const std::uint64_t drift = around_.options->clock_drift_ppm;
  const std::uint64_t rate = 1'000'000 - drift + random_.Below(2 * drift + 1);
  tick_ns_ = around_.options->tick_us * 1'000 * 1'000'000 / rate;
  next_tick_ns_ = around_.queue->now() * 1'000 + random_.Below(tick_ns_) + 1;
  around_.queue->Add(next_tick_ns_ / 1'000 + 1, EventKind::kTick, address(), life_);
}

void Node::Crash(Random& random) {
  around_.trace->Line("{} crashes", Name(address()));
  storage_->Crash(random);
  core_.reset();
  disk_.Clear();
  held_.clear();
  service_->Reset();
  stop_ = absl::OkStatus();
  led_ = raft::Term{};
  paused_until_ = 0;
}

void Node::Stop(const absl::Status& why) {
  around_.trace->Line("{} stops: {}", Name(address()), why.ToString());
  const std::string_view message(why.message().data(), why.message().size());
  const bool damage = absl::IsDataLoss(why);
  const bool disk = absl::IsUnavailable(why) || absl::IsInternal(why) || IsFull(why);
  if (damage ? !storage_->damaged() || message.find("damaged at offset") == message.npos : !disk) {
    around_.panel->Violation(fmt::format("node {} stops: {}", id_.value, message));
  }
  Crash(random_);
  broken_ = damage;
  if (broken_) return;
  around_.queue->After(kRestartDelay, EventKind::kStart, address());
}

void Node::Pause(Micros until) {
  paused_until_ = std::max(paused_until_, until);
}

/// A shell tells the core of all ticks that have passed before it tells it of anything else: so a
/// leader that was stopped for a while does not take an old lease for a valid one.
void Node::CatchUp() {
  for (; next_tick_ns_ <= around_.queue->now() * 1'000; next_tick_ns_ += tick_ns_) {
    ++ticks_;
    core_->Tick();
  }
}

void Node::OnTick(std::uint64_t life) {
  if (!up() || life != life_) return;
  if (paused()) {
    return around_.queue->Add(paused_until_, EventKind::kTick, address(), life_);
  }
  CatchUp();
  around_.queue->Add(next_tick_ns_ / 1'000 + 1, EventKind::kTick, address(), life_);
  service_->OnTick();
  Pump();
  Housekeep();
}

void Node::Housekeep() {
  const Micros every = around_.options->housekeep_ms * kMillisecond;
  if (!up() || every == 0 || around_.queue->now() < housekeep_at_) return;
  housekeep_at_ = around_.queue->now() + every;
  const absl::Status status = storage_->Housekeep();
  if (!status.ok() && !IsFull(status)) Stop(status);
}

void Node::OnPacket(Packet packet) {
  if (!up()) return RefuseConnection(packet);
  if (paused()) return around_.network->Postpone(std::move(packet), paused_until_);
  if (around_.trace->on()) {
    around_.trace->Line("         {}", Describe(packet.from, packet.to, packet.payload));
  }
  CatchUp();
  if (auto* message = std::get_if<raft::Message>(&packet.payload)) {
    Receive(packet.from, *message);
  } else {
    service_->OnMessage(packet.from, packet.payload);
  }
  Pump();
}

void Node::Receive(Address from, raft::Message& message) {
  const raft::Answer answer = core_->Step(NodeId{from}, std::move(message));
  if (answer.outcome != raft::Outcome::kInvalid) return;
  around_.panel->Violation(fmt::format("node {} takes a message of node {} for impossible: {}",
                                       id_.value, from, answer.why));
}

raft::Answer Node::Propose(Ticket ticket, SharedBytes data) {
  return core_->Propose(ticket, std::move(data)).answer;
}

raft::Answer Node::Read(Ticket ticket) {
  around_.panel->Tell(&Oracle::AsksRead, id_, ticket);
  return core_->Read(ticket);
}

void Node::Pump() {
  while (core_->TakeOutput(&output_)) {
    Route();
    Persist();
    AnswerReads();
    AnswerLost();
    if (output_.restore) Restore(*output_.restore);
    Apply();
    AnswerRequestsOfCore();
    if (!stop_.ok()) return Stop(stop_);
  }
  NoticeLeadership();
  if (SnapshotIsDue()) TakeSnapshot();
  StartDisk();
}

bool Node::SnapshotIsDue() {
  const std::uint64_t every = around_.options->snapshot_every;
  const std::uint64_t bytes = around_.options->snapshot_log_bytes;
  if (every != 0 && core_->Status().applied - snapshot_at_ >= every) return true;
  if (bytes == 0 || core_->Status().snapshot.index != snapshot_at_) return false;
  return bytes_since_snapshot_ >= bytes || service_->TakeShrunk();
}

void Node::Route() {
  for (raft::Outgoing& outgoing : output_.messages) {
    if (outgoing.after == raft::kNothing) {
      around_.network->Send(address(), static_cast<Address>(outgoing.to.value),
                            std::move(outgoing.message));
    } else {
      held_.push_back(std::move(outgoing));
    }
  }
}

void Node::Persist() {
  if (output_.persist.empty()) return;
  around_.panel->Tell(&Oracle::Writes, id_, output_.persist, witness_);
  disk_.Add(std::move(output_.persist));
}

void Node::SendDurable(Token token) {
  std::deque<raft::Outgoing> later;
  for (raft::Outgoing& outgoing : held_) {
    if (outgoing.after > token) {
      later.push_back(std::move(outgoing));
      continue;
    }
    around_.network->Send(address(), static_cast<Address>(outgoing.to.value),
                          std::move(outgoing.message));
  }
  held_ = std::move(later);
}

void Node::AnswerReads() {
  for (const raft::ReadState& read : output_.reads) {
    if (read.granted) around_.panel->Tell(&Oracle::GrantsRead, id_, read.ticket, read.index);
    service_->OnRead(read);
  }
}

void Node::AnswerLost() {
  for (const raft::Lost& lost : output_.lost) service_->OnLost(lost);
}

void Node::Restore(const raft::SnapshotMeta& meta) {
  around_.trace->Line("{} installs the snapshot of {}", Name(address()), Describe(meta.last));
  around_.panel->Tell(&Oracle::Installs, id_, meta);
  if (!witness_) LoadSnapshot(meta.last);
  applied_ = meta.last.index;
  snapshot_at_ = std::max(snapshot_at_, applied_);
  bytes_since_snapshot_ = 0;
  core_->Applied(applied_);
}

void Node::Apply() {
  raft::Committed& committed = output_.committed;
  if (committed.last < committed.first) return;
  if (witness_) return core_->Applied(applied_ = committed.last);
  auto mine = committed.mine.begin();
  for (Index next = committed.first; next <= committed.last;) {
    if (committed.entries.empty()) {
      absl::StatusOr<std::vector<raft::Entry>> read =
          storage_->Read(next, committed.last, kAllBytes);
      if (!read.ok()) return StopSoon(read.status());
      committed.entries = *std::move(read);
    }
    for (const raft::Entry& entry : committed.entries) {
      Ticket ticket;
      if (mine != committed.mine.end() && mine->index == entry.index) ticket = (mine++)->ticket;
      ApplyEntry(entry, ticket);
    }
    next = applied_ + 1;
    committed.entries.clear();
  }
  core_->Applied(applied_);
  service_->OnBatchApplied();
}

void Node::ApplyEntry(const raft::Entry& entry, Ticket ticket) {
  around_.panel->Tell(&Oracle::Applies, id_, entry, core_->Status().term);
  applied_ = entry.index;
  bytes_since_snapshot_ += entry.data.size();
  if (entry.kind != raft::EntryKind::kCommand) return;
  service_->OnApplied(entry, ticket);
}

void Node::AnswerRequestsOfCore() {
  for (const raft::LogReadRequest& request : output_.log_reads) AnswerLogRead(request);
  for (const raft::SnapshotReadRequest& request : output_.snapshot_reads) {
    AnswerSnapshotRead(request);
  }
}

/// A snapshot that is being written, of which the core has not heard yet, may have replaced the one
/// that is asked for.
void Node::AnswerSnapshotRead(const raft::SnapshotReadRequest& request) {
  absl::StatusOr<SharedBytes> bytes =
      storage_->ReadSnapshot(request.snapshot, request.offset, request.bytes_max);
  if (bytes.ok()) {
    return core_->SnapshotRead(request.peer, request.snapshot, request.offset, *std::move(bytes));
  }
  if (!absl::IsNotFound(bytes.status())) return StopSoon(bytes.status());
  core_->SnapshotRead(request.peer, storage_->SnapshotIndex(), request.offset, {});
}

/// And it may have dropped entries.
void Node::AnswerLogRead(const raft::LogReadRequest& request) {
  absl::StatusOr<std::vector<raft::Entry>> entries =
      storage_->Read(request.first, request.last, request.bytes_max);
  if (entries.ok()) return core_->LogRead(request.peer, *std::move(entries));
  if (!absl::IsOutOfRange(entries.status())) return StopSoon(entries.status());
  core_->LogRead(request.peer, {});
}

void Node::NoticeLeadership() {
  const raft::CoreStatus status = core_->Status();
  if (status.role != raft::RoleName::kLeader || status.term == led_) return;
  led_ = status.term;
  around_.trace->Line("{} leads in term {}", Name(address()), led_.value);
  around_.panel->Tell(&Oracle::Leads, id_, led_);
}

void Node::TakeSnapshot() {
  if (!up()) return;
  if (witness_) applied_ = core_->Status().applied;
  if (applied_ <= snapshot_at_) return;
  std::optional<raft::SnapshotMeta> meta = core_->MetaAt(applied_);
  if (!meta) return;
  snapshot_at_ = applied_;
  bytes_since_snapshot_ = 0;
  std::string bytes = witness_ ? std::string() : service_->Capture();
  meta->size_bytes = bytes.size();
  const std::uint64_t keep = around_.options->keep_entries;
  const Index drop_to = applied_ > Index{keep} ? applied_ - keep : Index{};
  around_.trace->Line("{} takes a snapshot of {}", Name(address()), Describe(meta->last));
  disk_.Add(DiskQueue::OwnSnapshot{*std::move(meta), std::move(bytes), drop_to});
  StartDisk();
}

void Node::StartDisk() {
  if (disk_.busy() || disk_.empty()) return;
  if (const absl::Status status = disk_.Begin(storage_.get()); !status.ok()) return Stop(status);
  const Micros mean =
      disk_.full() ? kFullDiskDelay : around_.options->sync_us * (slow_disk_ ? kSlowDiskFactor : 1);
  around_.queue->After(mean / 2 + Exponential(random_, mean / 2), EventKind::kDisk, address(),
                       life_);
}

void Node::OnDisk(std::uint64_t life) {
  if (!up() || life != life_) return;
  if (paused()) return around_.queue->Add(paused_until_, EventKind::kDisk, address(), life_);
  absl::StatusOr<DiskQueue::Durable> durable = disk_.End(storage_.get());
  if (!durable.ok()) return Stop(durable.status());
  CatchUp();
  if (around_.trace->on()) {
    around_.trace->Line("{} has synced token {}", Name(address()), durable->token.value);
  }
  if (durable->snapshot_refused) RefuseSnapshot();
  if (durable->token != raft::kNothing) {
    core_->Persisted(durable->token);
    SendDurable(durable->token);
  }
  for (const DiskQueue::OwnSnapshot& own : durable->snapshots) {
    const raft::Answer answer = core_->Compact(own.meta.last.index, own.bytes.size(), own.drop_to);
    if (answer.ok()) around_.panel->Tell(&Oracle::Compacts, id_, own.meta.last.index);
  }
  Pump();
}

void Node::RefuseSnapshot() {
  around_.trace->Line("{} has no room for the leader's snapshot", Name(address()));
  core_->SnapshotNotStored();
  std::erase_if(held_, [](const raft::Outgoing& out) {
    return std::holds_alternative<raft::SnapshotProgress>(out.message);
  });
}

/// A client hears at once that nobody listens; a peer does not care.
void Node::RefuseConnection(const Packet& packet) {
  if (const auto* letter = std::get_if<std::shared_ptr<const Letter>>(&packet.payload)) {
    if (auto refusal = (*letter)->Refusal()) Send(packet.from, std::move(refusal));
    return;
  }
  const auto* request = std::get_if<Request>(&packet.payload);
  if (request == nullptr) return;
  around_.network->Send(address(), packet.from,
                        Reply{request->command.sequence, ReplyKind::kNotExecuted, {}, 0});
}

bool Node::Transfer(NodeId to) {
  if (!up() || paused()) return false;
  const bool ok = core_->Transfer(to).ok();
  Pump();
  return ok;
}

bool Node::Campaign() {
  if (!up() || paused()) return false;
  const bool ok = core_->Campaign().ok();
  Pump();
  return ok;
}

bool Node::ChangeMembership(const raft::Configuration& target) {
  if (!up() || paused()) return false;
  const raft::Answer answer = core_->ChangeMembership(Ticket{}, target).answer;
  around_.trace->Line("{} is to change membership to{}: {}", Name(address()), Describe(target),
                      answer.ok() ? "accepted" : answer.why);
  Pump();
  return answer.ok();
}

std::optional<raft::LogPosition> Node::Propose(SharedBytes data) {
  if (!up() || paused()) return std::nullopt;
  const raft::Proposed proposed = core_->Propose(Ticket{}, std::move(data));
  Pump();
  if (!proposed.answer.ok()) return std::nullopt;
  return proposed.position;
}

}  // namespace trireme::sim
