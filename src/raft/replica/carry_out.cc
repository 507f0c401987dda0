#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "io/log.h"
#include "raft/core/configuration.h"
#include "raft/replica/durable.h"
#include "raft/replica/host_loop.h"

/// What the cores say is to be done.
namespace trireme::raft {

/// Before it is told of anything: the ticks that were kept back come first.
void HostLoop::MarkDirty(Group& group) {
  if (std::exchange(group.dirty, true)) return;
  dirty_.push_back(&group);
  TellTicks(group);
}

namespace {

/// Two followers' copies of it take about 0.1 ms: checksums, and what the kernel copies.
constexpr std::size_t kSentLastBytesMin = 128u << 10;

absl::Status WhyChangeLost(const Group& group, LostKind kind) {
  if (kind == LostKind::kAbandoned && !group.core->WhyChangeEnded().empty()) {
    return absl::AbortedError(group.core->WhyChangeEnded());
  }
  if (kind != LostKind::kUnknown) {
    return absl::UnavailableError("leadership changed before the change of membership committed");
  }
  return absl::UnavailableError(
      "leadership changed; a change of membership that waited for new voters may go on under the "
      "next leader");
}

}  // namespace

/// Until no core has anything to say. What needs no disk is on its way before the disk is asked:
/// the followers' syncs end last. But so much to send that it takes as long as a sync is sent while
/// the log's thread writes and the apply thread answers. With a store that does not wait, what it
/// makes durable is told at once.
void HostLoop::CarryOut() {
  do {
    for (std::size_t i = 0; i < dirty_.size(); ++i) CarryOut(*dirty_[i]);
    dirty_.clear();
    TellAddresses();
    const bool sends_last = options_.store->waits() && outbox_.bytes() >= kSentLastBytesMin;
    if (!sends_last) SendAll(outbox_);
    if (!to_apply_.empty()) applier_->Push(std::exchange(to_apply_, {}));
    const bool writes = !to_write_.empty();
    if (writes) wal_->Push(std::exchange(to_write_, {}));
    if (sends_last) SendAll(outbox_);
    if (!writes || options_.store->waits()) return;
    for (const WalProgress& one : std::exchange(persisted_here_, {})) Persisted(one);
  } while (!dirty_.empty());
}

void HostLoop::CarryOut(Group& group) {
  group.dirty = false;
  while (group.failure.ok() && group.core->TakeOutput(&output_)) {
    CarryOutMessages(group);
    CarryOutApply(group);
    CarryOutReads(group);
  }
  Publish(group);
  if (!group.failure.ok()) return;
  wheel_.Wait(group, group.forwards.empty() ? group.core->QuietTicks() + 1 : 1);
}

void HostLoop::CarryOutMessages(Group& group) {
  WalItem item;
  item.group = group.id();
  for (Outgoing& out : output_.messages) {
    if (out.after == kNothing) {
      outbox_.Add(out.to, group.id(), out.message);
    } else {
      item.messages.push_back(std::move(out));
    }
  }
  item.persist = std::move(output_.persist);
  if (!item.persist.empty() || !item.messages.empty()) to_write_.push_back(std::move(item));
}

void HostLoop::CarryOutApply(Group& group) {
  Committed& committed = output_.committed;
  const bool commits = committed.last >= committed.first;
  if (commits || output_.restore) {
    ApplyItem& item = to_apply_.emplace_back();
    item.group = &group.applying;
    item.restore = output_.restore;
    item.mine.reserve(committed.mine.size());
    for (const Committed::Mine& mine : committed.mine) {
      if (auto done = group.proposals.Take(mine.ticket)) {
        item.mine.push_back({mine.index, *std::move(done)});
      }
    }
    PlaceForwards(group, output_, &item);
    counters_.committed.fetch_add(item.mine.size(), std::memory_order_relaxed);
    item.committed = std::move(committed);
  }
  for (const Lost& lost : output_.lost) {
    auto done = group.proposals.Take(lost.ticket);
    if (!done) continue;
    counters_.lost.fetch_add(1, std::memory_order_relaxed);
    ProposalResult result;
    result.state =
        lost.kind == LostKind::kUnknown ? ProposalState::kUnknown : ProposalState::kNotExecuted;
    result.status = absl::UnavailableError(
        lost.kind == LostKind::kUnknown
            ? "a snapshot covers the proposal: it may have taken effect"
            : "leadership changed, and another entry has taken the proposal's place");
    if (lost.ticket == group.change_ticket) result.status = WhyChangeLost(group, lost.kind);
    result.leader = group.leader();
    ApplyCalls(group).calls.push_back(
        [done = *std::move(done), result = std::move(result)]() mutable { done(result); });
  }
}

void HostLoop::CarryOutReads(Group& group) {
  for (const ReadState& read : output_.reads) {
    auto done = group.reads.Take(read.ticket);
    if (!done) continue;
    if (!read.granted) {
      RefuseRead(group, *std::move(done),
                 absl::UnavailableError("leadership changed, or the leader did not answer"));
      continue;
    }
    ApplyCalls(group).calls.push_back([done = *std::move(done), index = read.index,
                                       seen = &group.applying]() mutable { done(index, *seen); });
  }
  for (const LogReadRequest& request : output_.log_reads) {
    reader_->Post([this, request, id = group.id()] {
      auto entries = options_.store->Read(id, request.first, request.last, request.bytes_max);
      if (!entries.ok()) entries = std::vector<Entry>{};
      inbox_.Post([this, id, peer = request.peer, entries = *std::move(entries)]() mutable {
        Group* const reader = FindGroup(id);
        if (reader == nullptr || !reader->failure.ok()) return;
        CoreOf(*reader).LogRead(peer, std::move(entries));
      });
    });
  }
  for (const SnapshotReadRequest& request : output_.snapshot_reads) {
    if (MakeFullSnapshot(group)) continue;  // the core asks again
    reader_->Post([this, request, id = group.id()] {
      auto bytes =
          options_.store->ReadSnapshot(id, request.snapshot, request.offset, request.bytes_max);
      const bool gone = absl::IsNotFound(bytes.status());
      SharedBytes data = bytes.ok() ? *std::move(bytes) : SharedBytes{};
      inbox_.Post([this, id, request, gone, data = std::move(data)] {
        Group* const reader = FindGroup(id);
        if (reader == nullptr || !reader->failure.ok()) return;
        // A newer one has taken its place; the core knows of it, or will.
        const Index snapshot = gone ? reader->core->Status().snapshot.index : request.snapshot;
        CoreOf(*reader).SnapshotRead(request.peer, snapshot, request.offset, data);
      });
    });
  }
}

/// By the loop and by the log's thread, each with an outbox of its own.
void HostLoop::SendAll(TurnOutbox& outbox) {
  outbox.Flush([this](NodeId to, std::vector<SharedBytes> pieces) {
    std::uint64_t bytes = 0;
    for (const SharedBytes& piece : pieces) bytes += piece.size();
    if (options_.transport == nullptr || !options_.transport->Send(to, pieces)) {
      counters_.frames_not_sent.fetch_add(1, std::memory_order_relaxed);
      return inbox_.Unreachable(to);
    }
    counters_.frames_sent.fetch_add(1, std::memory_order_relaxed);
    counters_.frame_bytes_sent.fetch_add(bytes, std::memory_order_relaxed);
  });
  if (&outbox == &outbox_)  // the log's has no entries
    counters_.frame_bytes_copied.store(outbox.data_copied_bytes(), std::memory_order_relaxed);
}

void HostLoop::TellLeadership(Group& group, const Leadership& now) {
  if (now == group.told) return;
  group.told = now;
  if (!group.options.on_leadership) return;
  ApplyCalls(group).calls.push_back([&group, now] { group.options.on_leadership(now); });
}

void HostLoop::Publish(Group& group) {
  const Standing status = group.core->standing();
  if (status.leader != kNobody && status.leader != group.leader()) {
    group.forwards.LeaderIs(status.leader, group.options.config.election_ticks);
  }
  group.seen_leader.store(status.leader.value, std::memory_order_relaxed);
  group.seen_leads.store(status.role == RoleName::kLeader && group.failure.ok(),
                         std::memory_order_relaxed);
  const std::uint64_t outstanding =
      group.proposals.size() + group.reads.size() + group.forwards.size();
  if (outstanding != group.counted_outstanding) {
    outstanding_ += outstanding - std::exchange(group.counted_outstanding, outstanding);
  }
  group.seen_term.store(status.term.value, std::memory_order_relaxed);
  TellLeadership(group, {status.term, status.leader, group.leads(), status.role});
  // It will not hear what becomes of them.
  if (status.removed && group.proposals.size() + group.forwards.size() > 0) {
    GiveUpProposals(group, absl::UnavailableError("this node has been removed from the group"));
  }
}

// ---- Snapshots of our own

void HostLoop::TakeSnapshot(Group& group, Group::SnapshotCallback done) {
  const std::lock_guard lock(turn_mutex_);
  if (absl::Status unable = Unable(group); !unable.ok()) {
    ApplyCalls(group).calls.push_back([done = std::move(done), unable]() mutable { done(unable); });
  } else {
    group.snapshot_waiters.push_back(std::move(done));
    BeginSnapshot(group);
  }
  CarryOut();
}

void HostLoop::SnapshotIfDue(Group& group) {
  const GroupOptions& options = group.options;
  if ((options.snapshot_entries > 0 && group.entries_since_snapshot >= options.snapshot_entries) ||
      (options.snapshot_log_bytes > 0 &&
       group.bytes_since_snapshot >= options.snapshot_log_bytes)) {
    // A marker would take the place of the snapshot that is being sent.
    if (group.applying.durable != nullptr && SendsSnapshot(group)) return;
    BeginSnapshot(group);
  }
}

/// On the apply thread between two batches; from there to the background, and back.
void HostLoop::BeginSnapshot(Group& group) {
  if (std::exchange(group.snapshot_under_way, true)) return;
  group.entries_since_snapshot = 0;
  group.bytes_since_snapshot = 0;
  group.full_under_way = std::exchange(group.wants_full, false);
  const bool marker = group.applying.durable != nullptr && !group.full_under_way;
  ApplyCalls(group).calls.push_back([this, &group, marker] {
    const AppliedGroup& applied = group.applying;
    const LogPosition position = marker ? applied.before : applied.applied;
    if (!applied.readable() || position.index == Index{}) {
      return inbox_.Post([this, &group] {
        EndSnapshot(group, absl::FailedPreconditionError("nothing has been applied yet"));
      });
    }
    background_->Post([this, &group, at = position,
                       work = marker ? MarkerAfter(applied.durable->Flush())
                                     : applied.machine->Capture()]() mutable {
      StoreSnapshot(group, at, std::move(work));
    });
  });
}

namespace {

class WriterSink final : public SnapshotSink {
 public:
  explicit WriterSink(SnapshotWriter* writer) : writer_(writer) {}
  absl::Status Append(std::string_view bytes) override { return writer_->Append(bytes); }

