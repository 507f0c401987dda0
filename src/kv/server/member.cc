#include "kv/server/member.h"

#include <algorithm>
#include <future>
#include <random>
#include <thread>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "kv/server/member_ids.h"
#include "kv/server/rpc_errors.h"
#include "kv/server/stores.h"
#include "kv/server/urls.h"

namespace trireme::kv::inline engine {
namespace {

constexpr int kTicksPerHeartbeat = 4;
/// How often leases, the leader and what is to be swept are looked at.
constexpr std::chrono::milliseconds kPeriod{100};
/// Election timeouts without a leader after which streams that require one end, as in etcd.
constexpr int kLeaderlessTimeouts = 3;
/// What a request waits for a leader beyond two election timeouts, as in etcd.
constexpr std::chrono::milliseconds kNoLeaderWait{5000};

/// Of the log's last entries in memory; a member that is farther behind is sent what the disk has.
constexpr std::uint64_t kLogCacheBytes = 16ull << 20;

std::uint64_t Draw() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Member>> Member::Start(const ServerOptions& options) {
  std::unique_ptr<Member> member(new Member(options));
  TRIREME_RETURN_IF_ERROR(member->Begin());
  return member;
}

Member::~Member() {
  Stop();
  for (const auto& loop : loops_) loop->Stop();  // what is left there would come to what is gone
}

absl::Status Member::Begin() {
  TRIREME_ASSIGN_OR_RETURN(identity_, Identify(options_));
  id_ = identity_.member_id;
  cluster_id_ = identity_.cluster_id;
  origin_ = Draw() | 1;
  random_ = Random(Draw());
  header_ = std::make_unique<HeaderWriter>(cluster_id_, id_);
  for (int i = 0; i < std::max(options_.io_threads, 1); ++i) {
    loops_.push_back(rpc::Loop::Create());
    gateways_.push_back(std::make_unique<Gateway>(loops_.back(), &published_,
                                                  kNoLeaderWait + 2 * options_.election_timeout));
    feeds_.push_back(std::make_unique<BatchFeed>(loops_.back()));
    streams_.push_back(std::make_unique<StreamSet>());
  }
  TRIREME_RETURN_IF_ERROR(OpenMachine());
  return StartRaft();
}

absl::Status Member::OpenMachine() {
  TRIREME_ASSIGN_OR_RETURN(stores_, MakeStores(options_.data_dir));
  TRIREME_ASSIGN_OR_RETURN(
      std::unique_ptr<KvMachine> machine,
      KvMachine::Open({.origin = origin_, .cluster_id = cluster_id_, .member_id = id_},
                      stores_.get(), this));
  published_.Set(machine->view());
  if (stores_->durable()) {
    machine_ = std::make_unique<DurableKvMachine>(std::move(machine));
  } else {
    machine_ = std::move(machine);
  }
  return absl::OkStatus();
}

absl::Status Member::StartRaft() {
  raft::NodeOptions node;
  node.node = raft::NodeId{id_};
  node.cluster_id = cluster_id_;
  if (!options_.data_dir.empty()) node.directory = options_.data_dir + "/raft";
  TRIREME_ASSIGN_OR_RETURN(node.listen, AddressOfUrl(options_.listen_peer_urls.front()));
  for (std::size_t i = 1; i < options_.listen_peer_urls.size(); ++i) {
    TRIREME_ASSIGN_OR_RETURN(node.listen_also.emplace_back(),
                             AddressOfUrl(options_.listen_peer_urls[i]));
  }
  TRIREME_ASSIGN_OR_RETURN(node.advertised_address,
                           AddressOfUrl(options_.initial_advertise_peer_urls.front()));
  if (!identity_.joined) {
    TRIREME_ASSIGN_OR_RETURN(node.members, FirstOfRaft());
  }
  node.tls = options_.peer_tls;
  node.answer = [this](std::string_view question) { return housekeeper_.Answer(question); };
  node.host.tick = options_.heartbeat_interval / kTicksPerHeartbeat;
  node.group.config.heartbeat_ticks = kTicksPerHeartbeat;
  node.group.config.election_ticks = static_cast<std::uint32_t>(
      std::max<std::int64_t>(options_.election_timeout / node.host.tick, kTicksPerHeartbeat + 1));
  node.group.config.pre_vote = options_.pre_vote;
  node.group.config.log_cache_bytes_max = kLogCacheBytes;
  node.group.snapshot_entries = options_.snapshot_count;
  node.group.forward_proposals = true;
  node.group.on_forwarded = [this](SharedBytes entry) {
    std::string stamped(entry.view());
    StampEntry(stamped, leases_.Stamp());
    return SharedBytes::Own(std::move(stamped));
  };
  node.group.on_leadership = [this](const raft::Leadership& now) { elections_.Note(id_, now); };
  node.host.on_fatal = [this](const absl::Status& status) { Fail(status); };
  TRIREME_ASSIGN_OR_RETURN(node_, raft::Node::Start(node, machine_.get()));
  for (const auto& gateway : gateways_) gateway->Connect(&node_->replica());
  // Alone it need not wait for a leader that cannot be.
  if (node.members.size() == 1 && node_->replica().Status().members.size() == 1)
    (void)node_->replica().Campaign();
  loops_.front()->Post([this] { OnTimer(); });
  housekeeper_.Start();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<raft::Member>> Member::FirstOfRaft() const {
  std::vector<raft::Member> members;
  for (const InitialMember& one : FirstMembers(options_)) {
    TRIREME_ASSIGN_OR_RETURN(std::string address, AddressOfUrl(one.peer_urls.front()));
    members.push_back({raft::NodeId{MemberIdOf(one.peer_urls, options_.initial_cluster_token)},
                       std::move(address)});
  }
  return members;
}

absl::Status Member::ProposeAndWait(const Command& command, std::chrono::milliseconds timeout) {
  std::string entry = EncodeEntry(command, {.time_ms = leases_.Stamp(), .origin = origin_});
  const raft::ProposalResult result =
      replica().ProposeAndWait(SharedBytes::Own(std::move(entry)), timeout);
  if (result.state != raft::ProposalState::kCommitted) return StatusOf(result);
  const auto parsed = ParseEntryResult(result.result);
  if (!parsed) return TimedOut();
  return parsed->error == Error::kNone ? absl::OkStatus() : StatusOf(parsed->error);
}

absl::Status Member::AwaitReadBarrier(std::chrono::milliseconds timeout) {
  auto done = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> granted = done->get_future();
  replica().ReadBarrier(
      [done](absl::StatusOr<raft::Index> index) { done->set_value(index.status()); });
  if (granted.wait_for(timeout) != std::future_status::ready) return TimedOut();
  const absl::Status status = granted.get();
  return status.ok() ? status : ReadStatusOf(status);
}

/// What is refused when there is no space, as etcd does: deletions and compactions go on.
bool Member::Grows(const Command& command) {
  return std::holds_alternative<PutRequest>(command.body) ||
         std::holds_alternative<TxnRequest>(command.body) ||
         std::holds_alternative<LeaseGrantRequest>(command.body);
}

std::size_t Member::NumberOf(const rpc::ServerCall& call) const {
  std::size_t number = 0;
  while (loops_[number].get() != &call.loop()) TRIREME_CHECK(++number < loops_.size());
  return number;
}

namespace {
Gateway::Patience PatienceOf(const rpc::ServerCall& call) {
  return RequiresLeader(call) ? Gateway::Patience::kNone : Gateway::Patience::kWait;
}

void Finish(rpc::ServerCall& call, absl::StatusOr<std::string> result) {
  if (!result.ok()) return call.Finish(result.status());
  const auto parsed = ParseEntryResult(*result);
  if (parsed->error != Error::kNone) return call.Finish(StatusOf(parsed->error));
  result->pop_back();
  call.FinishWith(*std::move(result));
}
}  // namespace

void Member::Propose(std::shared_ptr<rpc::ServerCall> call, const Command& command) {
  if (Grows(command) && housekeeper_.no_space()) return call->Finish(StatusOf(Error::kNoSpace));
  Gateway& via = gateway(*call);
  const Gateway::Patience patience = PatienceOf(*call);
  Propose(via, command, patience, [call = std::move(call)](absl::StatusOr<std::string> result) {
    Finish(*call, std::move(result));
  });
}

void Member::Propose(std::shared_ptr<rpc::ServerCall> call, const Command& command, Reply reply) {
  Gateway& via = gateway(*call);
  const Gateway::Patience patience = PatienceOf(*call);
  Propose(via, command, patience,
          [call = std::move(call),
           reply = std::move(reply)](absl::StatusOr<std::string> result) mutable {
            if (!result.ok() || ParseEntryResult(*result)->error != Error::kNone)
              return Finish(*call, std::move(result));
            result->pop_back();
            reply(std::move(call), *std::move(result));
          });
}

void Member::Propose(rpc::ServerCall& call, const Command& command, Gateway::Answer answer) {
  if (Grows(command) && housekeeper_.no_space()) return answer(StatusOf(Error::kNoSpace));
  Propose(gateway(call), command, PatienceOf(call),
          [answer = std::move(answer)](absl::StatusOr<std::string> result) mutable {
            if (!result.ok()) return answer(std::move(result));
            const Error error = ParseEntryResult(*result)->error;
            if (error != Error::kNone) return answer(StatusOf(error));
            result->pop_back();
            answer(std::move(result));
          });
}

void Member::Propose(Gateway& gateway, const Command& command, Gateway::Patience patience,
                     Gateway::Answer answer) {
  std::string entry = EncodeEntry(command, {.time_ms = leases_.Stamp(), .origin = origin_});
  if (entry.size() > limits().request_bytes_max) return answer(StatusOf(Error::kRequestTooLarge));
  gateway.Propose(std::move(entry), patience, std::move(answer));
}

void Member::ReadLinearizable(std::shared_ptr<rpc::ServerCall> call, std::string request,
                              Gateway::Reading answer) {
  Gateway& via = gateway(*call);
  const Gateway::Patience patience = PatienceOf(*call);
  via.ReadLinearizable(patience, std::move(call), std::move(request), std::move(answer));
}

bool Member::wants_events() const {
  if (key_watch_.wanted()) return true;
  return std::any_of(feeds_.begin(), feeds_.end(), [](const auto& feed) { return feed->wanted(); });
}

void Member::OnApplying() {
  batch_began_ = std::chrono::steady_clock::now();
}

void Member::OnCommitted(std::shared_ptr<const CommittedBatch> batch) {
  if (batch_began_) applying_.Add(std::chrono::steady_clock::now() - *batch_began_);
  batch_began_.reset();
  published_.Set(batch->view);
  leases_.OnCommitted(*batch);
  key_watch_.OnBatch(*batch);
  for (const auto& feed : feeds_) feed->Push(batch);
}

void Member::OnAnswered() {
  for (const auto& gateway : gateways_) gateway->SendAnswers();
}

void Member::OnTimer() {
  KeepLeases();
  WatchLeader();
  Sweep();
  loops_.front()->Arm(*this, rpc::Loop::Clock::now() + kPeriod);
}

/// What the lease clock wants proposed.
void Member::KeepLeases() {
  const auto command = leases_.Next(replica().leads());
  if (!command) return;
  Propose(*gateways_.front(), *command, Gateway::Patience::kNone,
          [this](const absl::StatusOr<std::string>& result) { leases_.Proposed(result.ok()); });
}

void Member::WatchLeader() {
  leaderless_ = replica().leader() == raft::kNobody ? leaderless_ + kPeriod : kPeriod * 0;
  if (leaderless_ < kLeaderlessTimeouts * options_.election_timeout) return;
  for (std::size_t i = 0; i < loops_.size(); ++i)
    loops_[i]->Post([this, i] { streams_[i]->EndLeaderless(); });
}

/// Step by step on the thread that applies, between the batches of entries. A view that nothing
/// has replaced for a while gives way too.
void Member::Sweep() {
  TellSwept();
  const auto view = published_.view();
  const Meta& meta = view->meta();
  if (sweeping_ || (meta.swept >= meta.compacted && !view->store().Outdated())) return;
  sweeping_ = true;
  replica().QueryLocal("", [this](const absl::StatusOr<std::string>& result) {
    loops_.front()->Post([this, ok = result.ok()] {
      sweeping_ = false;
      if (ok) Sweep();
    });
  });
}

void Member::TellSwept() {
  if (sweep_waiters_.empty()) return;
  const std::int64_t swept = published_.view()->meta().swept;
  std::erase_if(sweep_waiters_, [swept](auto& waiter) {
    if (waiter.first > swept) return false;
    waiter.second();
    return true;
  });
}

void Member::WhenSwept(std::int64_t revision, absl::AnyInvocable<void()> done) {
  loops_.front()->Post([this, revision, done = std::move(done)]() mutable {
    sweep_waiters_.emplace_back(revision, std::move(done));
    Sweep();
  });
}

std::int64_t Member::lease_ttl_min_s() const {
  return std::chrono::ceil<std::chrono::seconds>(options_.election_timeout * 3 / 2).count();
}

LeaseId Member::DrawLeaseId() {
  const std::lock_guard lock(mutex_);
  return static_cast<LeaseId>(random_.Next() >> 1 | 1);
}

void Member::Fail(const absl::Status& status) {
  published_.Fail();
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = status;
  io::Log(io::LogLevel::kError, "kv_member_failed", {{"why", status.ToString()}});
}

void Member::Fail(const absl::Status& status, rpc::ServerCall& call) {
  Fail(status);
  call.Finish(Stopped());
}

absl::Status Member::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Member::HandOver() {
  if (!replica().leads() || replica().Status().members.size() < 2) return;
  if (!replica().Transfer().ok()) return;
  const auto until = std::chrono::steady_clock::now() + options_.election_timeout;
  while (replica().leads() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Member::EndStreams() {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    loops_[i]->Post([this, i] { streams_[i]->EndAll(Stopped()); });
}

/// The next start then has nothing to apply again. What cannot be flushed the log has.
void Member::FlushMachine() {
  raft::DurableStateMachine* const durable = machine_->AsDurable();
  if (durable != nullptr) durable->Flush()().IgnoreError();
}

void Member::Stop() {
  if (node_ == nullptr || std::exchange(stopped_, true)) return;
  node_->Stop();
  FlushMachine();
  housekeeper_.Stop();
  workers_.Stop();
  OnAnswered();
}

}  // namespace trireme::kv::inline engine
