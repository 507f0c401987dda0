#include "kv/fake_etcd.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "etcd/rpc.trireme.h"

namespace trireme::kv::test {

namespace pb = etcdserverpb;

namespace {

template <class Request, class Reply>
using Call = rpc::UnaryCall<Request, Reply>;

absl::Status NobodyKnows() {
  return absl::UnavailableError("etcdserver: request timed out");
}

/// One watch; its stream is written by whichever thread changes the store.
class WatchStream {
 public:
  WatchStream(std::shared_ptr<FakeStore> store, rpc::ReplyWriter<pb::WatchResponse> replies)
      : store_(std::move(store)), replies_(std::move(replies)) {}

  void Create(const pb::WatchCreateRequest& request, std::size_t fragment_events) {
    const std::lock_guard lock(mutex_);
    request_ = request;
    fragment_events_ = fragment_events;
    pb::WatchResponse created;
    *created.mutable_header() = store_->Header();
    created.set_created(true);
    next_ =
        request.start_revision() != 0 ? request.start_revision() : created.header().revision() + 1;
    active_ = true;
    replies_.Write(created);
    PumpLocked();
  }
  void Pump() {
    const std::lock_guard lock(mutex_);
    PumpLocked();
  }
  void SendProgress() {
    const std::lock_guard lock(mutex_);
    if (!active_) return;
    PumpLocked();
    pb::WatchResponse progress;
    progress.mutable_header()->set_revision(next_ - 1);
    replies_.Write(progress);
  }
  void Break() {
    const std::lock_guard lock(mutex_);
    active_ = false;
    if (!replies_.finished()) replies_.Finish(absl::UnavailableError("the stream was broken"));
  }

 private:
  void PumpLocked() {
    if (!active_) return;
    auto events = store_->EventsSince(next_);
    if (!events) return Compacted();
    // What the store knows now has been looked through, whether it is of this range or not.
    for (auto one = events->begin(); one != events->end();) {
      const std::int64_t revision = one->kv().mod_revision();
      auto end = one;
      while (end != events->end() && end->kv().mod_revision() == revision) ++end;
      SendRevision({one, end}, revision);
      next_ = revision + 1;
      one = end;
    }
  }
  void SendRevision(std::vector<mvccpb::Event> events, std::int64_t revision) {
    std::erase_if(events, [&](const mvccpb::Event& event) { return !Wanted(event); });
    for (std::size_t from = 0; from < events.size();) {
      pb::WatchResponse reply;
      reply.mutable_header()->set_revision(revision);
      const std::size_t to =
          request_.fragment() ? std::min(events.size(), from + fragment_events_) : events.size();
      for (; from < to; ++from) *reply.add_events() = events[from];
      reply.set_fragment(from < events.size());
      replies_.Write(reply);
    }
  }
  bool Wanted(const mvccpb::Event& event) const {
    if (!InRange(event.kv().key(), request_.key(), request_.range_end())) return false;
    return std::ranges::none_of(request_.filters(), [&](int filter) {
      return filter == (event.type() == mvccpb::Event::PUT ? pb::WatchCreateRequest::NOPUT
                                                           : pb::WatchCreateRequest::NODELETE);
    });
  }
  void Compacted() {
    pb::WatchResponse reply;
    reply.set_canceled(true);
    reply.set_compact_revision(store_->compacted());
    replies_.Write(reply);
    active_ = false;
  }

