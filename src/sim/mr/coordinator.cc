#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "mapreduce/ledger/ledger.h"
#include "mapreduce/plan/planner.h"
#include "sim/kv/customer.h"
#include "sim/mr/customers.h"
#include "sim/mr/ledger_calls.h"
#include "sim/mr/letters.h"
#include "sim/trace.h"

namespace trireme::sim {

namespace {

namespace pb = ::etcdserverpb;
namespace ledger = mapreduce::ledger;
using plan::Outcome;

constexpr char kPrefix[] = "mr";
constexpr char kLeaders[] = "mr/leader/";
constexpr char kLeadersEnd[] = "mr/leader0";
constexpr std::int64_t kTtlSeconds = 2;
constexpr Micros kRenewAfter = kTtlSeconds * kSecond / 3;
constexpr Micros kLookAgain = 200 * kMillisecond;
constexpr Micros kTurn = 50 * kMillisecond;
/// Small, so that a world sees batches in pieces and many compactions.
constexpr std::size_t kPaddingBytesMax = 300;

ledger::Limits LedgerLimits(Random& random) {
  ledger::Limits limits;
  limits.write_bytes_max = 200 + random.Below(2'000);
  limits.compact_bytes_min = random.Below(4'000);
  limits.compact_chunks_min = 2 + random.Below(30);
  limits.compact_growth = 1 + random.Below(4);
  limits.page_keys = static_cast<std::int64_t>(1 + random.Below(10));
  return limits;
}

ledger::Urgency UrgencyOf(const plan::JournalRecord& record) {
  if (std::holds_alternative<plan::EpochStarted>(record) ||
      std::holds_alternative<plan::JobAdmitted>(record) ||
      std::holds_alternative<plan::JobEnded>(record))
    return ledger::Urgency::kAtOnce;
  return std::holds_alternative<plan::CommitGranted>(record) ? ledger::Urgency::kNextWrite
                                                             : ledger::Urgency::kCanWait;
}

/// Of `action`: whether it promises nothing that a later leader would have to know.
bool PromisesNothing(const plan::Action& action) {
  return std::holds_alternative<plan::AssignAttempt>(action) ||
         std::holds_alternative<plan::CancelAttempt>(action) ||
         std::holds_alternative<plan::MapOutputMoved>(action);
}

/// A coordinator without its sockets: its plan and its ledger are the real ones, its calls go to
/// the simulated KV one at a time. It crashes, and stands still without noticing.
class Coordinator final : public KvCustomer {
 public:
  Coordinator(std::uint64_t number, Surroundings around, Record* record, Books* books)
      : KvCustomer(number, around, record), books_(*books) {}

  void OnMessage(Address from, Payload& payload) override {
    if (finished() || down()) return;
    if (paused()) {
      around_.network->Postpone(
          {from, kFirstClient + static_cast<Address>(number_), std::move(payload)}, paused_until_);
      return;
    }
    if (const auto* letter = As<ToCoordinator>(payload)) return Hear(from, *letter);
    KvCustomer::OnMessage(from, payload);
  }

 private:
  enum class Doing { kNothing, kGrant, kRenew, kCampaign, kLook, kLoad, kWrite };

  /// What waits until the ledger is durable up to a token.
  struct Promise {
    ledger::Token token{};
    std::function<void()> keep;
  };

  // ---- Its life.

  bool down() const { return around_.queue->now() < down_until_; }
  bool paused() const { return around_.queue->now() < paused_until_; }
  ledger::TimeMs NowMs() const {
    return static_cast<ledger::TimeMs>(around_.queue->now() / kMillisecond);
  }
  bool leads() const {
    return planner_.has_value() && (around_.queue->now() < until_ || careless());
  }
  bool careless() const { return books_.bug() == MrBug::kNoFence; }

  void Step() override {
    if (finishing_ && books_.AllFinished() && (ledger_ == std::nullopt || promises_.empty())) {
      finished_ = true;
      return;
    }
    if (!finishing_ && Chance(books_.jobs().fault_ppm)) Fault();
    if (down() || paused()) return StepAfter(kTurn);
    if (planner_ && !leads()) Depose();
    if (planner_) {
      planner_->Tick(NowMs());
      Flush({});
    }
    Next();
  }

  void Fault() {
    const Micros until = around_.queue->now() + 100 * kMillisecond + random_.Below(6 * kSecond);
    if (random_.OneIn(2)) {
      around_.trace->Line("{} stands still", Name());
      paused_until_ = until;
      return;
    }
    around_.trace->Line("{} crashes", Name());
    down_until_ = until;
    Depose();
  }

  /// All that it knew is gone; it begins as one that stands by, with a new lease.
  void Depose() {
    if (planner_) around_.trace->Line("{} leads no more", Name());
    planner_.reset();
    ledger_.reset();
    loader_.reset();
    write_.reset();
    promises_.clear();
    first_.reset();
    sessions_.clear();
    lease_ = created_ = 0;
    doing_ = Doing::kNothing;
  }

  /// The next call, or a rest.
  void Next() {
    if (calling()) return;
    const Micros now = around_.queue->now();
    if (down() || paused()) return StepAfter(kTurn);
    if (lease_ == 0 || (now >= until_ && !(planner_ && careless()))) return Depose(), Grant();
    if (now >= renew_at_ && !(planner_ && careless())) return Renew();
    if (created_ == 0) return Campaign();
    if (loader_) return Load();
    if (!planner_) return now >= look_at_ ? Look() : StepAfter(look_at_ - now);
    if (write_) return SendWrite();
    StepAfter(kTurn);
  }

  // ---- Leadership.

  void Grant() {
    doing_ = Doing::kGrant;
    pb::LeaseGrantRequest request;
    request.set_ttl(kTtlSeconds);
    request.set_id(asked_ = static_cast<std::int64_t>(number_ * 1'000'000 + ++leases_));
    Call(KvMethod::kLeaseGrant, request.SerializeAsString());
  }

  void Renew() {
    doing_ = Doing::kRenew;
    pb::LeaseKeepAliveRequest request;
    request.set_id(lease_);
    Call(KvMethod::kLeaseKeepAlive, request.SerializeAsString());
  }

  void Extended(std::int64_t lease) {
    lease_ = lease;
    record_.Renewed(lease, kTtlSeconds, called());
    until_ = record_.LeaseUntil(called(), kTtlSeconds);
    renew_at_ = called() + kRenewAfter;
    key_ = fmt::format("{}{:x}", kLeaders, lease_);
  }

  void Campaign() {
    doing_ = Doing::kCampaign;
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_key(key_);
    compare.set_target(pb::Compare::CREATE);
    compare.set_create_revision(0);
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(key_);
    put.set_value(Name());
    put.set_lease(lease_);
    Call(KvMethod::kTxn, request.SerializeAsString());
  }

  void Look() {
    doing_ = Doing::kLook;
    pb::RangeRequest request;
    request.set_key(kLeaders);
    request.set_range_end(kLeadersEnd);
    request.set_sort_target(pb::RangeRequest::CREATE);
    request.set_sort_order(pb::RangeRequest::ASCEND);
    Call(KvMethod::kRange, request.SerializeAsString());
  }

  void Looked(const pb::RangeResponse& response) {
    look_at_ = around_.queue->now() + kLookAgain;
    if (response.kvs_size() == 0) return Depose();
    if (response.kvs(0).key() == key_) {
      created_ = response.kvs(0).create_revision();
      limits_ = LedgerLimits(random_);
      loader_.emplace(kPrefix, limits_);
    }
  }

  void Load() {
    doing_ = Doing::kLoad;
    Call(KvMethod::kRange, RangeOf(*loader_->Next()).SerializeAsString());
  }

  void Loaded(const pb::RangeResponse& response) {
    const absl::Status status = loader_->Step(PageOf(response));
    if (!status.ok()) record_.Violation(fmt::format("{}: {}", Name(), status.ToString()));
    if (!status.ok() || loader_->Next()) return;
    Lead(loader_->Take());
    loader_.reset();
  }

  void Lead(const ledger::Loaded& loaded) {
    std::vector<plan::JournalRecord> records;
    for (const std::string& batch : loaded.batches) {
      const auto& kept = books_.Find(batch);
      records.insert(records.end(), kept.begin(), kept.end());
    }
    books_.Restores(records);
    plan::Limits limits;
    limits.fetch_remakes_max = 1'000;  // the simulated network may be bad for long
    planner_ = plan::Planner::Restore(records, NowMs(), limits);
    ledger_.emplace(kPrefix, ledger::Fence{key_, created_}, loaded.position, limits_);
    last_ = durable_ = ledger::Token{};
    around_.trace->Line("{} leads with {} records in epoch {}", Name(), records.size(),
                        planner_->epoch());
    Flush({});
  }

  // ---- The plan.

  void Hear(Address from, const ToCoordinator& letter) {
    if (!leads()) return Reply(from, FromCoordinator::NotLeading{});
    std::visit(
        [&](const auto& event) {
          if constexpr (requires { event.worker; }) sessions_[event.worker.id] = from;
        },
        letter.event);
    const std::vector<plan::TaskRef> missed = Missed(letter.event);
    const Outcome outcome = planner_->Step(NowMs(), letter.event);
    for (const plan::TaskRef& map : missed) {
      if (!planner_->FindMapOutput(map.job, map.index)) books_.GaveUp(map);
    }
    std::map<std::uint32_t, plan::MapOutput> places;
    if (const auto* fetch = std::get_if<plan::FetchFailed>(&letter.event)) {
      const auto place = planner_->FindMapOutput(fetch->attempt.task.job, fetch->map);
      if (place) places[fetch->map] = *place;
    }
    Flush([this, from, sequence = letter.sequence, outcome, places = std::move(places)] {
      Reply(from, FromCoordinator::Answer{sequence, outcome}, places);
    });
    Next();
  }

  /// The finished maps whose output a reduce could not have.
  std::vector<plan::TaskRef> Missed(const plan::Event& event) const {
    std::vector<plan::TaskRef> missed;
    const auto add = [&](plan::JobId job, std::uint32_t map) {
      if (planner_->FindMapOutput(job, map)) missed.push_back({job, plan::Phase::kMap, map});
    };
    if (const auto* fetch = std::get_if<plan::FetchFailed>(&event)) {
      add(fetch->attempt.task.job, fetch->map);
    } else if (const auto* failed = std::get_if<plan::AttemptFailed>(&event)) {
      for (const auto& source : failed->fetch) add(failed->attempt.task.job, source.map);
    }
    return missed;
  }

  template <class What>
  void Reply(Address to, What what, std::map<std::uint32_t, plan::MapOutput> places = {}) {
    auto letter = std::make_shared<FromCoordinator>();
    letter->what = std::move(what);
    letter->places = std::move(places);
    SendTo(to, std::move(letter));
  }

  /// What the plan said goes into the ledger, and what it promises waits for that.
  void Flush(std::function<void()> answer) {
    plan::Output output = planner_->TakeOutput();
    if (!output.records.empty()) Append(std::move(output.records));
    for (plan::Action& action : output.actions) {
      const bool at_once = PromisesNothing(action);
      const bool early = at_once && books_.bug() == MrBug::kEpochLate;
      After(early     ? ledger::Token{}
            : at_once ? *first_
                      : last_,
            [this, action = std::move(action)] { Do(action); });
    }
    if (answer) {
      After(books_.bug() == MrBug::kPromiseEarly ? *first_ : last_, std::move(answer));
    }
    if (ledger_->WantsCompaction() && !ledger_->compacting()) Compact();
    ledger_->Tick(NowMs());
    Carry();
  }

  void Append(std::vector<plan::JournalRecord> records) {
    auto urgency = ledger::Urgency::kCanWait;
    for (const auto& record : records) {
      around_.trace->Line("{}", plan::Describe(record));
      urgency = std::max(urgency, UrgencyOf(record));
    }
    last_ = ledger_->Append(
        NowMs(), books_.Keep(std::move(records), random_.Below(kPaddingBytesMax)), urgency);
    if (!first_) first_ = last_;
  }

  void Compact() {
    std::vector<std::string> parts;
    for (plan::JournalRecord& record : planner_->Checkpoint()) {
      parts.push_back(books_.Keep({std::move(record)}, random_.Below(kPaddingBytesMax)));
    }
    ledger_->Compact(NowMs(), std::move(parts));
  }

  void After(ledger::Token token, std::function<void()> keep) {
    if (token <= durable_) return keep();
    promises_.push_back({token, std::move(keep)});
  }

  /// Takes what the ledger has to send, and keeps the promises that it has made good.
  void Carry() {
    ledger::Output output = ledger_->TakeOutput();
    if (output.write) write_ = std::move(output.write);
    durable_ = output.durable;
    std::deque<Promise> due;
    for (auto at = promises_.begin(); at != promises_.end();) {
      if (at->token <= durable_) {
        due.push_back(std::move(*at));
        at = promises_.erase(at);
      } else {
        ++at;
      }
    }
    for (Promise& promise : due) promise.keep();
    if (!output.end) return;
    if (output.end->kind == ledger::EndKind::kDisturbed) {
      record_.Violation(fmt::format("{}: {}", Name(), output.end->message));
    }
    Depose();
  }

  void Do(const plan::Action& action) {
    if (const auto* changed = std::get_if<plan::JobStateChanged>(&action)) {
      if (plan::HasEnded(changed->state)) books_.Finish(changed->job, changed->state);
      return;
    }
    if (const auto* assign = std::get_if<plan::AssignAttempt>(&action)) {
      books_.Assigned(assign->attempt, number_ * 1'000'000 + leases_);
      return Send(assign->worker.id, action, PlacesFor(*assign));
    }
    if (const auto* cancel = std::get_if<plan::CancelAttempt>(&action)) {
      return Send(cancel->worker.id, action, {});
    }
    for (const auto& [worker, to] : sessions_) Reply(to, action);
  }

  void Send(plan::WorkerId worker, const plan::Action& action,
            std::map<std::uint32_t, plan::MapOutput> places) {
    const auto session = sessions_.find(worker);
    if (session != sessions_.end()) Reply(session->second, action, std::move(places));
  }

  std::map<std::uint32_t, plan::MapOutput> PlacesFor(const plan::AssignAttempt& assign) const {
    std::map<std::uint32_t, plan::MapOutput> places;
    const plan::TaskRef task = assign.attempt.task;
    for (std::uint32_t map = 0; task.phase == plan::Phase::kReduce && map < books_.jobs().maps;
         ++map) {
      if (const auto place = planner_->FindMapOutput(task.job, map)) places[map] = *place;
    }
    return places;
  }

  // ---- Calls.

  void SendWrite() {
    doing_ = Doing::kWrite;
    sent_ = write_->id;
    if (careless()) write_->conditions.clear();
    Call(KvMethod::kTxn, TxnOf(*std::exchange(write_, std::nullopt)).SerializeAsString());
  }

  void Answer(const Answered& answer) override {
    const bool ok = answer.error == kv::Error::kNone;
    switch (std::exchange(doing_, Doing::kNothing)) {
      case Doing::kGrant:
        if (ok) Extended(asked_);
        break;
      case Doing::kRenew:
        Renewed(ok, answer.bytes);
        break;
      case Doing::kCampaign:
        Campaigned(ok, answer.bytes);
        break;
      case Doing::kLook:
        if (ok) Looked(Parse<pb::RangeResponse>(answer.bytes));
        break;
      case Doing::kLoad:
        if (ok && loader_) Loaded(Parse<pb::RangeResponse>(answer.bytes));
        break;
      case Doing::kWrite:
        Wrote(ok ? AnswerOf(sent_, Parse<pb::TxnResponse>(answer.bytes))
                 : ledger::Answer{sent_, ledger::Unknown{}});
        break;
      case Doing::kNothing:
        break;
    }
    Next();
  }

  void Unknown() override {
    switch (std::exchange(doing_, Doing::kNothing)) {
      case Doing::kGrant:
      case Doing::kCampaign:  // it may have succeeded: then its lease runs out
        Depose();
        break;
      case Doing::kWrite:
        Wrote({sent_, ledger::Unknown{}});
        break;
      default:
        break;
    }
    Next();
  }

  void Renewed(bool ok, const std::string& bytes) {
    const auto response = Parse<pb::LeaseKeepAliveResponse>(bytes);
    ok&& response.ttl() > 0 ? Extended(lease_) : Depose();
  }

  void Campaigned(bool ok, const std::string& bytes) {
    const auto response = Parse<pb::TxnResponse>(bytes);
    if (!ok || !response.succeeded()) return Depose();
    created_ = response.header().revision();
  }

  void Wrote(const ledger::Answer& answer) {
    if (!ledger_) return;
    ledger_->Step(NowMs(), answer);
    Carry();
  }

  Books& books_;
  Micros down_until_ = 0, paused_until_ = 0;

  Doing doing_ = Doing::kNothing;
  std::uint64_t leases_ = 0;
  std::int64_t asked_ = 0, lease_ = 0;
  std::string key_;
  Micros until_ = 0;  ///< It relies on the lease until then.
  Micros renew_at_ = 0, look_at_ = 0;
  std::int64_t created_ = 0;  ///< Of its leader's key; 0: it is not there yet.

  ledger::Limits limits_;
  std::optional<ledger::Loader> loader_;
  std::optional<plan::Planner> planner_;  ///< It leads, as far as it knows.
  std::optional<ledger::Ledger> ledger_;
  std::optional<ledger::Write> write_;  ///< To be sent.
  std::uint64_t sent_ = 0;
  std::optional<ledger::Token> first_;  ///< Of the epoch.
  ledger::Token last_{}, durable_{};
  std::deque<Promise> promises_;
  std::map<plan::WorkerId, Address> sessions_;
};

}  // namespace

std::unique_ptr<Customer> MakeCoordinator(std::uint64_t number, Surroundings around, Record* record,
                                          Books* books) {
  return std::make_unique<Coordinator>(number, around, record, books);
}

}  // namespace trireme::sim
