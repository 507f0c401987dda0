#include "raft/transport/hub.h"

#include <future>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "rpc/address.h"
#include "rpc/sockets.h"

namespace trireme::raft::tcp {
namespace {

constexpr char kProtocol[] = "trireme-raft";

std::uint64_t RandomBits() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::string NameOf(NodeId id) {
  return fmt::format("node {}", id.value);
}

std::size_t SizeOf(std::span<const SharedBytes> pieces) {
  std::size_t size = 0;
  for (const SharedBytes& piece : pieces) size += piece.size();
  return size;
}

absl::Status OutOfRange(std::string_view name, std::uint64_t value, std::string_view range) {
  return absl::InvalidArgumentError(
      fmt::format("TcpTransportOptions::{} is {}; it has to be {}", name, value, range));
}

}  // namespace

Hub::Hub(TcpTransportOptions options)
    : options_(std::move(options)),
      loop_(options_.loop ? options_.loop : rpc::Loop::Create()),
      owns_loop_(options_.loop == nullptr),
      incarnation_(RandomBits()),
      random_(incarnation_) {}

absl::Status Hub::CheckOptions() const {
  if (options_.node == kNobody) return OutOfRange("node", 0, "the id of this node, from 1 on");
  constexpr std::size_t kFrameBytesLimit = 1u << 30;
  if (options_.frame_bytes_max == 0 || options_.frame_bytes_max > kFrameBytesLimit) {
    return OutOfRange("frame_bytes_max", options_.frame_bytes_max, "between 1 and 1 GiB");
  }
  if (options_.keepalive_interval.count() <= 0 ||
      options_.silence_max < 2 * options_.keepalive_interval) {
    return OutOfRange("silence_max", static_cast<std::uint64_t>(options_.silence_max.count()),
                      "at least twice keepalive_interval, which has to be positive");
  }
  if (options_.tls && !options_.tls->allowed_cn.empty() &&
      !options_.tls->allowed_hostname.empty()) {
    return absl::InvalidArgumentError(
        "TcpTransportTls::allowed_cn and allowed_hostname are both set; give one of them");
  }
  if (options_.reconnect_delay_min.count() <= 0) {
    return OutOfRange("reconnect_delay_min", 0, "at least 1 ms");
  }
  return absl::OkStatus();
}

absl::Status Hub::MakeTls() {
  if (!options_.tls) return absl::OkStatus();
  const TcpTransportTls& tls = *options_.tls;
  TRIREME_ASSIGN_OR_RETURN(
      server_tls_, rpc::MakeServerTls({.certificate_chain_pem = tls.certificate_chain_pem,
                                       .private_key_pem = tls.private_key_pem,
                                       .client_ca_pem = tls.mutual ? tls.ca_pem : std::string(),
                                       .protocol = kProtocol}));
  TRIREME_ASSIGN_OR_RETURN(
      client_tls_,
      rpc::MakeClientTls(
          {.ca_pem = tls.ca_pem,
           .certificate_chain_pem = tls.mutual ? tls.certificate_chain_pem : std::string(),
           .private_key_pem = tls.mutual ? tls.private_key_pem : std::string(),
           .protocol = kProtocol}));
  return absl::OkStatus();
}

absl::Status Hub::Start(Transport::Receiver* receiver) {
  if (started_.exchange(true)) {
    return absl::FailedPreconditionError("this transport was started before; make another");
  }
  TRIREME_RETURN_IF_ERROR(CheckOptions());
  TRIREME_RETURN_IF_ERROR(MakeTls());
  receiver_ = receiver;
  if (!options_.listen.empty()) {
    TRIREME_ASSIGN_OR_RETURN(const std::string bound, Listen(options_.listen));
    const std::lock_guard lock(mutex_);
    address_ = bound;
  }
  for (const std::string& more : options_.listen_also)
    TRIREME_RETURN_IF_ERROR(Listen(more).status());
  RunOnLoop([this] { Begin(); });
  return absl::OkStatus();
}

/// Returns the address, with the port that the system chose.
absl::StatusOr<std::string> Hub::Listen(const std::string& where) {
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(where));
  TRIREME_ASSIGN_OR_RETURN(auto bound, rpc::ListenOn(address));
  listeners_.push_back(std::make_shared<Listener>(
      loop_, std::move(bound.first), [this](rpc::OwnedDescriptor descriptor, std::string remote) {
        OnAccepted(std::move(descriptor), std::move(remote));
      }));
  return bound.second.ToString();
}

