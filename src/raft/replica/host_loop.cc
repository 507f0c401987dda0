#include "raft/replica/host_loop.h"

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "raft/core/configuration.h"
#include "raft/replica/durable.h"
#include "raft/replica/members.h"
#include "raft/replica/restored.h"

namespace trireme::raft {

namespace {

class SteadyClockImpl final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
};

absl::Status Stopping() {
  return absl::CancelledError("the Raft host is stopping");
}

std::uint64_t RandomSeed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

std::uint64_t WallMs() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

Clock& SteadyClock() {
  static SteadyClockImpl clock;
  return clock;
}

absl::StatusOr<std::unique_ptr<Host>> Host::Start(HostOptions options) {
  if (options.node == kNobody) {
    return absl::InvalidArgumentError("HostOptions::node is 0, which names nobody");
  }
  if (options.store == nullptr) return absl::InvalidArgumentError("HostOptions::store is missing");
  if (options.tick.count() <= 0) return absl::InvalidArgumentError("HostOptions::tick is not > 0");
  auto host = std::make_unique<HostLoop>(std::move(options));
  TRIREME_RETURN_IF_ERROR(host->Begin());
  return host;
}

HostLoop::HostLoop(HostOptions options)
    : options_(std::move(options)),
      clock_(options_.clock == nullptr ? SteadyClock() : *options_.clock),
      inbox_(options_.queued_proposals_max, options_.queued_proposal_bytes_max,
             options_.queued_frame_bytes_max),
      outbox_(options_.frame_bytes_max),
      ticked_(clock_.Now()) {
  for (RecoveredGroup& group : options_.recovered) {
    const std::uint64_t id = group.group.value;
    recovered_.emplace(id, std::move(group));
  }
  applier_ = std::make_unique<Applier>(
      options_.store, Applier::Callbacks{[this](const std::vector<Applier::Report>& reports) {
                                           inbox_.Applied(reports);
                                           TurnHere();
                                         },
                                         [this](AppliedGroup* group, const absl::Status& why) {
                                           inbox_.Post([this, id = group->id, why] {
                                             if (Group* failed = FindGroup(id))
                                               FailGroup(*failed, why);
                                           });
                                         }});
  wal_ = std::make_unique<Wal>(
      options_.store, options_.frame_bytes_max,
      Wal::Callbacks{
          [this](TurnOutbox& outbox) { SendAll(outbox); },
          [this](const std::vector<WalProgress>& progress) {
            if (!options_.store->waits()) {  // in a turn, which goes on with them
              persisted_here_.insert(persisted_here_.end(), progress.begin(), progress.end());
              return;
            }
            inbox_.Persisted(progress);
            TurnHereOrWake();
          },
          [this] { Housekeep(); },
          [this](GroupId id, const absl::Status& why) {
            inbox_.Post([this, id, why] {
              if (Group* failed = FindGroup(id)) FailGroup(*failed, why);
            });
          },
          [this](const absl::Status& why) { inbox_.Post([this, why] { FailAll(why); }); }});
  reader_ = std::make_unique<Worker>();
  background_ = std::make_unique<Worker>();
  housekeeper_ = std::make_unique<Worker>();
}

absl::Status HostLoop::Begin() {
  {
    const std::lock_guard lock(turn_mutex_);
    LoadAddresses();
    for (const Member& peer : options_.peers) {
      TRIREME_RETURN_IF_ERROR(LearnAddress({peer.id, peer.address, 0}));
    }
    TRIREME_RETURN_IF_ERROR(LearnAddress({self(), options_.advertised_address, WallMs()}));
  }
  if (options_.transport != nullptr) TRIREME_RETURN_IF_ERROR(options_.transport->Start(this));
  loop_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

absl::Status HostLoop::SetPeer(NodeId peer, const std::string& address) {
  const std::lock_guard lock(turn_mutex_);
  return LearnAddress({peer, address, WallMs()});
}

/// In this order: nothing comes in any more; what has been taken up is written and applied; the
/// rest is answered.
void HostLoop::Stop() {
  std::call_once(stopped_, [this] {
    stopping_ = true;
    inbox_.Close();
    if (options_.transport != nullptr) options_.transport->Stop();
    if (loop_.joinable()) loop_.join();
    wal_->Stop();
    reader_->Stop();
    background_->Stop();
    housekeeper_->Stop();
    {
      const std::lock_guard lock(turn_mutex_);
      Turn();
    }
    applier_->Stop();
    const std::lock_guard lock(turn_mutex_);
    for (const auto& group : all_) {
      AnswerOutstanding(*group, Stopping());
      for (auto& waiter : std::exchange(group->snapshot_waiters, {})) waiter(Stopping());
    }
    for (ApplyItem& item : to_apply_) {
      for (auto& call : item.calls) call();
    }
  });
}

absl::Status HostLoop::WriteAndWait(WalItem item) {
  std::promise<absl::Status> written;
  item.done = [&written](const absl::Status& status) { written.set_value(status); };
  std::vector<WalItem> items;
  items.push_back(std::move(item));
  if (options_.store->waits()) {
    wal_->Push(std::move(items));
  } else {
    const std::lock_guard lock(turn_mutex_);  // the loop writes too
    wal_->Push(std::move(items));
  }
  return written.get_future().get();
}

absl::StatusOr<Restored> HostLoop::Recover(const GroupOptions& options) {
  RecoveredGroup found;
  bool known = false;
  {
    const std::lock_guard lock(turn_mutex_);
    const auto at = recovered_.find(options.group.value);
    known = at != recovered_.end();
    if (known) found = std::move(at->second);
    if (known) recovered_.erase(at);
  }
  Restored restored;
  if (!known) {
    TRIREME_ASSIGN_OR_RETURN(restored.snapshot.configuration, ToConfiguration(options.members));
    WalItem first;
    first.group = options.group;
    first.snapshot =
        LogSnapshot{{}, 0, SharedBytes::Own(EncodeConfiguration(restored.snapshot.configuration))};
    TRIREME_RETURN_IF_ERROR(WriteAndWait(std::move(first)));
    return restored;
  }
  return ToRestored(std::move(found));
}

absl::StatusOr<Replica*> HostLoop::AddGroup(const GroupOptions& options, StateMachine* machine) {
  if (stopping_) return Stopping();
  if (options.group == kHostSection) {
    return absl::InvalidArgumentError("group 0 is the Host's own; groups begin at 1");
  }
  if (Find(options.group) != nullptr) {
    return absl::AlreadyExistsError(
        fmt::format("group {} is running already", options.group.value));
  }
  GroupOptions own = options;
  own.config.self = self();
  own.config.seed = RandomSeed();
  own.config.proposal_bytes_max =
      std::min(own.config.proposal_bytes_max, options_.store->batch_bytes_max() / 2);
  if (Answer answer = Validate(own.config); !answer.ok()) return ToStatus(answer);
  TRIREME_ASSIGN_OR_RETURN(Restored restored, Recover(own));
  if (Answer answer = Validate(restored); !answer.ok()) {
    return absl::DataLossError(fmt::format("group {}: what the log has of it is impossible: {}",
                                           own.group.value, answer.why));
  }
  auto group = std::make_unique<Group>(this, own, machine);
  TRIREME_RETURN_IF_ERROR(BeginState(*options_.store, self(), *group, &restored));
  const std::lock_guard lock(turn_mutex_);
  if (!fatal_.ok()) return fatal_;
  for (const Member& member : own.members) {
    TRIREME_RETURN_IF_ERROR(LearnAddress({member.id, member.address, 0}));
  }
  group->forwards.BeginAt(group->applying.applied.index);
  group->core.emplace(own.config, std::move(restored));
  group->told_tick = wheel_.now();
  Group* const added = group.get();
  all_.push_back(std::move(group));
  groups_[own.group.value] = added;
  in_order_.push_back(added);
  MarkDirty(*added);
  CarryOut();
  return added;
}

absl::Status HostLoop::ForgetGroup(GroupId id) {
  {
    const std::lock_guard lock(turn_mutex_);
    Group* const group = FindGroup(id);
    if (group == nullptr && !recovered_.contains(id.value)) {
      return absl::NotFoundError(fmt::format("group {} is not here", id.value));
    }
    recovered_.erase(id.value);
    if (group != nullptr) {
      StopGroup(*group, absl::FailedPreconditionError(
                            fmt::format("group {} has been forgotten here", id.value)));
      groups_.erase(id.value);
      std::erase(in_order_, group);
      CarryOut();
    }
  }
  WalItem item;
  item.group = id;
  item.forget = true;
  return WriteAndWait(std::move(item));
}

Group* HostLoop::FindGroup(GroupId id) const {
  const auto at = groups_.find(id.value);
  return at == groups_.end() ? nullptr : at->second;
}

Replica* HostLoop::Find(GroupId group) const {
  const std::lock_guard lock(turn_mutex_);
  return FindGroup(group);
}

std::vector<GroupId> HostLoop::dormant() const {
  const std::lock_guard lock(turn_mutex_);
  std::vector<GroupId> groups;
  for (const auto& [id, group] : recovered_) groups.push_back(GroupId{id});
  std::sort(groups.begin(), groups.end());
  return groups;
}

void HostLoop::OnFrame(NodeId from, SharedBytes frame) {
  counters_.frames_received.fetch_add(1, std::memory_order_relaxed);
  counters_.frame_bytes_received.fetch_add(frame.size(), std::memory_order_relaxed);
  if (inbox_.Receive(from, frame)) return TurnHere();
  counters_.frames_dropped.fetch_add(1, std::memory_order_relaxed);
}

void HostLoop::OnUnreachable(NodeId peer) {
  inbox_.Unreachable(peer);
}

/// Never two at a time.
void HostLoop::Housekeep() {
  if (housekeeping_.exchange(true)) return;
  const bool posted = housekeeper_->Post([this] {
    housekeeping_ = false;  // what is asked for from here on may come too late for this one
    const absl::Status status = options_.store->Housekeep();
    no_spare_room_ = absl::IsResourceExhausted(status);
    if (!status.ok() && !no_spare_room_) {
      io::Log(io::LogLevel::kWarn, "raft_housekeeping_failed", {{"why", status.ToString()}});
    }
    // On the loop's thread when that is who writes.
    inbox_.Post([this] { wal_->Retry(); });
  });
  if (!posted) housekeeping_ = false;
}

}  // namespace trireme::raft