 private:
  SnapshotWriter* writer_;
};

absl::StatusOr<std::uint64_t> WriteSnapshot(LogStore& store, GroupId group, LogPosition at,
                                            SnapshotWork& work) {
  auto writer = store.CreateSnapshot(group, at);
  if (!writer.ok()) return writer.status();
  WriterSink sink(writer->get());
  if (absl::Status status = work(sink); !status.ok()) return status;
  if (absl::Status status = (*writer)->Finish(); !status.ok()) return status;
  return (*writer)->size_bytes();
}

}  // namespace

/// On the background thread.
void HostLoop::StoreSnapshot(Group& group, LogPosition at, SnapshotWork work) {
  auto size_bytes = WriteSnapshot(*options_.store, group.id(), at, work);
  inbox_.Post([this, &group, at, size_bytes = std::move(size_bytes)] {
    if (absl::IsAlreadyExists(size_bytes.status())) return EndSnapshot(group, at.index);
    if (!size_bytes.ok()) return EndSnapshot(group, size_bytes.status());
    NameSnapshot(group, at, *size_bytes);
  });
}

/// Its bytes are durable. Now the log says that it counts, and which entries it lets go.
void HostLoop::NameSnapshot(Group& group, LogPosition at, std::uint64_t size_bytes) {
  if (!group.failure.ok()) return EndSnapshot(group, group.failure);
  const std::optional<SnapshotMeta> meta = group.core->MetaAt(at.index);
  if (!meta || meta->last == group.core->Status().snapshot) return EndSnapshot(group, at.index);
  const std::uint64_t keep = group.options.trailing_entries;
  const Index drop_to = std::max(at.index.value > keep ? at.index - keep : Index{},
                                 group.trailing.DropTo(at.index, group.options.trailing_bytes));
  WalItem item;
  item.group = group.id();
  item.snapshot =
      LogSnapshot{at, size_bytes, SharedBytes::Own(EncodeConfiguration(meta->configuration))};
  item.drop_to = drop_to;
  item.done = [this, &group, at, size_bytes, drop_to](const absl::Status& status) {
    if (!status.ok()) return;
    inbox_.Post([this, &group, at, size_bytes, drop_to] {
      CompactTo(group, at.index, size_bytes, drop_to);
    });
  };
  to_write_.push_back(std::move(item));
}

void HostLoop::CompactTo(Group& group, Index at, std::uint64_t size_bytes, Index drop_to) {
  if (group.failure.ok()) {
    // Not OK: a leader's snapshot has overtaken it, which is as good.
    const bool stands = CoreOf(group).Compact(at, size_bytes, drop_to).ok();
    if (stands && group.full_under_way) group.full_at = at;
    group.full_is_old = false;
  }
  counters_.snapshots_taken.fetch_add(1, std::memory_order_relaxed);
  EndSnapshot(group, at);
}

void HostLoop::EndSnapshot(Group& group, absl::StatusOr<Index> result) {
  group.snapshot_under_way = false;
  group.full_under_way = false;
  if (!result.ok()) {
    counters_.snapshots_failed.fetch_add(1, std::memory_order_relaxed);
    io::Log(io::LogLevel::kWarn, "raft_snapshot_failed",
            {{"group", std::to_string(group.id().value)}, {"why", result.status().ToString()}});
  }
  for (auto& waiter : std::exchange(group.snapshot_waiters, {})) {
    ApplyCalls(group).calls.push_back(
        [waiter = std::move(waiter), result]() mutable { waiter(result); });
  }
  // What was applied meanwhile may be enough for the next one already.
  if (result.ok() && group.failure.ok()) {
    group.wants_full ? BeginSnapshot(group) : SnapshotIfDue(group);
  }
}

// ---- Refusals and failures

ApplyItem& HostLoop::ApplyCalls(Group& group) {
  if (to_apply_.empty() || to_apply_.back().group != &group.applying) {
    to_apply_.emplace_back().group = &group.applying;
  }
  return to_apply_.back();
}

void HostLoop::Refuse(Group& group, ProposalCallback done, absl::Status why) {
  counters_.proposals_refused.fetch_add(1, std::memory_order_relaxed);
  if (!done) return;
  ProposalResult result;
  result.state = ProposalState::kNotExecuted;
  result.status = std::move(why);
  result.leader = group.leader();
  ApplyCalls(group).calls.push_back(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void HostLoop::RefuseRead(Group& group, ReadCallback done, absl::Status why) {
  counters_.reads_refused.fetch_add(1, std::memory_order_relaxed);
  ApplyCalls(group).calls.push_back(
      [done = std::move(done), why = std::move(why), seen = &group.applying]() mutable {
        done(std::move(why), *seen);
      });
}

void HostLoop::GiveUpProposals(Group& group, const absl::Status& why) {
  group.forwards.GiveUp(why);
  EndForwards(group);
  group.proposals.TakeAll([&](ProposalCallback done) {
    ProposalResult unknown;
    unknown.status = why;
    ApplyCalls(group).calls.push_back(
        [done = std::move(done), unknown]() mutable { done(std::move(unknown)); });
  });
}

/// Its core is not called any more. What it had promised to answer is answered.
void HostLoop::StopGroup(Group& group, const absl::Status& why) {
  group.failure = why;
  group.seen_leads = false;
  TellLeadership(group, {group.term(), kNobody, false});
  GiveUpProposals(group, why);
  group.reads.TakeAll([&](ReadCallback done) { RefuseRead(group, std::move(done), why); });
}

void HostLoop::FailGroup(Group& group, const absl::Status& why) {
  if (!group.failure.ok()) return;
  io::Log(io::LogLevel::kError, "raft_group_stopped",
          {{"group", std::to_string(group.id().value)}, {"why", why.ToString()}});
  StopGroup(group, why);
  if (options_.on_fatal) ApplyCalls(group).calls.push_back([this, why] { options_.on_fatal(why); });
}

void HostLoop::FailAll(const absl::Status& why) {
  fatal_ = why;
  for (Group* group : in_order_) FailGroup(*group, why);
}

/// When no thread runs any more.
void HostLoop::AnswerOutstanding(Group& group, const absl::Status& why) {
  group.proposals.TakeAll([&](ProposalCallback done) {
    ProposalResult unknown;
    unknown.status = why;
    done(std::move(unknown));
  });
  group.forwards.GiveUp(why);
  for (Forwards::Ended& ended : group.forwards.TakeEnded()) ended.done(std::move(ended.result));
  group.reads.TakeAll([&](ReadCallback done) { done(why, group.applying); });
}

}  // namespace trireme::raft
