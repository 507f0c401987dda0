#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "raft/core/quorum.h"
#include "raft/core/state.h"

namespace trireme::raft {

namespace {

/// So many batches may be under way in the state machine: one at work and one waiting.
constexpr std::size_t kAppliesMax = 2;

constexpr RoleName kRoleNames[] = {RoleName::kFollower, RoleName::kPreCandidate,
                                   RoleName::kCandidate, RoleName::kLeader};

}  // namespace

Core::Core(const Config& config, Restored restored)
    : state_(std::make_unique<State>(config, std::move(restored))) {}
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;
Core::~Core() = default;

Answer Core::Step(NodeId from, Message message) {
  return state_->Step(from, message);
}
void Core::Tick(std::uint64_t count) {
  state_->Tick(count);
}
bool Core::settled() const {
  return state_->settled();
}
std::uint64_t Core::QuietTicks() const {
  return state_->QuietTicks();
}
Proposed Core::Propose(Ticket ticket, SharedBytes data) {
  return state_->Unsettled().Propose(ticket, std::move(data));
}
Proposed Core::ChangeMembership(Ticket ticket, TargetConfiguration target, Newcomers newcomers) {
  return state_->Unsettled().ChangeMembership(ticket, target, newcomers);
}
const std::string& Core::WhyChangeEnded() const {
  return state_->why_change_ended();
}
Answer Core::Read(Ticket ticket) {
  return state_->Unsettled().Read(ticket);
}
Answer Core::Transfer(NodeId to) {
  return state_->Unsettled().Transfer(to);
}
Answer Core::Campaign() {
  return state_->Unsettled().Campaign();
}
void Core::Persisted(Token token) {
  state_->Unsettled().Persisted(token);
}
void Core::SnapshotNotStored() {
  state_->Unsettled().SnapshotNotStored();
}
void Core::Applied(Index index) {
  state_->Unsettled().Applied(index);
}
Answer Core::Compact(Index at, std::uint64_t size_bytes, Index drop_to) {
  return state_->Unsettled().Compact(at, size_bytes, drop_to);
}
std::optional<SnapshotMeta> Core::MetaAt(Index at) const {
  return state_->MetaAt(at);
}
void Core::LogRead(NodeId peer, std::vector<Entry> entries) {
  state_->Unsettled().LogRead(peer, std::move(entries));
}
void Core::SnapshotRead(NodeId peer, Index snapshot, std::uint64_t offset, SharedBytes data) {
  state_->Unsettled().SnapshotRead(peer, snapshot, offset, std::move(data));
}
void Core::Unreachable(NodeId peer) {
  state_->Unsettled().Unreachable(peer);
}
bool Core::TakeOutput(Output* output) {
  return state_->TakeOutput(output);
}
CoreStatus Core::Status() const {
  return state_->Status();
}
const Configuration& Core::Membership() const {
  return state_->active();
}
Standing Core::standing() const {
  return state_->standing();
}
std::vector<PeerStatus> Core::Peers() const {
  return state_->Peers();
}

Answer Core::State::Step(NodeId from, Message& message) {
  if (Answer answer = Check(from, message); !answer.ok()) return answer;
  if (IsRoutine(from, message)) return {};
  settled_ = false;
  std::visit([&](auto& body) { Receive(from, body); }, message);
  return {};
}

/// Of a leader whose followers only say that they are there, an output has nothing new.
bool Core::State::IsRoutine(NodeId from, const Message& message) {
  const auto* response = std::get_if<HeartbeatResponse>(&message);
  Leader* leading = response == nullptr ? nullptr : leader();
  if (leading == nullptr || response->term != term()) return false;
  if (leading->reads.size() > 0 || leading->change || leading->transfer) return false;
  Progress* peer = leading->Find(from);
  if (peer == nullptr || !peer->replicating()) return false;
  Heard(from, response->round);
  return true;
}

void Core::State::Tick(std::uint64_t count) {
  const std::uint64_t quiet = std::min(count, QuietTicks());
  if (quiet > 0) SkipQuiet(quiet);
  for (count -= quiet; count > 0; --count) TickOnce();
}

/// One too few costs a look, one too many a timeout that comes late: where something besides the
/// timers goes by ticks, none is quiet.
std::uint64_t Core::State::QuietTicks() const {
  if (const Leader* leading = leader(); leading != nullptr) return QuietTicks(*leading);
  if (forwarded_reads_.size() > 0) return 0;
  if (ticks_since_leader_ + 1 < election_timeout_) {
    return election_timeout_ - ticks_since_leader_ - 1;
  }
  return IsPromotable() ? 0 : config_.election_ticks;
}

std::uint64_t Core::State::QuietTicks(const Leader& leading) const {
  if (leading.transfer || leading.change || leading.leaving || lease_.enabled()) return 0;
  if (!active().witnesses.empty()) return 0;  // what they may be sent goes by who keeps up
  for (const Progress& peer : leading.peers) {
    if (peer.sending_snapshot() || NeedsSnapshot(peer)) return 0;
  }
  std::uint64_t next = now_ + config_.heartbeat_ticks -
                       std::max(leading.ticks_since_heartbeat, leading.ticks_since_tail_check);
  if (config_.check_quorum) next = std::min(next, QuorumLostTick(leading));
  return next > now_ + 1 ? next - now_ - 1 : 0;
}

/// What TickOnce would do in ticks that are quiet.
void Core::State::SkipQuiet(std::uint64_t ticks) {
  now_ += ticks;
  Leader* leading = leader();
  if (leading == nullptr) {
    ticks_since_leader_ += static_cast<std::uint32_t>(ticks);
    return;
  }
  leading->chunks_this_tick = 0;
  leading->ticks_since_heartbeat += static_cast<std::uint32_t>(ticks);
  leading->ticks_since_tail_check += static_cast<std::uint32_t>(ticks);
  for (Progress& peer : leading->peers) {
    if (peer.match == log_.last().index) peer.level_until = now_ + config_.election_ticks;
  }
}

void Core::State::TickOnce() {
  settled_ = false;
  ++now_;
  if (Leader* leading = leader(); leading != nullptr) return TickLeader(*leading);
  ++ticks_since_leader_;
  if (now_ > config_.election_ticks) {
    forwarded_reads_.Expire(now_ - config_.election_ticks, &output_.reads);
  }
  if (ticks_since_leader_ >= election_timeout_ && IsPromotable()) StartElection();
}

void Core::State::TickLeader(Leader& leading) {
  leading.chunks_this_tick = 0;
  for (Progress& peer : leading.peers) {
    if (peer.match == log_.last().index) peer.level_until = now_ + config_.election_ticks;
  }
  if (leading.transfer && now_ >= leading.transfer->give_up_tick) leading.transfer.reset();
  if (lease_.WantsRenewal(now_) && leading.read_by_lease) {
    leading.read_by_lease = false;
    AppendOwn(EntryKind::kNoop, {});
  }
  MaybeCommit();  // an older lease may just have run out
  const bool heartbeat = ++leading.ticks_since_heartbeat >= config_.heartbeat_ticks;
  // The rounds of reads put heartbeats off, as long as there are reads.
  if (++leading.ticks_since_tail_check >= config_.heartbeat_ticks || heartbeat) {
    NoticeLostTails(leading);
  }
  if (heartbeat) StartRound(leading);
  if (config_.check_quorum) CheckQuorumActive(leading);
}

void Core::State::Send(NodeId to, Message message) {
  SendAfter(kNothing, to, std::move(message));
}

/// Every message tells of our term, so none goes before the term is durable.
void Core::State::SendAfter(Token token, NodeId to, Message message) {
  if (durability_.IsComplete(token)) token = kNothing;
  output_.messages.push_back(
      {to, std::max(token, durability_.AfterHardState()), std::move(message)});
}

void Core::State::Persisted(Token token) {
  durability_.Complete(token);
  if (auto* standing = std::get_if<Candidate>(&role_); standing != nullptr) {
    if (!durability_.IsComplete(standing->own_vote)) return;
    standing->votes.Record(self(), true);
    CountVotes();
  } else if (leader() != nullptr) {
    MaybeCommit();
  } else if (auto* following = std::get_if<Follower>(&role_); following != nullptr) {
    InstallStored(*following);
  }
  Evict();
}

void Core::State::Applied(Index index) {
  applied_ = std::max(applied_, std::min(index, handed_out_));
  while (!being_applied_.empty() && being_applied_.front() <= applied_) {
    being_applied_.pop_front();
  }
  Evict();
}

/// What lies in memory for lagging followers only, gives way to newer entries.
void Core::State::Evict() {
  const Index evictable = std::min(applied_, durability_.durable());
  while (log_.bytes() > config_.log_cache_bytes_max && log_.memory_first() <= evictable) {
    log_.EvictTo(log_.memory_first());
  }
}

bool Core::State::TakeOutput(Output* output) {
  if (Leader* leading = leader(); leading != nullptr) Flush(*leading);
  FlushForwardedReads();
  output->Clear();
  output->Swap(output_);
  HandOut(output);
  granted_reads_.Release(applied_, &output->reads);
  PersistTo(&output->persist);
  settled_ = output->empty();
  return !settled_;
}

void Core::State::PersistTo(Persist* persist) {
  if (durability_.hard_state_changed()) persist->hard_state = hard_state_;
  const Index first = durability_.unsealed_first();
  const Index last = log_.last().index;
  if (first <= last) log_.CopyTo(&persist->entries, first, last, ~0ull, ~0ull);
  if (persist->hard_state || !persist->chunks.empty() || persist->snapshot ||
      !persist->entries.empty()) {
    persist->token = durability_.Seal(last);
  }
}

/// What has committed and is durable here goes to the state machine, after a snapshot that has been
/// installed. That an entry is durable here before it is applied here is more than Raft asks for,
/// and means that a log never ends before its state machine does.
void Core::State::HandOut(Output* output) {
  if (restoring_) {
    if (!durability_.IsComplete(restore_after_)) return;
    output->restore = std::exchange(restoring_, std::nullopt);
  }
  if (LacksData()) return HandOutNothing(output);
  const Index limit = std::min(commit_, durability_.durable());
  if (handed_out_ >= limit || being_applied_.size() >= kAppliesMax) return;
  Committed& committed = output->committed;
  committed.first = handed_out_ + 1;
  committed.last = handed_out_ = NextBatch(committed.first, limit, &committed.entries);
  tickets_.Decide(handed_out_, log_, &committed.mine, &output->lost);
  being_applied_.push_back(handed_out_);
}

/// Returns the last index of the next batch to be applied, and its entries if they are in memory.
Index Core::State::NextBatch(Index first, Index limit, std::vector<Entry>* entries) const {
  if (first < log_.memory_first()) {
    return std::min({limit, log_.memory_first() - 1, first + (config_.append_entries_max - 1)});
  }
  log_.CopyTo(entries, first, limit, config_.apply_bytes_max, ~0ull);
  return entries->back().index;
}

Standing Core::State::standing() const {
  return {term(), kRoleNames[role_.index()], leader_, removed_};
}

CoreStatus Core::State::Status() const {
  CoreStatus status;
  status.term = term();
  status.vote = hard_state_.vote;
  status.role = kRoleNames[role_.index()];
  status.leader = leader_;
  status.commit = commit_;
  status.applied = applied_;
  status.durable = durability_.durable();
  status.last = log_.last();
  status.snapshot = snapshot_.last;
  status.log_bytes = log_.bytes();
  status.lease_valid = leader() != nullptr && HasCommittedInTerm() && lease_.MayRead(now_);
  status.witness = LacksData();
  status.removed = removed_;
  if (leader() == nullptr) return status;
  if (leader()->transfer) status.transfer_to = leader()->transfer->to;
  if (leader()->change) status.catching_up = leader()->change->WaitsFor();
  return status;
}

std::vector<PeerStatus> Core::State::Peers() const {
  std::vector<PeerStatus> peers;
  if (leader() == nullptr) return peers;
  for (const Progress& peer : leader()->peers) {
    const bool active = now_ - peer.heard_tick < config_.election_ticks;
    peers.push_back({peer.id, peer.match, peer.next, peer.StateName(), active});
  }
  return peers;
}

}  // namespace trireme::raft
