#include "sim/kv/etcd_service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"
#include "kv/model/checks.h"
#include "kv/server/lease_wire.h"
#include "kv/server/request_wire.h"
#include "kv/store/memory_store.h"
#include "sim/panel.h"

namespace trireme::sim {

namespace {

/// Every so many entries the nodes compare their states.
constexpr std::uint64_t kHashEvery = 64;
constexpr std::int64_t kLeaseExtendMs = 1'000;
constexpr Micros kNotifyEvery = 300 * kMillisecond;
/// Small, so that watches fall behind.
constexpr kv::WatchLimits kWatchLimits = {.queue_bytes_max = 4'096,
                                          .history_bytes_max = 512,
                                          .history_changes_max = 20,
                                          .fragment_bytes_max = 256};

class StringSink final : public raft::SnapshotSink {
 public:
  absl::Status Append(std::string_view bytes) override {
    bytes_ += bytes;
    return absl::OkStatus();
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class StringSource final : public raft::SnapshotSource {
 public:
  StringSource(std::string_view bytes, raft::LogPosition last) : bytes_(bytes), last_(last) {}
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    const std::string_view part = bytes_.substr(at_, bytes_max);
    at_ += part.size();
    return SharedBytes::Copy(part);
  }
  raft::LogPosition last() const override { return last_; }
  std::uint64_t size_bytes() const override { return bytes_.size(); }

 private:
  const std::string_view bytes_;
  const raft::LogPosition last_;
  std::size_t at_ = 0;
};

}  // namespace

class EtcdService::Stores final : public kv::StoreProvider {
 public:
  bool durable() const override { return false; }
  absl::StatusOr<std::shared_ptr<kv::OrderedStore>> Open() override {
    return std::make_shared<kv::MemoryStore>();
  }
  absl::StatusOr<std::shared_ptr<kv::OrderedStore>> OpenEmpty() override { return Open(); }
  absl::StatusOr<std::shared_ptr<kv::OrderedStore>> Receive(raft::SnapshotSource&) override {
    return absl::UnimplementedError("no stores in files");
  }
  absl::Status Adopt() override { return absl::OkStatus(); }
};

/// A stream of watches: what has been sent and not taken is queued, as in a socket.
class EtcdService::Stream final : public kv::WatchSink {
 public:
  Stream(ServiceHost& host, Address client, std::uint64_t number)
      : host_(host), client_(client), number_(number) {}

  void Send(std::string response) override {
    auto say = std::make_shared<WatchSay>();
    say->stream = number_;
    say->number = next_++;
    sizes_.push_back(response.size());
    queued_ += response.size();
    say->bytes = std::move(response);
    host_.Send(client_, std::shared_ptr<const Letter>(std::move(say)));
  }
  std::size_t queued_bytes() const override { return queued_; }
  void AwaitWritable() override { awaited_ = true; }

  /// Whether the hub is to be told.
  bool Taken(std::uint64_t next) {
    for (; taken_ < std::min(next, next_); ++taken_) queued_ -= sizes_[taken_];
    return queued_ < kWatchLimits.queue_bytes_max / 2 && std::exchange(awaited_, false);
  }

  kv::WatchHub::StreamId id = 0;