/// On the loop's thread, and waits for it; here when the loop has ended.
void Hub::RunOnLoop(absl::FunctionRef<void()> work) {
  if (loop_->InThread()) return work();
  auto ran = std::make_shared<bool>(false);
  std::promise<void> done;
  const std::future<void> finished = done.get_future();
  // A stopped loop drops the task and its promise with it, which ends the wait too.
  loop_->Post([work, ran, done = std::move(done)]() mutable {
    work();
    *ran = true;
    done.set_value();
  });
  finished.wait();
  if (!*ran) work();
}

void Hub::Begin() {
  running_ = true;
  for (const auto& listener : listeners_) listener->Start();
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, peer] : peers_) peers.push_back(peer);
  }
  for (const auto& peer : peers) peer->Dial();
}

void Hub::Stop() {
  if (stopped_.exchange(true)) return;
  RunOnLoop([this] { End(); });
  if (owns_loop_) loop_->Stop();
}

void Hub::End() {
  running_ = false;
  for (const auto& listener : std::exchange(listeners_, {})) listener->Close();
  for (const auto& connection : std::exchange(unproven_, {})) connection->Close();
  std::map<NodeId, std::shared_ptr<Peer>> peers;
  {
    const std::lock_guard lock(mutex_);
    peers.swap(peers_);
  }
  for (const auto& [id, peer] : peers) {
    peer->Retire();
    peer->Close();
  }
}

std::string Hub::address() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

absl::Status Hub::SetPeer(NodeId id, const std::string& address) {
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address parsed, rpc::ParseAddress(address));
  if (id == kNobody || id == options_.node) {
    return absl::InvalidArgumentError(
        fmt::format("{} cannot be a peer of {}; give each node an id of its own, from 1 on",
                    NameOf(id), NameOf(options_.node)));
  }
  std::shared_ptr<Peer> peer;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return absl::FailedPreconditionError("the transport is stopped");
    auto& place = peers_[id];
    if (place == nullptr) {
      if (peers_.size() > options_.peers_max) {
        peers_.erase(id);
        return absl::ResourceExhaustedError(fmt::format(
            "{} would be one more peer than peers_max, {}", NameOf(id), options_.peers_max));
      }
      place = std::make_shared<Peer>(id, *this);
    }
    removed_.erase(id);
    peer = place;
  }
  loop_->Post([self = shared_from_this(), peer, parsed] {
    if (!peer->retired()) peer->SetAddress(parsed);
  });
  return absl::OkStatus();
}

void Hub::RemovePeer(NodeId id) {
  std::shared_ptr<Peer> peer;
  {
    const std::lock_guard lock(mutex_);
    removed_.insert(id);
    if (auto node = peers_.extract(id)) peer = std::move(node.mapped());
  }
  if (peer == nullptr) return;
  peer->Retire();
  loop_->Post([self = shared_from_this(), peer] { peer->Close(); });
}

std::shared_ptr<Peer> Hub::Find(NodeId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second;
}

bool Hub::Send(NodeId to, std::span<const SharedBytes> pieces) {
  const std::size_t size = SizeOf(pieces);
  const bool fits = size > 0 && size <= options_.frame_bytes_max;
  const std::shared_ptr<Peer> peer = fits ? Find(to) : nullptr;
  const bool sent = peer != nullptr && peer->Send(pieces, size);
  (sent ? counters_.frames_sent : counters_.frames_refused).fetch_add(1, std::memory_order_relaxed);
  return sent;
}

std::shared_ptr<Connection> Hub::NewDialed(rpc::OwnedDescriptor descriptor,
                                           const rpc::Address& address) {
  const std::string& name = options_.tls ? options_.tls->server_name : std::string();
  return std::make_shared<Connection>(
      loop_, std::move(descriptor),
      rpc::TlsRole{.context = client_tls_,
                   .server = false,
                   .server_name = name.empty() ? address.host : name},
      address.ToString(), this, options_, counters_);
}

