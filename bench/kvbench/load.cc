#include "kvbench/load.h"

#include <utility>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "rpc/stub.h"

namespace trireme::kv::bench {
namespace {

constexpr std::size_t kReplyBytesMax = 256u << 20;
constexpr absl::Duration kReconnectDelayMax = absl::Milliseconds(20);

/// Lives on its connection's io thread once it runs. A client whose request fails ends, so that a
/// server that refuses everything is not asked in a busy loop.
class UnaryClient {
 public:
  UnaryClient(std::shared_ptr<rpc::Channel> channel, std::unique_ptr<Source> source,
              const std::atomic<bool>& stopped, Recorder& recorder, Running& running)
      : channel_(std::move(channel)),
        source_(std::move(source)),
        stopped_(stopped),
        recorder_(recorder),
        running_(running) {}

  void Begin(Window window) {
    window_ = window;
    Next(Clock::now());
  }

 private:
  void Next(Clock::time_point sent) {
    Request request = source_->Next();
    if (request.method.empty()) return running_.Done();
    channel_->StartUnary(request.method, std::move(request.bytes), {.timeout = kRequestTimeout},
                         [this, sent](absl::StatusOr<std::string> reply, rpc::ReplyMetadata) {
                           Answered(sent, reply);
                         });
  }

  void Answered(Clock::time_point sent, const absl::StatusOr<std::string>& reply) {
    const absl::Status status = reply.ok() ? source_->Check(*reply) : reply.status();
    if (!status.ok()) {
      recorder_.Failed(status);
      return running_.Done();
    }
    const Clock::time_point now = Clock::now();
    recorder_.Answered(sent, now);
    if (now >= window_.to || stopped_) return running_.Done();
    Next(now);
  }

  const std::shared_ptr<rpc::Channel> channel_;
  const std::unique_ptr<Source> source_;
  const std::atomic<bool>& stopped_;
  Recorder& recorder_;
  Running& running_;
  Window window_;
};

class UnaryLoad final : public Load {
 public:
  UnaryLoad(Connections& connections, std::uint64_t clients, const MakeSource& make_source)
      : connections_(connections), recorders_(connections.threads()) {
    for (std::uint64_t i = 0; i < clients; ++i) {
      const std::size_t connection = i % connections.count();
      clients_.push_back(
          std::make_unique<UnaryClient>(connections[connection], make_source(i), stopped_,
                                        recorders_[connections.ThreadOf(connection)], running_));
    }
  }

  absl::Status Prepare() override { return connections_.Warm(); }

  void Begin(Window window) override {
    running_.Add(clients_.size());
    for (std::size_t thread = 0; thread < connections_.threads(); ++thread) {
      connections_.loops()[thread]->Post([this, thread, window] {
        for (std::size_t i = 0; i < clients_.size(); ++i) {
          if (connections_.ThreadOf(i % connections_.count()) == thread) clients_[i]->Begin(window);
        }
      });
    }
  }

  // Every call has a deadline: all of them end.
  void Finish() override { running_.WaitFor(absl::InfiniteDuration()); }

  Recorder Records() override {
    Recorder all;
    for (const Recorder& recorder : recorders_) all.Add(recorder);
    return all;
  }

 private:
  Connections& connections_;
  std::vector<Recorder> recorders_;  // One for each io thread.
  std::vector<std::unique_ptr<UnaryClient>> clients_;
  Running running_;
};

}  // namespace

Connections::Connections(const std::vector<rpc::Address>& servers, int count, int threads) {
  for (int i = 0; i < threads; ++i) loops_.push_back(rpc::Loop::Create());
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    rpc::ChannelOptions options;
    options.receive_message_bytes_max = kReplyBytesMax;
    options.reconnect_delay_max = kReconnectDelayMax;
    options.loop = loops_[ThreadOf(i)];
    channels_.push_back(*rpc::Channel::Create(servers[i % servers.size()], std::move(options)));
  }
}

Connections::~Connections() {
  for (const auto& channel : channels_) channel->Close();
  for (const auto& loop : loops_) loop->Stop();
}

absl::Status Connections::Warm() {
  etcdserverpb::RangeRequest range;
  range.set_key(Key(0));
  range.set_serializable(true);
  for (const auto& channel : channels_) {
    const auto reply = rpc::UnaryBytes(channel, kRangeMethod, range.SerializeAsString(),
                                       {.timeout = kRequestTimeout, .wait_for_ready = true});
    if (!reply.ok()) return reply.status();
  }
  return absl::OkStatus();
}

void Running::Add(std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  count_ += count;
}

void Running::Done() {
  const std::lock_guard lock(mutex_);
  if (--count_ == 0) changed_.notify_all();
}

bool Running::WaitFor(absl::Duration timeout) {
  std::unique_lock lock(mutex_);
  const auto idle = [this] { return count_ == 0; };
  if (timeout == absl::InfiniteDuration()) {
    changed_.wait(lock, idle);
    return true;
  }
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), idle);
}

std::unique_ptr<Load> MakeUnaryLoad(Connections& connections, std::uint64_t clients,
                                    const MakeSource& make_source) {
  return std::make_unique<UnaryLoad>(connections, clients, make_source);
}

}  // namespace trireme::kv::bench