 private:
  ServiceHost& host_;
  const Address client_;
  const std::uint64_t number_;
  std::uint64_t next_ = 0, taken_ = 0;
  std::vector<std::size_t> sizes_;
  std::size_t queued_ = 0;
  bool awaited_ = false;
};

EtcdService::EtcdService(Surroundings around, ServiceHost* host, Record* record)
    : around_(around), host_(*host), record_(*record) {}

EtcdService::~EtcdService() = default;

void EtcdService::Reset() {
  hub_.reset();
  streams_.clear();
  waiting_.clear();
  batch_.clear();
  tickets_.clear();
  machine_.reset();
  origin_ = host_.id().value << 32 | ++lives_;
  header_ = std::make_unique<kv::HeaderWriter>(1, host_.id().value);
  stores_ = std::make_unique<Stores>();
  machine_ = *kv::KvMachine::Open(
      {.origin = origin_, .cluster_id = 1, .member_id = host_.id().value}, stores_.get(), this);
  clock_ = std::make_unique<kv::LeaseClock>(kLeaseExtendMs);
  clock_ticket_ = raft::Ticket{};
  lease_count_ = 0;
  hub_ = std::make_unique<kv::WatchHub>(header_.get(), kWatchLimits);
  hub_->Begin(machine_->view());
}

bool EtcdService::Restore(std::string_view snapshot, raft::LogPosition last) {
  StringSource source(snapshot, last);
  return machine_->Restore(source).ok();
}

std::string EtcdService::Capture() const {
  StringSink sink;
  TRIREME_CHECK(const_cast<kv::KvMachine&>(*machine_).Capture()(sink).ok());
  return sink.Take();
}

std::string EtcdService::Digest() const {
  const absl::StatusOr<kv::StateHash> hash = machine_->view()->Hash(0);
  TRIREME_CHECK(hash.ok());
  return fmt::format("revision {} hash {:08x}", hash->revision, hash->hash);
}

void EtcdService::OnFailure(const absl::Status& status) {
  around_.panel->Violation(
      fmt::format("the KV of node {} fails: {}", host_.id().value, status.ToString()));
}

void EtcdService::OnCommitted(std::shared_ptr<const kv::CommittedBatch> batch) {
  lease_count_ = batch->lease_count;
  next_lease_end_ms_ = batch->next_lease_end_ms;
  if (hub_ != nullptr) hub_->OnBatch(*batch);
}

// ---- Calls

void EtcdService::OnMessage(Address from, Payload& payload) {
  if (const auto* ask = As<Ask>(payload)) return Take(from, *ask);
  if (host_.witness()) return;
  if (const auto* ask = As<WatchAsk>(payload)) return Take(from, *ask);
  if (const auto* taken = As<WatchTaken>(payload)) return Take(from, *taken);
  if (const auto* close = As<WatchClose>(payload)) {
    const auto at = streams_.find({from, close->stream});
    if (at == streams_.end()) return;
    hub_->Close(at->second->id);
    streams_.erase(at);
  }
}

void EtcdService::Take(Address from, const Ask& ask) {
  Waiting waiting{from, ask.call, ask.method, ask.bytes};
  const std::string_view bytes = waiting.bytes;
  kv::Command command;
  kv::Error error = kv::Error::kNone;
  bool sound = true, flag = false;
  switch (ask.method) {
    case KvMethod::kRange:
      return Read(std::move(waiting));
    case KvMethod::kPut:
      sound = kv::ParsePut(bytes, &command.body.emplace<kv::PutRequest>());
      error = kv::Check(std::get<kv::PutRequest>(command.body));
      break;
    case KvMethod::kDeleteRange:
      sound = kv::ParseDeleteRange(bytes, &command.body.emplace<kv::DeleteRangeRequest>());
      error = kv::Check(std::get<kv::DeleteRangeRequest>(command.body));
      break;
    case KvMethod::kTxn:
      sound = kv::ParseTxn(bytes, &command.body.emplace<kv::TxnRequest>(), &flag);
      error = kv::Check(std::get<kv::TxnRequest>(command.body));
      break;
    case KvMethod::kCompact:
      sound = kv::ParseCompact(bytes, &command.body.emplace<kv::CompactRequest>(), &flag);
      break;
    case KvMethod::kLeaseGrant:
      sound = kv::ParseLeaseGrant(bytes, &command.body.emplace<kv::LeaseGrantRequest>());
      break;
    case KvMethod::kLeaseKeepAlive:
      sound = kv::ParseLeaseId(
          bytes, &command.body.emplace<kv::LeaseKeepAliveRequest>().ids.emplace_back());
      break;
  }
  TRIREME_CHECK(sound);
  if (error != kv::Error::kNone) return Answer(waiting, error, {});
  Propose(std::move(waiting), command);
}

std::string EtcdService::Entry(const kv::Command& command) {
  return kv::EncodeEntry(command, {.time_ms = clock_->Stamp(NowMs()), .origin = origin_});
}

void EtcdService::Propose(Waiting waiting, const kv::Command& command) {
  const raft::Ticket ticket = host_.NextTicket();
  if (!host_.Propose(ticket, SharedBytes::Own(Entry(command))).ok()) return Refuse(waiting);
  waiting_.emplace(ticket.value, std::move(waiting));
}

void EtcdService::Read(Waiting waiting) {
  kv::RangeRequest request;
  bool serializable = false;
  TRIREME_CHECK(kv::ParseRange(waiting.bytes, &request, &serializable));
  if (const kv::Error error = kv::Check(request); error != kv::Error::kNone) {
    return Answer(waiting, error, {});
  }
  if (host_.witness()) return Refuse(waiting);
  if (serializable) return AnswerRange(waiting);
  const raft::Ticket ticket = host_.NextTicket();
  if (!host_.Read(ticket).ok()) return Refuse(waiting);
  waiting_.emplace(ticket.value, std::move(waiting));
}

void EtcdService::AnswerRange(const Waiting& waiting) {
  kv::RangeRequest request;
  bool serializable = false;
  TRIREME_CHECK(kv::ParseRange(waiting.bytes, &request, &serializable));
  std::string response;
  kv::Error error = kv::Error::kNone;
  TRIREME_CHECK(
      kv::AppendRangeResponse(response, *header_, *machine_->view(), request, &error).ok());
  Answer(waiting, error, std::move(response));
}

void EtcdService::OnRead(const raft::ReadState& read) {
  const std::optional<Waiting> waiting = TakeWaiting(read.ticket);
  if (!waiting) return;
  read.granted ? AnswerRange(*waiting) : Refuse(*waiting);
}

/// Of an unknown outcome the client hears nothing.
void EtcdService::OnLost(const raft::Lost& lost) {
  if (lost.ticket == clock_ticket_) clock_->Proposed(false);
  const std::optional<Waiting> waiting = TakeWaiting(lost.ticket);
  if (waiting && lost.kind != raft::LostKind::kUnknown) Refuse(*waiting);
}

std::optional<EtcdService::Waiting> EtcdService::TakeWaiting(raft::Ticket ticket) {
  auto taken = waiting_.extract(ticket.value);
  if (taken.empty()) return std::nullopt;
  return std::move(taken.mapped());
}

void EtcdService::Answer(const Waiting& waiting, kv::Error error, std::string bytes) {
  auto answer = std::make_shared<Answered>();
  answer->call = waiting.call;
  answer->error = error;
  answer->state = error == kv::Error::kNone ? Answered::State::kDone : Answered::State::kError;
  answer->bytes = std::move(bytes);
  host_.Send(waiting.client, std::shared_ptr<const Letter>(std::move(answer)));
}

void EtcdService::Refuse(const Waiting& waiting) {
  auto answer = std::make_shared<Answered>();
  answer->call = waiting.call;
  answer->state = Answered::State::kNotExecuted;
  answer->leader = host_.leader();
  host_.Send(waiting.client, std::shared_ptr<const Letter>(std::move(answer)));
}

// ---- The log

void EtcdService::OnApplied(const raft::Entry& entry, raft::Ticket ticket) {
  record_.Commit(entry, around_.queue->now());
  if (!record_.violation().empty()) around_.panel->Violation(record_.violation());
  if (entry.index.value <= machine_->model().applied_index()) return;  // a snapshot had it
  batch_.push_back(entry);
  tickets_.push_back(ticket);
  if (entry.index.value % kHashEvery != 0) return;
  OnBatchApplied();
  const absl::StatusOr<kv::StateHash> hash = machine_->view()->Hash(0);
  TRIREME_CHECK(hash.ok());
  record_.CheckHash(host_.id().value, entry.index.value, *hash);
}

void EtcdService::OnBatchApplied() {
  if (batch_.empty()) return;
  std::vector<std::string> results(batch_.size());
  machine_->Apply(batch_, results);
  batch_.clear();
  const std::vector<raft::Ticket> tickets = std::exchange(tickets_, {});
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    if (tickets[i] == raft::Ticket{}) continue;
    if (tickets[i] == clock_ticket_) clock_->Proposed(true);
    const std::optional<Waiting> waiting = TakeWaiting(tickets[i]);
    if (waiting) AnswerEntry(*waiting, std::move(results[i]));
  }
}

void EtcdService::AnswerEntry(const Waiting& waiting, std::string result) {
  const auto parsed = kv::ParseEntryResult(result);
  if (!parsed) {
    return around_.panel->Violation(
        fmt::format("node {} has no result for what it proposed", host_.id().value));
  }
  if (waiting.method == KvMethod::kLeaseKeepAlive) {
    kv::LeaseId id = kv::kNoLease;
    TRIREME_CHECK(kv::ParseLeaseId(waiting.bytes, &id));
    const std::vector<std::int64_t> ttls = kv::ParseTtls(parsed->response, 1);
    return Answer(
        waiting, parsed->error,
        kv::KeepAliveResponse(*header_, {machine_->view()->meta().revision, 1}, id, ttls.at(0)));
  }
  Answer(waiting, parsed->error, std::string(parsed->response));
}

// ---- Time

void EtcdService::OnTick() {
  if (host_.witness()) return;
  TickLeases();
  TickWatches();
}

void EtcdService::TickLeases() {
  const std::optional<kv::Command> command =
      clock_->Next(NowMs(), {.leads = host_.leads(),
                             .state_time_ms = machine_->view()->meta().time_ms,
                             .lease_count = lease_count_,
                             .next_lease_end_ms = next_lease_end_ms_});
  if (!command) return;
  clock_ticket_ = host_.NextTicket();
  if (host_.Propose(clock_ticket_, SharedBytes::Own(Entry(*command))).ok()) return;
  clock_->Proposed(false);
}

void EtcdService::TickWatches() {
  if (hub_->behind()) TRIREME_CHECK(hub_->CatchUp(machine_->view()).ok());
  if (host_.local_now() < notify_at_) return;
  notify_at_ = host_.local_now() + kNotifyEvery;
  hub_->NotifyIdle();
}

// ---- Watches

void EtcdService::Take(Address from, const WatchAsk& ask) {
  kv::WatchMessage message;
  TRIREME_CHECK(kv::ParseWatch(ask.bytes, &message));
  auto at = streams_.find({from, ask.stream});
  if (at == streams_.end()) {
    if (!std::holds_alternative<kv::WatchCreate>(message)) return;
    auto opened = std::make_unique<Stream>(host_, from, ask.stream);
    opened->id = hub_->Open(opened.get());
    at = streams_.emplace(std::pair(from, ask.stream), std::move(opened)).first;
  }
  const Stream* stream = at->second.get();
  if (const auto* create = std::get_if<kv::WatchCreate>(&message)) {
    hub_->Create(stream->id, *create, machine_->view());
  } else if (std::holds_alternative<kv::WatchProgress>(message)) {
    hub_->Progress(stream->id, machine_->view());
  }
}

void EtcdService::Take(Address from, const WatchTaken& taken) {
  const auto at = streams_.find({from, taken.stream});
  if (at == streams_.end() || !at->second->Taken(taken.next)) return;
  hub_->OnWritable(at->second->id);
}

}  // namespace trireme::sim