void Hub::OnAccepted(rpc::OwnedDescriptor descriptor, std::string remote) {
  if (unproven_.size() >= options_.unproven_connections_max) {
    counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
    return log_.Warn("raft peer refused", remote,
                     fmt::format("{} connections have not said hello yet, as many as "
                                 "unproven_connections_max allows",
                                 unproven_.size()));
  }
  const auto connection = std::make_shared<Connection>(
      loop_, std::move(descriptor), rpc::TlsRole{.context = server_tls_, .server = true},
      std::move(remote), this, options_, counters_);
  unproven_.insert(connection);
  connection->Start();
}

void Hub::OnOpen(const std::shared_ptr<Connection>& connection) {
  if (connection->dialed()) Say(*connection, connection->peer()->id());
}

void Hub::Say(Connection& connection, NodeId to) {
  connection.SendHello(EncodeHello({.cluster_id = options_.cluster_id,
                                    .from = options_.node,
                                    .to = to,
                                    .incarnation = incarnation_,
                                    .number = ++hellos_}));
}

absl::Status Hub::Judge(const Hello& hello, const Peer* dialed) const {
  if (hello.cluster_id != options_.cluster_id) {
    return absl::PermissionDeniedError(
        fmt::format("{} is of cluster {:016x}, {} of cluster {:016x}", NameOf(hello.from),
                    hello.cluster_id, NameOf(options_.node), options_.cluster_id));
  }
  if (hello.to != options_.node) {
    return absl::PermissionDeniedError(
        fmt::format("{} takes this for {}, it is {}; correct the address it has",
                    NameOf(hello.from), NameOf(hello.to), NameOf(options_.node)));
  }
  if (dialed != nullptr && hello.from != dialed->id()) {
    return absl::PermissionDeniedError(fmt::format("it is {}, not {}; correct its address",
                                                   NameOf(hello.from), NameOf(dialed->id())));
  }
  if (hello.from == options_.node || hello.from == kNobody) {
    return absl::PermissionDeniedError(
        fmt::format("it says that it is {}, and so is this; give each node an id of its own",
                    NameOf(hello.from)));
  }
  return absl::OkStatus();
}

/// That it is of this cluster's authority, the handshake has seen; here whether it is this node's.
absl::Status Hub::JudgeCertificate(Connection& connection, NodeId from) const {
  if (!options_.tls) return absl::OkStatus();
  const bool by_cn = !options_.tls->allowed_cn.empty();
  const std::string& allowed = by_cn ? options_.tls->allowed_cn : options_.tls->allowed_hostname;
  if (allowed.empty()) return absl::OkStatus();
  const std::string wanted = absl::StrReplaceAll(allowed, {{"{node}", std::to_string(from.value)}});
  const auto shown = connection.peer_certificate();
  if (shown && (by_cn ? shown->CommonName() == wanted : shown->Bears(wanted))) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(fmt::format("the certificate of {} does not name {} as its {}",
                                                 NameOf(from), wanted,
                                                 by_cn ? "common name" : "alternative name"));
}

absl::StatusOr<std::shared_ptr<Peer>> Hub::PeerOf(NodeId id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = peers_.find(id); found != peers_.end()) return found->second;
  if (removed_.contains(id)) {
    return absl::PermissionDeniedError(
        fmt::format("{} was removed from {}'s peers", NameOf(id), NameOf(options_.node)));
  }
  if (!options_.accept_unknown || peers_.size() >= options_.peers_max) {
    return absl::PermissionDeniedError(fmt::format("{} is not among the {} peers that {} knows",
                                                   NameOf(id), peers_.size(),
                                                   NameOf(options_.node)));
  }
  return peers_[id] = std::make_shared<Peer>(id, *this);
}

void Hub::OnHello(const std::shared_ptr<Connection>& connection, absl::StatusOr<Hello> hello) {
  if (!hello.ok()) return Refuse(connection, hello.status());
  const std::shared_ptr<Peer> peer = connection->peer();
  const Peer* const dialed = connection->dialed() ? peer.get() : nullptr;
  if (absl::Status bad = Judge(*hello, dialed); !bad.ok()) return Refuse(connection, bad);
  if (absl::Status bad = JudgeCertificate(*connection, hello->from); !bad.ok()) {
    return Refuse(connection, bad);
  }
  if (dialed == nullptr) return OnAcceptedHello(connection, *hello);
  counters_.connections_made.fetch_add(1, std::memory_order_relaxed);
  peer->Adopt(connection, *hello);
}

