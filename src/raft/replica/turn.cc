#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "io/log.h"
#include "raft/core/codec.h"
#include "raft/core/configuration.h"
#include "raft/replica/host_loop.h"
#include "raft/replica/members.h"

/// What the loop does with what has happened.
namespace trireme::raft {

absl::Status ToStatus(const Answer& answer) {
  switch (answer.outcome) {
    case Outcome::kOk:
      return absl::OkStatus();
    case Outcome::kNotLeader:
      return absl::UnavailableError(answer.why);
    case Outcome::kInvalid:
      return absl::InvalidArgumentError(answer.why);
    case Outcome::kStale:
      return absl::AlreadyExistsError(answer.why);
    case Outcome::kBusy:
      return absl::ResourceExhaustedError(answer.why);
    case Outcome::kNotYet:
      return absl::FailedPreconditionError(answer.why);
  }
  return absl::InternalError(answer.why);
}

namespace {

constexpr std::chrono::milliseconds kReviewInterval{1000};

}  // namespace

void HostLoop::Run() {
  while (!stopping_) {
    inbox_.Await(options_.tick);
    const std::lock_guard lock(turn_mutex_);
    Turn();
  }
}

/// Waking the loop costs more than a turn does; so whoever has brought something takes the turn
/// itself. Somebody who is at it looks into the inbox once more before it leaves, and so nobody
/// waits for another. Nobody is kept for long: what goes on coming is the loop's.
void HostLoop::TurnHere() {
  constexpr int kTurnsMax = 4;
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    if (turning_.exchange(true)) return;
    std::unique_lock lock(turn_mutex_, std::try_to_lock);
    const bool may = lock.owns_lock() && !stopping_;
    if (may) Turn();
    if (lock.owns_lock()) lock.unlock();
    turning_ = false;
    if (!may) break;
    if (!inbox_.something()) return;
  }
  inbox_.Wake();
}

namespace {

/// Proposals and reads without a result, from which on others may be gathered with the next.
constexpr std::uint64_t kFewOutstanding = 4;

}  // namespace

/// A turn of a leader with many proposals sends megabytes: nothing that the log's next batch should
/// wait for.
void HostLoop::TurnHereOrWake() {
  outstanding_.load(std::memory_order_relaxed) < kFewOutstanding ? TurnHere() : inbox_.Wake();
}

/// One that is alone is not kept waiting. Where others are under way already, the next are better
/// gathered: the loop takes them all at once.
void HostLoop::TurnHereOrGather(std::size_t brought) {
  constexpr std::size_t kMany = 8;
  if ((outstanding_.load(std::memory_order_relaxed) < kFewOutstanding || brought >= kMany) &&
      !applier_->InThread()) {
    TurnHere();
  } else {
    inbox_.Wake();
  }
}

void HostLoop::Turn() {
  counters_.turns.fetch_add(1, std::memory_order_relaxed);
  inbox_.Take(&taken_);
  TakeTicks();
  for (const WalProgress& progress : taken_.persisted) Persisted(progress);
  TakeApplied();
  for (const NodeId peer : taken_.unreachable) {
    addresses_told_.erase(peer.value);
    for (Group* group : in_order_) {
      if (!group->failure.ok()) continue;
      CoreOf(*group).Unreachable(peer);
    }
  }
  TakeFrames();
  // What a peer had said before its connection broke is known by now.
  for (const NodeId peer : taken_.unreachable) ForwardsUnreachable(peer);
  TakeProposals();
  TakeReads();
  for (auto& task : taken_.tasks) task();
  CarryOut();
}

/// Of a long pause of the process, no more ticks than make every timeout of a core run out.
void HostLoop::TellTicks(Group& group) {
  std::uint64_t ticks = wheel_.now() - std::exchange(group.told_tick, wheel_.now());
  if (ticks == 0 || !group.failure.ok()) return;
  if (ticks >= TickWheel<Group>::kSlots) {
    const Config& config = group.options.config;
    ticks = std::min(ticks, 4 * (std::uint64_t{config.election_ticks} + config.lease_ticks) +
                                config.heartbeat_ticks);
  }
  group.core->Tick(ticks);
  if (group.forwards.empty()) return;
  group.forwards.Tick(ticks);
  EndForwards(group);
}

