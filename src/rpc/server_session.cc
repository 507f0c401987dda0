#include "rpc/server_session.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "rpc/block_pool.h"
#include "rpc/http1_session.h"
#include "rpc/server_stream.h"

namespace trireme::rpc {
namespace {

/// RFC 9113 section 3.4.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the drain's notice waits for its round trip before the last stream is fixed anyway.
constexpr std::chrono::milliseconds kDrainNoticeTimeout{500};
constexpr std::uint8_t kDrainOpaque[8] = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

SessionOptions SessionOptionsOf(const ServerOptions& options) {
  SessionOptions result;
  result.server = true;
  result.concurrent_streams_max = options.concurrent_streams_max;
  result.metadata_bytes_max = options.metadata_bytes_max;
  result.keepalive_interval = options.keepalive_interval;
  result.keepalive_timeout = options.keepalive_timeout;
  result.header_timeout = options.header_timeout;
  result.idle_timeout = options.idle_timeout;
  return result;
}

}  // namespace

Sniffer::Sniffer(std::shared_ptr<Transport> transport, std::shared_ptr<ServerContext> context,
                 ConnectionClosed closed)
    : transport_(std::move(transport)), context_(std::move(context)), closed_(std::move(closed)) {
  transport_->loop()->Arm(timeout_,
                          Loop::Clock::now() + ToLoopDuration(context_->options.handshake_timeout));
}

absl::Status Sniffer::OnInput(std::span<char> bytes) {
  seen_.append(bytes.data(), bytes.size());
  const std::size_t compared = std::min(seen_.size(), kPreface.size());
  const bool matches = std::string_view(seen_).substr(0, compared) == kPreface.substr(0, compared);
  if (matches && compared < kPreface.size()) return absl::OkStatus();
  transport_->loop()->Disarm(timeout_);
  std::shared_ptr<Transport::Handler> next;
  if (matches) {
    next = std::make_shared<ServerSession>(transport_, context_, std::move(closed_));
  } else {
    next = std::make_shared<Http1Session>(transport_, context_, std::move(closed_));
  }
  const std::shared_ptr<Transport> transport = std::exchange(transport_, nullptr);
  transport->SwitchHandler(next);
  return next->OnInput(seen_);
}

void Sniffer::OnTimeout() {
  transport_->Close(absl::DeadlineExceededError(
      fmt::format("{} sent no request within the handshake timeout", transport_->peer())));
}

void Sniffer::OnClosed(const absl::Status&) {
  const std::shared_ptr<Transport> transport = std::exchange(transport_, nullptr);
  transport->loop()->Disarm(timeout_);
  closed_(transport.get());
}

void Sniffer::Drain() {
  transport_->Close(absl::UnavailableError("the server is shutting down"));
}

ServerSession::ServerSession(std::shared_ptr<Transport> transport,
                             std::shared_ptr<ServerContext> context, ConnectionClosed closed)
    : Http2Session(transport, SessionOptionsOf(context->options)),
      context_(std::move(context)),
      peer_(std::make_shared<const std::string>(transport->peer())),
      closed_callback_(std::move(closed)) {
  transport->loop()->Arm(timeout_,
                         Loop::Clock::now() + ToLoopDuration(context_->options.handshake_timeout));
}

std::shared_ptr<Stream> ServerSession::AcceptStream() {
  if (last_goaway_sent_) return nullptr;
  return std::allocate_shared<ServerStream>(BlockAllocator<ServerStream>(), transport()->loop(),
                                            context_, peer_);
}

void ServerSession::OnPeerSettings() {
  if (std::exchange(settled_, true)) return;
  if (!draining_) transport()->loop()->Disarm(timeout_);
}

// A drain first says that it will come (GOAWAY of the largest id), and one round trip later which
// stream was the last: so no request that was on its way is lost (RFC 9113 section 6.8).
void ServerSession::Drain() {
  if (std::exchange(draining_, true)) return;
  nghttp2_submit_shutdown_notice(raw());
  nghttp2_submit_ping(raw(), NGHTTP2_FLAG_NONE, kDrainOpaque);
  transport()->loop()->Arm(timeout_, Loop::Clock::now() + kDrainNoticeTimeout);
  MarkOutput();
}

void ServerSession::OnPingAck() {
  if (draining_) OnTimeout();
}

void ServerSession::OnTimeout() {
  if (!draining_) {
    transport()->Close(absl::DeadlineExceededError(
        fmt::format("{} sent no SETTINGS within the handshake timeout", *peer_)));
    return;
  }
  if (std::exchange(last_goaway_sent_, true)) return;
  transport()->loop()->Disarm(timeout_);
  nghttp2_submit_goaway(raw(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(raw()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  MarkOutput();
}

void ServerSession::OnSessionClosed(const absl::Status&) {
  transport()->loop()->Disarm(timeout_);
  closed_callback_(transport().get());
}

}  // namespace trireme::rpc
