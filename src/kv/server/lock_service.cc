#include "kv/server/lock_service.h"

#include <utility>

#include "etcd/election.pb.h"
#include "etcd/lock.pb.h"
#include "kv/server/admin_call.h"
#include "kv/server/leader_sequence.h"
#include "kv/server/rpc_errors.h"
#include "kv/server/waiting_line.h"

namespace trireme::kv::inline engine {
namespace {

using Call = std::shared_ptr<rpc::ServerCall>;

absl::Status NotElected() {
  return absl::UnknownError("election: not leader");
}
absl::Status NobodyElected() {
  return absl::UnknownError("election: no leader");
}

template <typename Self>
void Add(rpc::Server& server, Self* self, const char* method,
         void (Self::*handle)(Call, const std::string&)) {
  rpc::Method how;
  how.one = [self, handle](Call call, const std::string& message) {
    (self->*handle)(std::move(call), message);
  };
  server.RegisterMethod(method, std::move(how));
}

void Fill(const KeyValue& kv, mvccpb::KeyValue* to) {
  to->set_key(kv.key);
  to->set_value(kv.value);
  to->set_create_revision(kv.create_revision);
  to->set_mod_revision(kv.mod_revision);
  to->set_version(kv.version);
  to->set_lease(kv.lease);
}

/// Ends with what the transaction came to: `response` with its header, or `refusal`.
template <typename Response>
void FinishTxn(rpc::ServerCall& call, const absl::StatusOr<std::string>& result,
               const absl::Status& refusal) {
  etcdserverpb::TxnResponse txn;
  if (!result.ok()) return call.Finish(result.status());
  if (!txn.ParseFromString(*result)) return call.Finish(Stopped());
  if (!txn.succeeded() && !refusal.ok()) return call.Finish(refusal);
  Response response;
  *response.mutable_header() = txn.header();
  call.FinishWith(response.SerializeAsString());
}

/// Only while the leader is the one that `leader` says.
TxnRequest IfStill(const v3electionpb::LeaderKey& leader, RequestOp then) {
  TxnRequest txn;
  txn.compares.push_back({.result = CompareResult::kEqual,
                          .target = CompareTarget::kCreate,
                          .key = leader.key(),
                          .number = leader.rev()});
  txn.success.push_back(std::move(then));
  return txn;
}

/// A call that is told of every value of a leader, on its io thread.
class Observation : public std::enable_shared_from_this<Observation> {
 public:
  Observation(Member& member, Call call, std::string prefix)
      : member_(member),
        call_(std::move(call)),
        prefix_(std::move(prefix)),
        entry_(member.streams(*call_), call_),
        sequence_(prefix_, [this](const KeyValue& leader) { Send(leader); }) {}

  ~Observation() { End(); }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  void Begin() {
    call_->OnCancel([self = shared_from_this()] { self->End(); });
    waits_ = member_.key_watch().AddPrefix(prefix_, member_.LoopOf(*call_),
                                           [weak = weak_from_this()](const auto* change) {
                                             if (const auto self = weak.lock()) self->Mind(change);
                                           });
    Mind(nullptr);
  }

 private:
  void Mind(const KeyWatch::Change* change) {
    if (waits_ == 0) return;
    const auto view = member_.published().view();
    const absl::Status minded = change == nullptr
                                    ? sequence_.Restart(*view)
                                    : sequence_.OnEvent(change->type, change->kv, *view);
    if (!minded.ok()) call_->Finish(minded);
  }
  void Send(const KeyValue& leader) {
    v3electionpb::LeaderResponse response;
    FillHeader(member_, response.mutable_header());
    Fill(leader, response.mutable_kv());
    call_->Write(response.SerializeAsString());
  }
  void End() {
    if (waits_ != 0) member_.key_watch().Remove(std::exchange(waits_, 0));
  }