/// Ticks that are due come before everything else: a lease may have run out. A group that they
/// bring nothing is told of them later, all at once.
void HostLoop::TakeTicks() {
  const std::chrono::nanoseconds now = clock_.Now();
  auto due = static_cast<std::uint64_t>(std::max<std::int64_t>(0, (now - ticked_) / options_.tick));
  if (due == 0) return;
  ticked_ += due * std::chrono::nanoseconds(options_.tick);
  wheel_.Advance(due, &due_);
  // One after the other to the end: each takes more of the processor's cache than its time.
  for (Group* group : due_) {
    if (!group->failure.ok()) continue;
    TellTicks(*group);
    CarryOut(*group);
  }
  due_.clear();
  if (ticked_ - housekept_ >= std::chrono::seconds(1)) {
    housekept_ = ticked_;
    Housekeep();
  }
  if (ticked_ - reviewed_ >= std::min(kReviewInterval, options_.forget_peer_after)) ReviewPeers();
  if (ticked_ - told_ >= std::chrono::seconds(10)) {
    for (Group* group : in_order_) ReplaceOldFull(*group);
    addresses_told_.clear();  // what was lost on the way is told again
    told_ = ticked_;
  }
}

void HostLoop::Persisted(const WalProgress& progress) {
  Group* const group = FindGroup(progress.group);
  if (group == nullptr || !group->failure.ok()) return;
  if (progress.snapshot_refused) CoreOf(*group).SnapshotNotStored();
  CoreOf(*group).Persisted(progress.token);
}

void HostLoop::TakeApplied() {
  for (const Applier::Report& report : taken_.applied) {
    Group* const group = FindGroup(report.group->id);
    if (group == nullptr || !group->failure.ok()) continue;
    CoreOf(*group).Applied(report.applied);
    group->entries_since_snapshot += report.entries;
    group->bytes_since_snapshot += report.bytes;
    group->trailing.Add(report.applied, report.bytes);
    counters_.applied_entries.fetch_add(report.entries, std::memory_order_relaxed);
    counters_.applied_bytes.fetch_add(report.bytes, std::memory_order_relaxed);
    if (report.restored) {
      counters_.snapshots_restored.fetch_add(1, std::memory_order_relaxed);
      group->full_at = group->core->Status().snapshot.index;
      group->full_is_old = false;
    }
    SnapshotIfDue(*group);
  }
}

void HostLoop::TakeFrames() {
  for (const Inbox::FrameItem& item : taken_.frames) TakeFrame(item);
}

void HostLoop::TakeFrame(const Inbox::FrameItem& item) {
  SectionReader reader(item.frame);
  GroupId group;
  SharedBytes section;
  while (reader.Next(&group, &section)) {
    if (group == kHostSection) {
      TakeAddresses(section);
    } else {
      TakeMessage(item.from, group, section);
    }
  }
  if (reader.sound()) return;
  counters_.frames_damaged.fetch_add(1, std::memory_order_relaxed);
  io::Log(
      io::LogLevel::kWarn, "raft_frame_damaged",
      {{"from", std::to_string(item.from.value)}, {"bytes", std::to_string(item.frame.size())}});
}

