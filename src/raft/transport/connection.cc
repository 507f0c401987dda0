#include "raft/transport/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/transport/ask.h"

namespace trireme::raft::tcp {
namespace {

/// One read takes so much beyond the frame that has begun. Smaller frames are copied out of it,
/// greater ones are read into their place from here on: so 64 KiB of a frame at most are copied a
/// second time, out of the processor's cache.
constexpr std::size_t kReadAheadBytes = 64u << 10;
/// The same of the frame that has begun: what a processor keeps near until it is checksummed.
constexpr std::size_t kReadInPlaceBytesMax = 256u << 10;
/// Reads from one connection before others get their turn.
constexpr int kReadsMax = 8;

/// Shared by all connections of the loop's thread: no bytes stay in it between calls.
char* ReadAheadBuffer() {
  static thread_local std::vector<char> buffer(kReadAheadBytes);
  return buffer.data();
}

absl::Status Lost(std::string_view why) {
  return absl::UnavailableError(fmt::format("connection lost: {}", why));
}

}  // namespace

Connection::Connection(std::shared_ptr<rpc::Loop> loop, rpc::OwnedDescriptor descriptor,
                       const rpc::TlsRole& tls, std::string remote, Owner* owner,
                       const TcpTransportOptions& options, TransportCounters& counters)
    : loop_(std::move(loop)),
      descriptor_(std::move(descriptor)),
      tls_(tls.context != nullptr),
      dialed_(!tls.server),
      remote_(std::move(remote)),
      owner_(owner),
      options_(options),
      counters_(counters),
      reader_(!tls_),
      socket_(descriptor_.get(), tls),
      outbox_(socket_, descriptor_.get(), tls_) {}

Connection::~Connection() = default;

void Connection::Start() {
  const auto self = shared_from_this();
  loop_->Arm(*this, rpc::Loop::Clock::now() + options_.handshake_timeout);
  if (ContinueHandshake()) WatchAgain();
}

void Connection::Establish() {
  established_ = true;
  reader_.set_body_bytes_max(options_.frame_bytes_max);
  loop_->Arm(*this, rpc::Loop::Clock::now() + options_.keepalive_interval);
}

void Connection::Close() {
  if (std::exchange(closed_, true)) return;
  loop_->Disarm(*this);
  loop_->Unwatch(*this);
  peer_ = nullptr;
  const std::lock_guard lock(mutex_);
  unwritable_ = true;
  descriptor_ = rpc::OwnedDescriptor();
}

void Connection::Fail(const absl::Status& why) {
  if (closed_) return;
  const auto self = shared_from_this();
  owner_->OnClosed(self, why);
  Close();
}

void Connection::SendHello(const std::string& hello) {
  hello_sent_ = true;
  const SharedBytes piece = SharedBytes::Copy(hello);
  Send({&piece, 1}, piece.size());
}

std::optional<rpc::PeerCertificate> Connection::peer_certificate() {
  const std::lock_guard lock(mutex_);
  return socket_.peer_certificate();
}

Connection::Sent Connection::Send(std::span<const SharedBytes> pieces, std::size_t body_bytes) {
  bool watch = false;
  absl::Status status;
  {
    const std::lock_guard lock(mutex_);
    if (unwritable_) return Sent::kBroken;
    const std::size_t waited = outbox_.waiting_bytes();
    if (waited > 0 && waited + body_bytes > options_.queue_bytes_max) return Sent::kQueueFull;
    status = outbox_.Send(pieces, body_bytes);
    unwritable_ = !status.ok();
    const bool waiting = outbox_.waiting_bytes() > 0;
    if (waiting) counters_.writes_deferred.fetch_add(1, std::memory_order_relaxed);
    watch = waiting && !waiting_.exchange(waiting);
  }
  spoke_.store(true, std::memory_order_relaxed);
  if (status.ok() && !watch) return Sent::kYes;
  // The loop's thread alone may watch and close, and not under its caller's feet.
  loop_->Post([self = shared_from_this(), status] {
    if (!status.ok()) return self->Fail(status);
    self->WatchAgain();
  });
  return status.ok() ? Sent::kYes : Sent::kBroken;
}

/// False when the connection is not open yet or not any more.
bool Connection::ContinueHandshake() {
  if (open_) return true;
  if (!Handshake()) return false;
  open_ = true;
  owner_->OnOpen(shared_from_this());
  return !closed_;
}

bool Connection::Handshake() {
  rpc::IoResult result;
  {
    const std::lock_guard lock(mutex_);
    result = socket_.Handshake();
  }
  handshake_awaits_writable_ = result == rpc::IoResult::kWantWrite;
  if (result == rpc::IoResult::kProgress) return true;
  if (result == rpc::IoResult::kClosed) {
    Fail(socket_.error());
  } else {
    WatchAgain();
  }
  return false;
}

/// A handshake that waits to write must not hear of input: what stays unread would wake it again
/// and again.
void Connection::WatchAgain() {
  if (closed_) return;
  const bool writes = handshake_awaits_writable_ || read_awaits_writable_ || waiting_;
  const std::uint32_t interest = (handshake_awaits_writable_ ? 0u : EPOLLIN) |
                                 (writes ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
  if (const absl::Status status = loop_->Watch(*this, descriptor_.get(), interest); !status.ok()) {
    Fail(status);
  }
}

void Connection::OnReady(std::uint32_t events) {
  const auto self = shared_from_this();
  if (!ContinueHandshake()) return;
  if ((events & ~EPOLLOUT) != 0 || std::exchange(read_awaits_writable_, false)) ReadSome();
  if (!closed_ && waiting_) FlushWaiting();
  WatchAgain();
}

/// First the time for the handshake is over; later it is time to say that we are there, and to ask
/// whether the other side is. Counted in ticks, so that a pause of this process is not taken for
/// silence of the peer.
void Connection::OnTimer() {
  const auto self = shared_from_this();
  if (!established_) {
    return Fail(Lost(fmt::format("no hello within {} ms", options_.handshake_timeout.count())));
  }
  silence_ = std::exchange(heard_, false) ? std::chrono::milliseconds(0)
                                          : silence_ + options_.keepalive_interval;
  if (silence_ >= options_.silence_max) {
    return Fail(Lost(fmt::format("silent for {} ms", silence_.count())));
  }
  if (!spoke_.load(std::memory_order_relaxed)) Send({}, 0);
  spoke_.store(false, std::memory_order_relaxed);
  loop_->Arm(*this, rpc::Loop::Clock::now() + options_.keepalive_interval);
}

void Connection::ReadSome() {
  char* const buffer = ReadAheadBuffer();
  bool drained = false;
  for (int round = 0; !closed_ && !drained; ++round) {
    // Decrypted bytes must not be left behind, since the socket announces them no more.
    if (round >= kReadsMax && !(tls_ && socket_.HasBuffered())) return;
    const auto count = ReadOnce(buffer, &drained);
    if (!count.ok()) return Fail(count.status());
    if (*count == 0) return;
    heard_ = true;
    if (const absl::Status status = TakeRead(buffer, *count); !status.ok()) return Fail(status);
  }
}

absl::StatusOr<std::size_t> Connection::ReadOnce(char* buffer, bool* drained) {
  return tls_ ? ReadTls(buffer, drained) : ReadPlain(buffer, drained);
}

/// Bytes for the frame that has begun, then for `buffer`; 0 when none are there.
absl::StatusOr<std::size_t> Connection::ReadPlain(char* buffer, bool* drained) {
  iovec vectors[2];
  msghdr message{};
  message.msg_iov = vectors;
  const std::size_t in_place = std::min(reader_.rest_size(), kReadInPlaceBytesMax);
  if (in_place > 0) vectors[message.msg_iovlen++] = {reader_.rest_data(), in_place};
  const std::size_t ahead = in_place == reader_.rest_size() ? kReadAheadBytes : 0;
  if (ahead > 0) vectors[message.msg_iovlen++] = {buffer, ahead};
  const ssize_t got = in_place == 0 ? ::recv(descriptor_.get(), buffer, kReadAheadBytes, 0)
                                    : ::recvmsg(descriptor_.get(), &message, 0);
  if (got == 0) return absl::AbortedError("connection lost: closed by the peer");
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got < 0) return Lost(std::strerror(errno));
  *drained = static_cast<std::size_t>(got) < in_place + ahead;
  return static_cast<std::size_t>(got);
}

/// The same, but one of the two, since TLS reads into one place.
absl::StatusOr<std::size_t> Connection::ReadTls(char* buffer, bool* drained) {
  const std::lock_guard lock(mutex_);
  const bool in_place = reader_.rest_size() > 0;
  const std::size_t size = in_place ? reader_.rest_size() : kReadAheadBytes;
  std::size_t count = 0;
  switch (socket_.Read(in_place ? reader_.rest_data() : buffer,
                       std::min<std::size_t>(size, 1u << 30), &count)) {
    case rpc::IoResult::kProgress:
      return count;
    case rpc::IoResult::kWantWrite:
      read_awaits_writable_ = true;
      [[fallthrough]];
    case rpc::IoResult::kWantRead:
      *drained = true;
      return 0;
    case rpc::IoResult::kClosed:
      break;
  }
  return socket_.error();
}

absl::Status Connection::TakeRead(const char* buffer, std::size_t count) {
  const auto deliver = [this](SharedBytes body) { return OnBody(std::move(body)); };
  const std::size_t in_place = std::min(count, reader_.rest_size());
  if (in_place > 0) TRIREME_RETURN_IF_ERROR(reader_.Filled(in_place, deliver));
  counters_.bytes_copied.fetch_add(count - in_place, std::memory_order_relaxed);
  return reader_.Take({buffer, count - in_place}, deliver);
}

/// Once on a connection; the asking side closes it.
bool Connection::MayAnswer() {
  return !dialed_ && options_.answer && !std::exchange(answered_, true);
}

bool Connection::OnBody(SharedBytes body) {
  if (established_) {
    counters_.frames_received.fetch_add(1, std::memory_order_relaxed);
    counters_.bytes_received.fetch_add(body.size(), std::memory_order_relaxed);
    owner_->OnFrame(*this, std::move(body));
  } else if (const auto question = QuestionIn(body.view()); question && MayAnswer()) {
    const SharedBytes answer = SharedBytes::Own(options_.answer(*question));
    Send({&answer, 1}, answer.size());
  } else {
    owner_->OnHello(shared_from_this(), DecodeHello(body.view()));
  }
  return !closed_;
}

void Connection::FlushWaiting() {
  absl::Status status;
  {
    const std::lock_guard lock(mutex_);
    status = outbox_.Flush();
    unwritable_ = unwritable_ || !status.ok();
    waiting_ = outbox_.waiting_bytes() > 0;
  }
  if (!status.ok()) Fail(status);
}

}  // namespace trireme::raft::tcp
