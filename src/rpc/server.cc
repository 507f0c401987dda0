#include "rpc/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <future>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "rpc/loop.h"
#include "rpc/server_context.h"
#include "rpc/server_session.h"
#include "rpc/sockets.h"
#include "rpc/transport.h"

namespace trireme::rpc {
namespace {

/// Connections accepted from one listener before others get their turn.
constexpr int kAcceptsPerTurn = 64;
/// Pause of a listener after accept failed, most likely for want of descriptors.
constexpr std::chrono::milliseconds kAcceptPause{100};

/// One io thread and the connections that live on it.
struct Shard {
  explicit Shard(std::shared_ptr<Loop> l) : loop(std::move(l)) {}
  std::shared_ptr<Loop> loop;
  absl::flat_hash_map<Transport*, std::shared_ptr<Transport>> connections;  // Loop thread.
};

/// Runs `work` on the loop thread and waits for it.
template <class Work>
void RunOn(Loop& loop, Work work) {
  std::promise<void> done;
  std::future<void> finished = done.get_future();
  // A stopped loop drops the task and its promise with it, which ends the wait too.
  loop.Post([&work, done = std::move(done)]() mutable {
    work();
    done.set_value();
  });
  finished.wait();
}

}  // namespace

struct Server::Core {
  struct Listener final : Loop::Watcher, Loop::Timer {
    Listener(Core* c, OwnedDescriptor d, Address a, bool p)
        : core(c), descriptor(std::move(d)), address(std::move(a)), plain(p) {}
    void OnReady(std::uint32_t) override { core->Accept(*this); }
    void OnTimer() override { core->AwaitConnections(*this); }
    Core* core;
    OwnedDescriptor descriptor;  // Until CloseListeners.
    Address address;
    const bool plain;  // Without TLS.
  };

  Loop& acceptor() { return *shards.front()->loop; }
  void AwaitConnections(Listener& listener);
  void Accept(Listener& listener);
  void Admit(OwnedDescriptor descriptor, std::string peer, bool plain);
  void Serve(Shard& shard, OwnedDescriptor descriptor, std::string peer, bool plain);
  void OnConnectionClosed(Shard& shard, Transport* transport);
  void CloseListeners();

  std::shared_ptr<ServerContext> context = std::make_shared<ServerContext>();
  std::vector<std::unique_ptr<Shard>> shards;
  std::list<Listener> listeners;
  std::size_t next_shard = 0;
  bool started = false;
  bool stopped = false;

