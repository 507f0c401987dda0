#include "kvbench/stream_load.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "rpc/stub.h"

namespace trireme::kv::bench {
namespace {

constexpr char kWatchMethod[] = "/etcdserverpb.Watch/Watch";
constexpr char kGrantMethod[] = "/etcdserverpb.Lease/LeaseGrant";
constexpr char kKeepAliveMethod[] = "/etcdserverpb.Lease/LeaseKeepAlive";
constexpr std::int64_t kLeaseSeconds = 3600;

/// Hands what comes on a stream to a function of the loop thread.
class Incoming final : public rpc::ReplyHandler {
 public:
  Incoming(std::function<void(const std::string&)> message,
           std::function<void(const absl::Status&)> done)
      : message_(std::move(message)), done_(std::move(done)) {}
  void OnMessage(std::string message) override { message_(message); }
  void OnDone(absl::Status status, rpc::Metadata) override { done_(status); }

 private:
  const std::function<void(const std::string&)> message_;
  const std::function<void(const absl::Status&)> done_;
};

/// Streams, one for each connection, and what all loads of streams share. Everything but the public
/// part runs on the one io thread.
class StreamLoad : public Load {
 public:
  explicit StreamLoad(Connections& connections) : connections_(connections) {}
  ~StreamLoad() override { End(); }

  void Begin(Window window) override {
    running_.Add(1);  // Until all clients are begun.
    connections_.loops()[0]->Post([this, window] {
      window_ = window;
      BeginClients();
      running_.Done();
    });
  }

  void Finish() override {
    const bool finished = running_.WaitFor(kRequestTimeout);
    End();
    if (!finished) recorder_.Failed(absl::DataLossError("answers or events are missing"));
  }

  Recorder Records() override { return std::move(recorder_); }

 protected:
  virtual void BeginClients() = 0;
  virtual void Message(std::size_t stream, const std::string& bytes, Clock::time_point now) = 0;

  void OpenStreams(const char* method) {
    open_.Add(connections_.count());
    for (std::size_t i = 0; i < connections_.count(); ++i) {
      streams_.push_back(connections_[i]->Start(
          method, {},
          std::make_unique<Incoming>(
              [this, i](const std::string& bytes) { Message(i, bytes, Clock::now()); },
              [this](const absl::Status& status) {
                if (!ending_) Broken(status);
                open_.Done();
              })));
    }
  }

  void Broken(const absl::Status& status) {
    recorder_.Failed(status.ok() ? absl::UnavailableError("the server ended a stream") : status);
  }

  /// After it no stream of this load does anything any more.
  void End() {
    if (streams_.empty()) return;
    connections_.loops()[0]->Post([this] {
      ending_ = true;
      for (const auto& stream : streams_) stream->Cancel();
    });
    open_.WaitFor(absl::InfiniteDuration());
    streams_.clear();
  }

  Connections& connections_;
  std::vector<std::shared_ptr<rpc::ClientCall>> streams_;
  Recorder recorder_;
  Running running_;
  Running open_;  // Streams.
  Window window_;
  bool ending_ = false;
};

/// The values that watched keys get begin with it.
struct Stamp {
  std::int64_t sent_ns = 0;
  std::uint64_t client = 0;
};

class WatchLoad final : public StreamLoad {
 public:
  WatchLoad(Connections& connections, const WatchOptions& options)
      : StreamLoad(connections), options_(options), putters_(options.clients) {}
  ~WatchLoad() override { End(); }

  absl::Status Prepare() override {
    if (absl::Status status = connections_.Warm(); !status.ok()) return status;
    running_.Add(options_.watchers);
    OpenStreams(kWatchMethod);
    for (std::uint64_t i = 0; i < options_.watchers; ++i) {
      etcdserverpb::WatchRequest create;
      create.mutable_create_request()->set_key(Key(i % options_.keys));
      streams_[i % streams_.size()]->Write(create.SerializeAsString());
    }
    if (running_.WaitFor(kRequestTimeout)) return absl::OkStatus();
    return absl::DeadlineExceededError("not all watches were created");
  }

 private:
  struct Putter {
    std::uint64_t deliveries_missing = 0;
    bool answered = false;
  };

  void BeginClients() override {
    running_.Add(putters_.size());
    for (std::size_t i = 0; i < putters_.size(); ++i) Put(i);
  }

  std::uint64_t WatchersOf(std::uint64_t key) const {
    return options_.watchers / options_.keys + (key < options_.watchers % options_.keys ? 1 : 0);
  }

  void Put(std::size_t client) {
    const std::uint64_t key = next_key_++ % options_.keys;
    putters_[client] = {.deliveries_missing = WatchersOf(key)};
    const Stamp stamp{Clock::now().time_since_epoch().count(), client};
    std::string value(std::max(options_.value_bytes, sizeof stamp), 'w');
    std::memcpy(value.data(), &stamp, sizeof stamp);
    etcdserverpb::PutRequest put;
    put.set_key(Key(key));
    put.set_value(std::move(value));
    connections_[client % connections_.count()]->StartUnary(
        kPutMethod, put.SerializeAsString(), {.timeout = kRequestTimeout},
        [this, client](const absl::StatusOr<std::string>& reply, rpc::ReplyMetadata) {
          if (!reply.ok()) {
            recorder_.Failed(reply.status());
            return running_.Done();
          }
          putters_[client].answered = true;
          Continue(client);
        });
  }