  Member& member_;
  const Call call_;
  const std::string prefix_;
  const StreamEntry entry_;
  LeaderSequence sequence_;
  KeyWatch::Id waits_ = 0;
};

}  // namespace

void LockService::RegisterWith(rpc::Server& server) {
  Add(server, this, "/v3lockpb.Lock/Lock", &LockService::Lock);
  Add(server, this, "/v3lockpb.Lock/Unlock", &LockService::Unlock);
}

void LockService::Lock(Call call, const std::string& message) {
  v3lockpb::LockRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  PlaceInLine::Join(member_, call, request.name(), request.lease(), "", false,
                    [this, call](absl::StatusOr<PlaceInLine::Place> place) {
                      if (!place.ok()) return call->Finish(place.status());
                      v3lockpb::LockResponse response;
                      FillHeader(member_, response.mutable_header());
                      response.set_key(place->key);
                      call->FinishWith(response.SerializeAsString());
                    });
}

void LockService::Unlock(Call call, const std::string& message) {
  v3lockpb::UnlockRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  if (request.key().empty()) return call->Finish(StatusOf(Error::kEmptyKey));
  rpc::ServerCall& by = *call;
  member_.Propose(by, {.body = DeleteRangeRequest{.key = request.key()}},
                  [call = std::move(call)](const absl::StatusOr<std::string>& result) {
                    etcdserverpb::DeleteRangeResponse deleted;
                    if (!result.ok()) return call->Finish(result.status());
                    if (!deleted.ParseFromString(*result)) return call->Finish(Stopped());
                    v3lockpb::UnlockResponse response;
                    *response.mutable_header() = deleted.header();
                    call->FinishWith(response.SerializeAsString());
                  });
}

void ElectionService::RegisterWith(rpc::Server& server) {
  Add(server, this, "/v3electionpb.Election/Campaign", &ElectionService::Campaign);
  Add(server, this, "/v3electionpb.Election/Proclaim", &ElectionService::Proclaim);
  Add(server, this, "/v3electionpb.Election/Resign", &ElectionService::Resign);
  Add(server, this, "/v3electionpb.Election/Leader", &ElectionService::Leader);
  Add(server, this, "/v3electionpb.Election/Observe", &ElectionService::Observe);
}

void ElectionService::Campaign(Call call, const std::string& message) {
  v3electionpb::CampaignRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  PlaceInLine::Join(member_, call, request.name(), request.lease(), request.value(), true,
                    [this, call, name = request.name()](absl::StatusOr<PlaceInLine::Place> place) {
                      if (!place.ok()) return call->Finish(place.status());
                      v3electionpb::CampaignResponse response;
                      FillHeader(member_, response.mutable_header());
                      response.mutable_leader()->set_name(name);
                      response.mutable_leader()->set_key(place->key);
                      response.mutable_leader()->set_rev(place->create_revision);
                      response.mutable_leader()->set_lease(place->lease);
                      call->FinishWith(response.SerializeAsString());
                    });
}

void ElectionService::Proclaim(Call call, const std::string& message) {
  v3electionpb::ProclaimRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  const v3electionpb::LeaderKey& leader = request.leader();
  if (leader.key().empty()) return call->Finish(NotElected());
  rpc::ServerCall& by = *call;
  member_.Propose(
      by,
      {.body = IfStill(
           leader,
           {PutRequest{.key = leader.key(), .value = request.value(), .lease = leader.lease()}})},
      [call = std::move(call)](const absl::StatusOr<std::string>& result) {
        FinishTxn<v3electionpb::ProclaimResponse>(*call, result, NotElected());
      });
}

void ElectionService::Resign(Call call, const std::string& message) {
  v3electionpb::ResignRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  const v3electionpb::LeaderKey& leader = request.leader();
  if (leader.key().empty()) return call->Finish(StatusOf(Error::kEmptyKey));
  rpc::ServerCall& by = *call;
  member_.Propose(by, {.body = IfStill(leader, {DeleteRangeRequest{.key = leader.key()}})},
                  [call = std::move(call)](const absl::StatusOr<std::string>& result) {
                    FinishTxn<v3electionpb::ResignResponse>(*call, result, absl::OkStatus());
                  });
}

void ElectionService::Leader(Call call, const std::string& message) {
  v3electionpb::LeaderRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  const auto answer = [this](rpc::ServerCall& by, std::string_view prefix, const ReadView& view) {
    const auto first = FirstInLine(view, prefix);
    if (!first.ok()) return member_.Fail(first.status(), by);
    if (!first->has_value()) return by.Finish(NobodyElected());
    v3electionpb::LeaderResponse response;
    FillHeader(member_, response.mutable_header());
    Fill(**first, response.mutable_kv());
    by.FinishWith(response.SerializeAsString());
  };
  member_.ReadLinearizable(std::move(call), request.name() + "/", answer);
}

void ElectionService::Observe(Call call, const std::string& message) {
  v3electionpb::LeaderRequest request;
  if (!request.ParseFromString(message)) return call->Finish(Unparsable(call->method()));
  std::make_shared<Observation>(member_, std::move(call), request.name() + "/")->Begin();
}

}  // namespace trireme::kv::inline engine