  std::mutex mutex;
  std::condition_variable changed;  // live_connections went down.
};

Server::Server(ServerOptions options) : core_(std::make_unique<Core>()) {
  core_->context->options = std::move(options);
}

Server::~Server() {
  Stop();
}

void Server::RegisterMethod(std::string path, Method method) {
  core_->context->methods.insert_or_assign(std::move(path),
                                           RegisteredMethod{.method = std::move(method)});
}

void Server::HandleGet(std::string path, HttpHandler handler) {
  core_->context->pages.insert_or_assign(std::move(path), std::move(handler));
}

void Server::HandlePost(std::string path, HttpHandler handler) {
  core_->context->posts.insert_or_assign(std::move(path), std::move(handler));
}

absl::StatusOr<Address> Server::Listen(const Address& address, bool plain) {
  if (core_->started) {
    return absl::FailedPreconditionError("Listen must come before Start");
  }
  TRIREME_ASSIGN_OR_RETURN(auto bound, ListenOn(address));
  Address result = bound.second;
  core_->listeners.emplace_back(core_.get(), std::move(bound.first), std::move(bound.second),
                                plain);
  return result;
}

absl::Status Server::Start() {
  Core& core = *core_;
  if (core.started) return absl::FailedPreconditionError("the server is started already");
  const ServerOptions& options = core.context->options;
  if (options.tls) {
    TRIREME_ASSIGN_OR_RETURN(core.context->tls, MakeServerTls(*options.tls));
  }
  core.started = true;
  for (const auto& loop : options.loops) core.shards.push_back(std::make_unique<Shard>(loop));
  for (int i = 0; options.loops.empty() && i < std::max(options.io_threads, 1); ++i) {
    core.shards.push_back(std::make_unique<Shard>(Loop::Create()));
  }
  RunOn(core.acceptor(), [&core] {
    for (Core::Listener& listener : core.listeners) core.AwaitConnections(listener);
  });
  return absl::OkStatus();
}

void Server::Core::AwaitConnections(Listener& listener) {
  if (acceptor().Watch(listener, listener.descriptor.get(), EPOLLIN).ok()) return;
  acceptor().Arm(listener, Loop::Clock::now() + kAcceptPause);
}

void Server::Core::Accept(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    SocketAddress peer;
    peer.size = sizeof peer.storage;
    OwnedDescriptor descriptor(
        ::accept4(listener.descriptor.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (descriptor.get() < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      acceptor().Unwatch(listener);  // It stays ready.
      acceptor().Arm(listener, Loop::Clock::now() + kAcceptPause);
      return;
    }
    Admit(std::move(descriptor), peer.family() == AF_UNIX ? "unix:" : peer.ToString(),
          listener.plain);
  }
}

void Server::Core::Admit(OwnedDescriptor descriptor, std::string peer, bool plain) {
  if (context->live_connections.load() >= context->options.connections_max) {
    ++context->connections_refused;
    return;
  }
  ++context->connections_accepted;
  ++context->live_connections;
  SetNoDelay(descriptor.get());
  Shard& shard = *shards[next_shard++ % shards.size()];
  if (shard.loop->InThread()) return Serve(shard, std::move(descriptor), std::move(peer), plain);
  shard.loop->Post([this, &shard, d = std::move(descriptor), p = std::move(peer), plain]() mutable {
    Serve(shard, std::move(d), std::move(p), plain);
  });
}

void Server::Core::Serve(Shard& shard, OwnedDescriptor descriptor, std::string peer, bool plain) {
  auto transport = std::make_shared<Transport>(shard.loop, descriptor.release(),
                                               TlsRole{plain ? nullptr : context->tls, true, ""},
                                               std::move(peer));
  shard.connections.emplace(transport.get(), transport);
  transport->Start(std::make_shared<Sniffer>(
      transport, context, [this, &shard](Transport* t) { OnConnectionClosed(shard, t); }));
}

void Server::Core::OnConnectionClosed(Shard& shard, Transport* transport) {
  shard.connections.erase(transport);
  const std::lock_guard lock(mutex);
  --context->live_connections;
  changed.notify_all();
}

void Server::Core::CloseListeners() {
  RunOn(acceptor(), [this] {
    for (Listener& listener : listeners) {
      if (listener.descriptor.get() < 0) continue;
      acceptor().Disarm(listener);
      acceptor().Unwatch(listener);
      listener.descriptor = OwnedDescriptor();
      if (listener.address.kind == Address::Kind::kUnix) ::unlink(listener.address.path.c_str());
    }
  });
}

void Server::Drain(absl::Duration grace) {
  Core& core = *core_;
  if (!core.started || core.stopped) return;
  core.CloseListeners();
  for (const auto& shard : core.shards) {
    RunOn(*shard->loop, [&shard] {
      std::vector<std::shared_ptr<Transport>> open;
      for (const auto& [raw, transport] : shard->connections) open.push_back(transport);
      for (const auto& transport : open) {
        if (const auto handler = transport->handler()) handler->Drain();
      }
    });
  }
  {
    std::unique_lock lock(core.mutex);
    core.changed.wait_for(lock, absl::ToChronoNanoseconds(std::min(grace, absl::Hours(24 * 365))),
                          [&core] { return core.context->live_connections.load() == 0; });
  }
  Stop();
}

void Server::Stop() {
  Core& core = *core_;
  if (!core.started || std::exchange(core.stopped, true)) return;
  core.CloseListeners();
  for (const auto& shard : core.shards) {
    RunOn(*shard->loop, [&shard] {
      auto open = std::exchange(shard->connections, {});
      for (auto& [raw, transport] : open) {
        transport->Close(absl::UnavailableError("the server was stopped"));
      }
    });
  }
  for (const auto& shard : core.shards) shard->loop->Stop();
}

ServerStats Server::stats() const {
  const ServerContext& context = *core_->context;
  ServerStats stats;
  stats.live_connections = context.live_connections.load();
  stats.live_streams = context.live_streams.load();
  stats.connections_accepted = context.connections_accepted.load();
  stats.connections_refused = context.connections_refused.load();
  stats.calls_started = context.calls_started.load();
  stats.message_bytes_received = context.message_bytes_received.load();
  stats.message_bytes_sent = context.message_bytes_sent.load();
  return stats;
}

std::vector<MethodStats> Server::method_stats() const {
  std::vector<MethodStats> all;
  for (const auto& [path, registered] : core_->context->methods) {
    MethodStats one = {.path = path, .many_requests = registered.method.many != nullptr};
    one.started = registered.counters->started.load();
    for (std::size_t i = 0; i < kStatusCodes; ++i)
      one.handled[i] = registered.counters->handled[i].load();
    one.latencies = registered.counters->latencies.counts();
    all.push_back(std::move(one));
  }
  std::ranges::sort(all, {}, &MethodStats::path);
  return all;
}

}  // namespace trireme::rpc