void HostLoop::TakeMessage(NodeId from, GroupId id, const SharedBytes& bytes) {
  Group* const group = FindGroup(id);
  if (group == nullptr || !group->failure.ok()) {
    counters_.messages_unclaimed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (!bytes.empty() && bytes.view()[0] == kForwardSection) {
    return TakeForward(from, *group, bytes);
  }
  if (!bytes.empty() && bytes.view()[0] == kAnswerSection) {
    return TakeForwardAnswer(from, *group, bytes);
  }
  std::optional<Message> message = DecodeMessage(bytes);
  if (!message) {
    counters_.frames_damaged.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  counters_.messages_received.fetch_add(1, std::memory_order_relaxed);
  TellTicks(*group);
  if (Answer answer = group->core->Step(from, *std::move(message)); !answer.ok()) {
    const std::uint64_t count = counters_.messages_refused.fetch_add(1) + 1;
    if ((count & (count - 1)) == 0) {  // the 1st, 2nd, 4th, 8th ...
      io::Log(io::LogLevel::kWarn, "raft_message_refused",
              {{"group", std::to_string(id.value)},
               {"from", std::to_string(from.value)},
               {"why", answer.why},
               {"count", std::to_string(count)}});
    }
  }
  if (!group->core->settled()) MarkDirty(*group);
}

absl::Status HostLoop::Unable(const Group& group) const {
  if (stopping_) return absl::CancelledError("the Raft host is stopping");
  if (!group.failure.ok()) return group.failure;
  if (group.proposals.size() + group.reads.size() + group.forwards.size() +
          group.to_forward.proposals.size() >=
      options_.outstanding_max) {
    return absl::ResourceExhaustedError(fmt::format(
        "group {}: outstanding_max ({}) proposals and reads have no result yet; wait for some",
        group.id().value, options_.outstanding_max));
  }
  return absl::OkStatus();
}

absl::Status HostLoop::DiskFull(const Group& group) const {
  return absl::ResourceExhaustedError(fmt::format(
      "group {}: the disk of node {} is full: proposals are refused until there is room",
      group.id().value, self().value));
}

void HostLoop::TakeProposals() {
  counters_.proposals.fetch_add(taken_.proposals.size(), std::memory_order_relaxed);
  const bool full = !taken_.proposals.empty() && disk_full();
  for (Inbox::ProposalItem& item : taken_.proposals) {
    Group& group = *item.group;
    absl::Status unable = Unable(group);
    if (unable.ok() && full) {
      unable = DiskFull(group);
    }
    if (!unable.ok()) {
      Refuse(group, std::move(item.done), std::move(unable));
      continue;
    }
    if (MayForward(group, item)) continue;
    const Ticket ticket = item.done ? group.proposals.Add(std::move(item.done)) : Ticket{};
    Proposed proposed = CoreOf(group).Propose(ticket, std::move(item.data));
    if (proposed.answer.ok() || ticket == Ticket{}) continue;
    Refuse(group, *group.proposals.Take(ticket), ToStatus(proposed.answer));
  }
  SendForwards();
}

void HostLoop::TakeReads() {
  counters_.reads.fetch_add(taken_.reads.size(), std::memory_order_relaxed);
  for (Inbox::ReadItem& item : taken_.reads) {
    Group& group = *item.group;
    if (absl::Status unable = Unable(group); !unable.ok()) {
      RefuseRead(group, std::move(item.done), std::move(unable));
      continue;
    }
    const Ticket ticket = group.reads.Add(std::move(item.done));
    const Answer answer = CoreOf(group).Read(ticket);
    if (answer.ok()) continue;
    RefuseRead(group, *group.reads.Take(ticket), ToStatus(answer));
  }
}

void HostLoop::ChangeMembers(Group& group, std::vector<Member> members, ProposalCallback done) {
  const std::lock_guard lock(turn_mutex_);
  absl::Status unable = Unable(group);
  const auto target = ToConfiguration(members);
  if (unable.ok()) unable = target.status();
  for (const Member& member : members) {
    if (unable.ok()) unable = LearnAddress({member.id, member.address, WallMs()});
    if (unable.ok()) Remember(member.id);
  }
  if (!unable.ok()) {
    Refuse(group, std::move(done), std::move(unable));
  } else {
    const Ticket ticket = done ? group.proposals.Add(std::move(done)) : Ticket{};
    const Proposed proposed = CoreOf(group).ChangeMembership(ticket, *target);
    if (proposed.answer.ok()) group.change_ticket = ticket;
    if (!proposed.answer.ok() && ticket != Ticket{}) {
      Refuse(group, *group.proposals.Take(ticket), ToStatus(proposed.answer));
    }
  }
  CarryOut();
}

/// Straight to the apply thread.
void HostLoop::QueryLocal(Group& group, std::string request,
                          absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  if (stopping_) return done(absl::CancelledError("the Raft host is stopping"));
  std::vector<ApplyItem> items(1);
  items[0].group = &group.applying;
  items[0].calls.push_back([seen = &group.applying, request = std::move(request),
                            done = std::move(done)]() mutable {
    if (!seen->readable()) {
      return done(absl::UnavailableError("the state is being replaced by a snapshot; ask again"));
    }
    done(seen->machine->Query(request));
  });
  applier_->Push(std::move(items));
}

absl::Status HostLoop::CallCore(Group& group, const std::function<Answer(Core&)>& call) {
  const std::lock_guard lock(turn_mutex_);
  if (absl::Status unable = Unable(group); !unable.ok()) return unable;
  const absl::Status status = ToStatus(call(CoreOf(group)));
  CarryOut();
  return status;
}

}  // namespace trireme::raft