  /// With its next put, once the last one has come to all.
  void Continue(std::size_t client) {
    const Putter& putter = putters_[client];
    if (!putter.answered || putter.deliveries_missing > 0) return;
    if (Clock::now() >= window_.to) return running_.Done();
    Put(client);
  }

  void Message(std::size_t, const std::string& bytes, Clock::time_point now) override {
    if (!message_.ParseFromString(bytes)) return Broken(absl::DataLossError("not a watch's"));
    if (message_.canceled()) return Broken(absl::AbortedError(message_.cancel_reason()));
    if (message_.created()) return running_.Done();
    for (const auto& event : message_.events()) Deliver(event.kv().value(), now);
  }

  void Deliver(const std::string& value, Clock::time_point now) {
    Stamp stamp;
    if (value.size() < sizeof stamp) return Broken(absl::DataLossError("a value of nobody"));
    std::memcpy(&stamp, value.data(), sizeof stamp);
    if (stamp.client >= putters_.size() || putters_[stamp.client].deliveries_missing == 0) {
      return Broken(absl::DataLossError("an event that nobody awaits"));
    }
    recorder_.Answered(Clock::time_point(Clock::duration(stamp.sent_ns)), now);
    --putters_[stamp.client].deliveries_missing;
    Continue(stamp.client);
  }

  const WatchOptions options_;
  std::vector<Putter> putters_;
  std::uint64_t next_key_ = 0;
  etcdserverpb::WatchResponse message_;
};

/// One client's request to grant leases with certain ids, those of earlier runs included.
class GrantSource final : public Source {
 public:
  GrantSource(std::uint64_t first, std::uint64_t step, std::uint64_t leases)
      : at_(first), step_(step), leases_(leases) {}
  Request Next() override {
    if (at_ >= leases_) return {};
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_id(static_cast<std::int64_t>(at_ + 1));
    grant.set_ttl(kLeaseSeconds);
    at_ += step_;
    return {kGrantMethod, grant.SerializeAsString()};
  }
  absl::Status Check(std::string_view) override { return absl::OkStatus(); }

 private:
  std::uint64_t at_;
  const std::uint64_t step_;
  const std::uint64_t leases_;
};

class LeaseLoad final : public StreamLoad {
 public:
  LeaseLoad(Connections& connections, std::uint64_t leases, std::uint64_t clients)
      : StreamLoad(connections), leases_(leases), clients_(clients) {}
  ~LeaseLoad() override { End(); }

  absl::Status Prepare() override {
    const auto grants = MakeUnaryLoad(connections_, clients_, [this](std::uint64_t client) {
      return std::make_unique<GrantSource>(client, clients_, leases_);
    });
    if (absl::Status status = grants->Prepare(); !status.ok()) return status;
    grants->Begin({});
    grants->Finish();
    const Recorder granted = grants->Records();
    if (granted.failures() > 0 && !Exists(granted.first_failure())) return granted.first_failure();
    awaited_.resize(connections_.count());
    OpenStreams(kKeepAliveMethod);
    return absl::OkStatus();
  }

 private:
  struct Awaited {
    std::int64_t lease = 0;
    Clock::time_point sent;
  };

  static bool Exists(const absl::Status& status) {
    return absl::StrContains(status.message(), "already exists");
  }

  void BeginClients() override {
    running_.Add(clients_);
    for (std::uint64_t i = 0; i < clients_; ++i) KeepAlive(i % streams_.size());
  }

  void KeepAlive(std::size_t stream) {
    const auto lease = static_cast<std::int64_t>(next_++ % leases_ + 1);
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(lease);
    awaited_[stream].push_back({lease, Clock::now()});
    streams_[stream]->Write(request.SerializeAsString());
  }

  /// A stream's answers come in the order of its requests.
  void Message(std::size_t stream, const std::string& bytes, Clock::time_point now) override {
    etcdserverpb::LeaseKeepAliveResponse reply;
    const bool fine = reply.ParseFromString(bytes) && !awaited_[stream].empty() &&
                      reply.id() == awaited_[stream].front().lease && reply.ttl() > 0;
    if (!fine) return Broken(absl::DataLossError("a keep-alive of another or a dead lease"));
    recorder_.Answered(awaited_[stream].front().sent, now);
    awaited_[stream].pop_front();
    if (now >= window_.to) return running_.Done();
    KeepAlive(stream);
  }

  const std::uint64_t leases_;
  const std::uint64_t clients_;
  std::vector<std::deque<Awaited>> awaited_;  // By stream.
  std::uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Load> MakeWatchLoad(Connections& connections, const WatchOptions& options) {
  return std::make_unique<WatchLoad>(connections, options);
}

std::unique_ptr<Load> MakeLeaseLoad(Connections& connections, std::uint64_t leases,
                                    std::uint64_t clients) {
  return std::make_unique<LeaseLoad>(connections, leases, clients);
}

}  // namespace trireme::kv::bench