void Hub::OnAcceptedHello(const std::shared_ptr<Connection>& connection, const Hello& hello) {
  if (connection->peer() != nullptr) {
    return Refuse(connection, absl::InvalidArgumentError("a second frame before the answer"));
  }
  auto peer = PeerOf(hello.from);
  if (!peer.ok()) return Refuse(connection, peer.status());
  unproven_.erase(connection);
  if ((*peer)->IsStale(hello)) return connection->Close();
  if ((*peer)->DialOverrides(options_.node)) return (*peer)->HoldRival(connection, hello);
  Answer(*peer, connection, hello);
}

void Hub::Answer(const std::shared_ptr<Peer>& peer, const std::shared_ptr<Connection>& connection,
                 const Hello& hello) {
  counters_.connections_made.fetch_add(1, std::memory_order_relaxed);
  Say(*connection, hello.from);
  peer->Adopt(connection, hello);
}

void Hub::Refuse(const std::shared_ptr<Connection>& connection, const absl::Status& why) {
  // Whoever does not speak the protocol is not answered, nor is a refusal.
  if (!connection->dialed() && why.code() != absl::StatusCode::kInvalidArgument) {
    connection->SendHello(EncodeRefusal(std::string(why.message())));
  }
  if (connection->peer() != nullptr)
    counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
  OnClosed(connection, why);
  connection->Close();
}

void Hub::OnFrame(Connection& connection, SharedBytes frame) {
  const Peer& peer = *connection.peer();
  if (!peer.retired()) receiver_->OnFrame(peer.id(), std::move(frame));
}

void Hub::OnClosed(const std::shared_ptr<Connection>& connection, const absl::Status& why) {
  if (const std::shared_ptr<Peer> peer = connection->peer()) {
    return peer->OnClosed(connection.get(), why);
  }
  unproven_.erase(connection);
  counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
  // Who goes without a word has changed its mind, or asks whether somebody listens.
  if (why.code() == absl::StatusCode::kAborted) return;
  log_.Warn("raft peer refused", connection->remote(), std::string(why.message()));
}

/// That a node is down is said when it begins, as processes of a cluster start one after the other,
/// and is a warning when it lasts; what a node answers is one as often as it does.
void Hub::NoteDialFailed(Peer& peer, const absl::Status& why) {
  counters_.dials_failed.fetch_add(1, std::memory_order_relaxed);
  const std::string who = fmt::format("{} at {}", NameOf(peer.id()), peer.address()->ToString());
  const bool answered =
      why.code() != absl::StatusCode::kUnavailable && why.code() != absl::StatusCode::kAborted;
  FailureNews& news = peer.news();
  const auto now = rpc::Loop::Clock::now();
  if (!news.since) {
    news.since = now;
    if (!answered) {
      io::Log(io::LogLevel::kInfo, "raft peer not reached",
              {{"peer", who}, {"why", std::string(why.message())}});
    }
  }
  const bool lasts = !news.warned && now - *news.since >= options_.silence_max;
  if (answered || lasts) log_.Warn("raft peer not reached", who, std::string(why.message()));
  news.warned |= lasts;
}

void Hub::NoteLost(const Peer& peer, const absl::Status& why) {
  counters_.connections_lost.fetch_add(1, std::memory_order_relaxed);
  io::Log(io::LogLevel::kInfo, "raft peer lost",
          {{"peer", NameOf(peer.id())}, {"why", std::string(why.message())}});
  TellUnreachable(peer);
}

void Hub::ForgetStranger(const Peer& peer) {
  if (peer.address()) return;
  std::shared_ptr<Peer> forgotten;
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(peer.id());
  if (found != peers_.end() && found->second.get() == &peer) {
    forgotten = std::move(found->second);
    peers_.erase(found);
  }
}

void Hub::TellUnreachable(const Peer& peer) {
  if (running_ && !peer.retired()) receiver_->OnUnreachable(peer.id());
}

}  // namespace trireme::raft::tcp
