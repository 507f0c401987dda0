#include "kv/server/lease_service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kv/model/checks.h"
#include "kv/server/lease_wire.h"
#include "kv/server/rpc_errors.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {
namespace {

/// Leases that one command renews; those that wait meanwhile are renewed by the next.
constexpr std::size_t kRenewalsMax = 10'000;

HeaderFields FieldsOf(const ReadView& view) {
  return {view.meta().revision, view.meta().applied_term};
}

}  // namespace

/// A call of KeepAlive, which ends when its client has sent its last request and has every answer.
struct LeaseService::KeepAliveStream {
  Call call;
  std::size_t unanswered = 0;
  bool half_closed = false;

  void EndIfAnswered() {
    if (half_closed && unanswered == 0) call->Finish(absl::OkStatus());
  }
};

/// The renewals of one io thread's streams: all that wait go into one command, one at a time.
class LeaseService::Renewals final : private rpc::Loop::Flushable {
 public:
  Renewals(Member& member, Gateway& gateway) : member_(member), gateway_(gateway) {}
  Gateway& gateway() { return gateway_; }

  void Add(std::shared_ptr<KeepAliveStream> stream, LeaseId id) {
    ++stream->unanswered;
    waiting_.push_back({std::move(stream), id});
    if (under_way_.empty()) gateway_.loop().Mark(*this);
  }

 private:
  struct Renewal {
    std::shared_ptr<KeepAliveStream> stream;
    LeaseId id;
  };

  void Flush() override {
    const std::size_t count = std::min(waiting_.size(), kRenewalsMax);
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    under_way_.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    LeaseKeepAliveRequest request;
    for (const Renewal& one : under_way_) request.ids.push_back(one.id);
    member_.Propose(gateway_, {.body = std::move(request)}, Gateway::Patience::kWait,
                    [this](const absl::StatusOr<std::string>& result) { End(result); });
  }
  void End(const absl::StatusOr<std::string>& result) {
    const std::vector<Renewal> renewals = std::exchange(under_way_, {});
    if (!waiting_.empty()) gateway_.loop().Mark(*this);
    if (!result.ok()) {
      for (const Renewal& one : renewals) one.stream->call->Finish(result.status());
      return;
    }
    const auto ttls = ParseTtls(ParseEntryResult(*result)->response, renewals.size());
    const auto view = member_.published().view();
    for (std::size_t i = 0; i < ttls.size(); ++i) {
      KeepAliveStream& stream = *renewals[i].stream;
      stream.call->Write(
          KeepAliveResponse(member_.header(), FieldsOf(*view), renewals[i].id, ttls[i]));
      --stream.unanswered;
      stream.EndIfAnswered();
    }
  }

  Member& member_;
  Gateway& gateway_;
  std::vector<Renewal> waiting_, under_way_;
};

class LeaseService::KeepAliveHandler final : public rpc::CallHandler {
 public:
  KeepAliveHandler(Renewals& renewals, StreamSet& set, const Call& call)
      : renewals_(renewals),
        stream_(std::make_shared<KeepAliveStream>(KeepAliveStream{.call = call})),
        entry_(set, call) {}

  void OnMessage(std::string message) override {
    LeaseId id = kNoLease;
    if (!ParseLeaseId(message, &id))
      return stream_->call->Finish(Unparsable(stream_->call->method()));
    renewals_.Add(stream_, id);
  }
  void OnHalfClose() override {
    stream_->half_closed = true;
    stream_->EndIfAnswered();
  }

 private:
  Renewals& renewals_;
  const std::shared_ptr<KeepAliveStream> stream_;
  const StreamEntry entry_;
};

LeaseService::LeaseService(Member& member) : member_(member) {
  for (const auto& gateway : member.gateways())
    renewals_.push_back(std::make_unique<Renewals>(member, *gateway));
}

LeaseService::~LeaseService() = default;

LeaseService::Renewals& LeaseService::RenewalsOf(const rpc::ServerCall& call) {
  for (const auto& renewals : renewals_)
    if (&renewals->gateway().loop() == &call.loop()) return *renewals;
  TRIREME_CHECK(false);
}

void LeaseService::RegisterWith(rpc::Server& server) {
  const std::string prefix = "/etcdserverpb.Lease/";
  const auto add = [&](const char* name, void (LeaseService::*handle)(Call, const std::string&)) {
    rpc::Method method;
    method.one = [this, handle](Call call, const std::string& message) {
      (this->*handle)(std::move(call), message);
    };
    server.RegisterMethod(prefix + name, std::move(method));
  };
  add("LeaseGrant", &LeaseService::Grant);
  add("LeaseRevoke", &LeaseService::Revoke);
  add("LeaseTimeToLive", &LeaseService::TimeToLive);
  add("LeaseLeases", &LeaseService::Leases);
  rpc::Method keep_alive;
  keep_alive.many = [this](Call call) -> std::unique_ptr<rpc::CallHandler> {
    if (member_.LacksLeaderFor(*call)) {
      call->Finish(NoLeader());
      return nullptr;
    }
    return std::make_unique<KeepAliveHandler>(RenewalsOf(*call), member_.streams(*call), call);
  };
  server.RegisterMethod(prefix + "LeaseKeepAlive", std::move(keep_alive));
}

void LeaseService::Grant(Call call, const std::string& message) {
  LeaseGrantRequest request;
  if (!ParseLeaseGrant(message, &request)) return call->Finish(Unparsable(call->method()));
  if (const Error error = Check(request); error != Error::kNone)
    return call->Finish(StatusOf(error));
  request.ttl_s = std::max(request.ttl_s, member_.lease_ttl_min_s());
  if (request.id == kNoLease) request.id = member_.DrawLeaseId();
  member_.Propose(std::move(call), {.body = request});
}

void LeaseService::Revoke(Call call, const std::string& message) {
  LeaseRevokeRequest request;
  if (!ParseLeaseId(message, &request.id)) return call->Finish(Unparsable(call->method()));
  member_.Propose(std::move(call), {.body = request});
}

void LeaseService::TimeToLive(Call call, const std::string& message) {
  LeaseId id = kNoLease;
  bool keys = false;
  if (!ParseTimeToLive(message, &id, &keys)) return call->Finish(Unparsable(call->method()));
  member_.ReadLinearizable(
      std::move(call), {},
      [this, id, keys](rpc::ServerCall& to, std::string_view, const ReadView& view) {
        const auto status = view.TimeToLive(id, member_.LeaseTimeNow(), keys);
        if (!status.ok()) return member_.Fail(status.status(), to);
        to.FinishWith(TimeToLiveResponse(member_.header(), FieldsOf(view), id, *status));
      });
}

void LeaseService::Leases(Call call, const std::string&) {
  member_.ReadLinearizable(std::move(call), {},
                           [this](rpc::ServerCall& to, std::string_view, const ReadView& view) {
                             const auto ids = view.Leases();
                             if (!ids.ok()) return member_.Fail(ids.status(), to);
                             to.FinishWith(LeasesResponse(member_.header(), FieldsOf(view), *ids));
                           });
}

}  // namespace trireme::kv::inline engine
