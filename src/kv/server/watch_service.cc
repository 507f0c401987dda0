#include "kv/server/watch_service.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "kv/server/rpc_errors.h"
#include "kv/server/watch_hub.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {

/// One call, as the hub sees it.
class WatchService::Stream final : public WatchSink {
 public:
  Stream(Shard& shard, std::shared_ptr<rpc::ServerCall> call)
      : shard_(shard), call_(std::move(call)) {}

  void Send(std::string response) override { call_->Write(std::move(response)); }
  std::size_t queued_bytes() const override { return call_->queued_bytes(); }
  void AwaitWritable() override;

  rpc::ServerCall& call() { return *call_; }
  WatchHub::StreamId id = 0;

 private:
  Shard& shard_;
  const std::shared_ptr<rpc::ServerCall> call_;
};

/// What lives on one io thread; everything runs there.
class WatchService::Shard final : private rpc::Loop::Timer {
 public:
  Shard(Member& member, std::size_t number)
      : member_(member),
        number_(number),
        loop_(member.loops()[number]),
        feed_(member.feed(number)),
        hub_(&member.header(), {.fragment_bytes_max = member.limits().request_bytes_max}) {
    feed_.SetReceiver([this](const BatchFeed::Batch& batch) { Receive(*batch); });
  }

  rpc::Loop& loop() { return *loop_; }

  Stream& Open(std::shared_ptr<rpc::ServerCall> call) {
    if (streams_.empty()) {
      feed_.Want(true);
      hub_.Begin(member_.published().view());
      loop_->Arm(*this, rpc::Loop::Clock::now() + member_.options().watch_progress_interval);
    }
    auto stream = std::make_unique<Stream>(*this, std::move(call));
    stream->id = hub_.Open(stream.get());
    return *streams_.emplace(stream->id, std::move(stream)).first->second;
  }
  /// Not within a call of the hub's: a client that goes may be noticed in the middle of one.
  void CloseSoon(WatchHub::StreamId id) {
    loop_->Post([this, id] { Close(id); });
  }

  void Handle(Stream& stream, const WatchMessage& message) {
    const auto now = member_.published().view();
    if (const auto* create = std::get_if<WatchCreate>(&message))
      hub_.Create(stream.id, *create, now);
    if (const auto* cancel = std::get_if<WatchCancel>(&message)) hub_.Cancel(stream.id, *cancel);
    if (std::holds_alternative<WatchProgress>(message)) hub_.Progress(stream.id, now);
    CountWatches();
    CatchUpSoon();
  }
  void OnWritable(WatchHub::StreamId id) {
    if (!streams_.contains(id)) return;
    hub_.OnWritable(id);
    CatchUpSoon();
  }

 private:
  void Close(WatchHub::StreamId id) {
    hub_.Close(id);
    streams_.erase(id);
    CountWatches();
    if (!streams_.empty()) return;
    feed_.Want(false);
    loop_->Disarm(*this);
  }
  void CountWatches() { member_.watches()[number_] = hub_.watch_count(); }
  void Receive(const CommittedBatch& batch) {
    hub_.OnBatch(batch);
    CatchUpSoon();
  }
  /// One step each turn of the loop, so that the other calls on it have theirs.
  void CatchUpSoon() {
    if (!hub_.behind() || std::exchange(catching_up_, true)) return;
    loop_->Post([this] {
      catching_up_ = false;
      const absl::Status status = hub_.CatchUp(member_.published().view());
      status.ok() ? CatchUpSoon() : member_.Fail(status);
    });
  }
  void OnTimer() override {
    hub_.NotifyIdle();
    loop_->Arm(*this, rpc::Loop::Clock::now() + member_.options().watch_progress_interval);
  }

  Member& member_;
  const std::size_t number_;
  const std::shared_ptr<rpc::Loop> loop_;
  BatchFeed& feed_;
  WatchHub hub_;
  absl::flat_hash_map<WatchHub::StreamId, std::unique_ptr<Stream>> streams_;
  bool catching_up_ = false;
};

void WatchService::Stream::AwaitWritable() {
  call_->OnWritable([&shard = shard_, stream = id] { shard.OnWritable(stream); });
}

class WatchService::Handler final : public rpc::CallHandler {
 public:
  Handler(Shard& shard, StreamSet& set, const std::shared_ptr<rpc::ServerCall>& call)
      : shard_(shard), stream_(shard.Open(call)), entry_(set, call) {}
  ~Handler() override { shard_.CloseSoon(stream_.id); }

  void OnMessage(std::string message) override {
    WatchMessage request;
    if (!ParseWatch(message, &request))
      return stream_.call().Finish(Unparsable(stream_.call().method()));
    shard_.Handle(stream_, request);
  }
  /// Its watches go on until it cancels the call.
  void OnHalfClose() override {}

 private:
  Shard& shard_;
  Stream& stream_;
  const StreamEntry entry_;
};

WatchService::WatchService(Member& member) : member_(member) {
  for (std::size_t i = 0; i < member.loops().size(); ++i)
    shards_.push_back(std::make_unique<Shard>(member, i));
}

WatchService::~WatchService() = default;

WatchService::Shard& WatchService::ShardOf(const rpc::ServerCall& call) {
  for (const auto& shard : shards_)
    if (&shard->loop() == &call.loop()) return *shard;
  TRIREME_CHECK(false);
}

void WatchService::RegisterWith(rpc::Server& server) {
  rpc::Method method;
  method.many = [this](std::shared_ptr<rpc::ServerCall> call) -> std::unique_ptr<rpc::CallHandler> {
    if (member_.LacksLeaderFor(*call)) {
      call->Finish(NoLeader());
      return nullptr;
    }
    call->SendInitialMetadata();
    return std::make_unique<Handler>(ShardOf(*call), member_.streams(*call), call);
  };
  server.RegisterMethod("/etcdserverpb.Watch/Watch", std::move(method));
}

}  // namespace trireme::kv::inline engine