  std::mutex mutex_;
  const std::shared_ptr<FakeStore> store_;
  rpc::ReplyWriter<pb::WatchResponse> replies_;
  pb::WatchCreateRequest request_;
  std::size_t fragment_events_ = 0;
  std::int64_t next_ = 0;
  bool active_ = false;
};

}  // namespace

class FakeEtcd::Services final : public pb::KVService,
                                 public pb::WatchService,
                                 public pb::LeaseService {
 public:
  explicit Services(std::shared_ptr<FakeStore> store) : store_(std::move(store)) {}

  void RegisterAll(rpc::Server& server) {
    pb::KVService::RegisterWith(server);
    pb::WatchService::RegisterWith(server);
    pb::LeaseService::RegisterWith(server);
  }
  void RegisterWith(rpc::Server& server) override { RegisterAll(server); }

  // KV.
  void Range(Call<pb::RangeRequest, pb::RangeResponse> call) override {
    Serve(std::move(call), [](FakeStore& store, const auto& r) { return store.Range(r); });
  }
  void Put(Call<pb::PutRequest, pb::PutResponse> call) override {
    Serve(std::move(call), [](FakeStore& store, const auto& r) { return store.Put(r); });
  }
  void DeleteRange(Call<pb::DeleteRangeRequest, pb::DeleteRangeResponse> call) override {
    Serve(std::move(call), [](FakeStore& store, const auto& r) { return store.Delete(r); });
  }
  void Txn(Call<pb::TxnRequest, pb::TxnResponse> call) override {
    Serve(std::move(call), [](FakeStore& store, const auto& r) { return store.Commit(r); });
  }
  void Compact(Call<pb::CompactionRequest, pb::CompactionResponse> call) override {
    Serve(std::move(call),
          [](FakeStore& store, const auto& r) { return store.Compact(r.revision()); });
  }

  // Lease.
  void LeaseGrant(Call<pb::LeaseGrantRequest, pb::LeaseGrantResponse> call) override {
    Serve(std::move(call),
          [](FakeStore& store, const auto& r) { return store.Grant(r.id(), r.ttl()); });
  }
  void LeaseRevoke(Call<pb::LeaseRevokeRequest, pb::LeaseRevokeResponse> call) override {
    Serve(std::move(call), [](FakeStore& store, const auto& r) { return store.Revoke(r.id()); });
  }
  void LeaseTimeToLive(
      Call<pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse> call) override {
    call.Finish(absl::UnimplementedError("not in the fake"));
  }
  void LeaseLeases(Call<pb::LeaseLeasesRequest, pb::LeaseLeasesResponse> call) override {
    call.Finish(absl::UnimplementedError("not in the fake"));
  }
  std::unique_ptr<rpc::RequestHandler<pb::LeaseKeepAliveRequest>> LeaseKeepAlive(
      rpc::ReplyWriter<pb::LeaseKeepAliveResponse> replies) override;
  std::unique_ptr<rpc::RequestHandler<pb::WatchRequest>> Watch(
      rpc::ReplyWriter<pb::WatchResponse> replies) override;

  void ForWatches(const std::function<void(WatchStream&)>& f) {
    std::vector<std::shared_ptr<WatchStream>> all;
    {
      const std::lock_guard lock(mutex_);
      all.assign(watches_.begin(), watches_.end());
    }
    for (const auto& one : all) f(*one);
  }
  void ExecuteHeld() {
    std::vector<std::function<void()>> held;
    {
      const std::lock_guard lock(mutex_);
      held = std::exchange(held_, {});
    }
    for (const auto& one : held) one();
  }
  void BreakRenewals() {
    const std::lock_guard lock(mutex_);
    for (const auto& call : std::exchange(renewals_, {})) {
      call->Finish(absl::UnavailableError("the stream was broken"));
    }
  }

  std::mutex mutex_;
  Faults faults_;  // Guarded by mutex_, as all below.
  std::vector<std::function<void()>> held_;
  std::set<std::shared_ptr<WatchStream>> watches_;
  std::set<std::shared_ptr<rpc::ServerCall>> renewals_;
  std::string leader_hint_;
  std::size_t fragment_events_ = 1000;
  std::atomic<int> requests_{0}, renewals_answered_{0}, renewal_streams_{0}, watches_opened_{0};
  std::atomic<bool> ignore_renewals_{false};

 private:
  class Renewals;
  class Watching;

  Fault Decide(std::string_view method) {
    ++requests_;
    Faults faults;
    {
      const std::lock_guard lock(mutex_);
      faults = faults_;
    }
    return faults ? faults(method) : Fault::kNone;
  }

  template <class Request, class Reply, class Execute>
  void Serve(Call<Request, Reply> call, Execute execute) {
    switch (Decide(call.call().method())) {
      case Fault::kNone:
        return call.Finish(execute(*store_, call.request()));
      case Fault::kRefuse:
        return Refuse(std::move(call));
      case Fault::kDropRequest:
        break;
      case Fault::kDropReply:
        static_cast<void>(execute(*store_, call.request()));
        break;
      case Fault::kExecuteLater: {
        const std::lock_guard lock(mutex_);
        held_.push_back([store = store_, request = call.request(), execute] {
          static_cast<void>(execute(*store, request));
        });
        break;
      }
      case Fault::kSilence:
        static_cast<void>(execute(*store_, call.request()));
        return KeepUnanswered(std::make_shared<Call<Request, Reply>>(std::move(call)));
    }
    call.Finish(NobodyKnows());
  }
  template <class Held>
  void KeepUnanswered(std::shared_ptr<Held> call) {
    Held& held = *call;
    held.call().OnCancel([call = std::move(call)] {});
  }
  template <class Request, class Reply>
  void Refuse(Call<Request, Reply> call) {
    {
      const std::lock_guard lock(mutex_);
      if (!leader_hint_.empty()) call.call().AddTrailingMetadata("trireme-leader", leader_hint_);
    }
    call.Finish(absl::UnavailableError("etcdserver: no leader"));
  }

  const std::shared_ptr<FakeStore> store_;
};

class FakeEtcd::Services::Renewals final : public rpc::RequestHandler<pb::LeaseKeepAliveRequest> {
 public:
  Renewals(Services* services, rpc::ReplyWriter<pb::LeaseKeepAliveResponse> replies)
      : services_(services), replies_(std::move(replies)) {}
  void OnMessage(pb::LeaseKeepAliveRequest request) override {
    if (services_->ignore_renewals_) return;
    pb::LeaseKeepAliveResponse reply;
    reply.set_id(request.id());
    reply.set_ttl(services_->store_->TimeToLive(request.id()));
    replies_.Write(reply);
    ++services_->renewals_answered_;
  }
  void OnHalfClose() override { replies_.Finish(absl::OkStatus()); }

 private:
  Services* const services_;
  rpc::ReplyWriter<pb::LeaseKeepAliveResponse> replies_;
};

class FakeEtcd::Services::Watching final : public rpc::RequestHandler<pb::WatchRequest> {
 public:
  Watching(Services* services, std::shared_ptr<WatchStream> stream)
      : services_(services), stream_(std::move(stream)) {}
  ~Watching() override {
    const std::lock_guard lock(services_->mutex_);
    services_->watches_.erase(stream_);
  }
  void OnMessage(pb::WatchRequest request) override {
    if (!request.has_create_request()) return;
    ++services_->watches_opened_;
    std::size_t fragment_events;
    {
      const std::lock_guard lock(services_->mutex_);
      fragment_events = services_->fragment_events_;
    }
    stream_->Create(request.create_request(), fragment_events);
  }
  void OnHalfClose() override {}

 private:
  Services* const services_;
  const std::shared_ptr<WatchStream> stream_;
};

std::unique_ptr<rpc::RequestHandler<pb::LeaseKeepAliveRequest>> FakeEtcd::Services::LeaseKeepAlive(
    rpc::ReplyWriter<pb::LeaseKeepAliveResponse> replies) {
  ++renewal_streams_;
  const std::lock_guard lock(mutex_);
  renewals_.insert(replies.call().shared_from_this());
  return std::make_unique<Renewals>(this, std::move(replies));
}

std::unique_ptr<rpc::RequestHandler<pb::WatchRequest>> FakeEtcd::Services::Watch(
    rpc::ReplyWriter<pb::WatchResponse> replies) {
  auto stream = std::make_shared<WatchStream>(store_, std::move(replies));
  const std::lock_guard lock(mutex_);
  watches_.insert(stream);
  return std::make_unique<Watching>(this, std::move(stream));
}

FakeEtcd::FakeEtcd(std::shared_ptr<FakeStore> store, rpc::ServerOptions options)
    : store_(std::move(store)),
      options_(std::move(options)),
      services_(std::make_unique<Services>(store_)) {
  store_->OnChange(this, [this] { services_->ForWatches([](WatchStream& one) { one.Pump(); }); });
  Start();
}

FakeEtcd::~FakeEtcd() {
  store_->Forget(this);
  Stop();
}

void FakeEtcd::Start() {
  server_ = std::make_unique<rpc::Server>(options_);
  services_->RegisterAll(*server_);
  const auto bound =
      server_->Listen(*rpc::ParseAddress(endpoint_.empty() ? "127.0.0.1:0" : endpoint_));
  TRIREME_CHECK(bound.ok());
  endpoint_ = bound->ToString();
  TRIREME_CHECK(server_->Start().ok());
}

void FakeEtcd::Stop() {
  server_ = nullptr;
}

void FakeEtcd::SetFaults(Faults faults) {
  const std::lock_guard lock(services_->mutex_);
  services_->faults_ = std::move(faults);
}
void FakeEtcd::ExecuteHeld() {
  services_->ExecuteHeld();
}
void FakeEtcd::SetLeaderHint(std::string endpoint) {
  const std::lock_guard lock(services_->mutex_);
  services_->leader_hint_ = std::move(endpoint);
}
void FakeEtcd::SetFragmentEvents(std::size_t max) {
  const std::lock_guard lock(services_->mutex_);
  services_->fragment_events_ = max;
}
void FakeEtcd::BreakWatches() {
  services_->ForWatches([](WatchStream& one) { one.Break(); });
}
void FakeEtcd::BreakRenewals() {
  services_->BreakRenewals();
}
void FakeEtcd::IgnoreRenewals(bool ignore) {
  services_->ignore_renewals_ = ignore;
}
void FakeEtcd::SendProgress() {
  services_->ForWatches([](WatchStream& one) { one.SendProgress(); });
}
int FakeEtcd::requests() const {
  return services_->requests_;
}
int FakeEtcd::renewals() const {
  return services_->renewals_answered_;
}
int FakeEtcd::renewal_streams() const {
  return services_->renewal_streams_;
}
int FakeEtcd::watches_opened() const {
  return services_->watches_opened_;
}

}  // namespace trireme::kv::test
