#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/header_memo.h"
#include "rpc/loop.h"
#include "rpc/stream.h"
#include "rpc/transport.h"

namespace trireme::rpc {

struct SessionOptions {
  bool server = false;
  std::uint32_t concurrent_streams_max = 0;  // Server only.
  std::size_t metadata_bytes_max = 0;
  absl::Duration keepalive_interval;
  absl::Duration keepalive_timeout;
  absl::Duration header_timeout;
  absl::Duration idle_timeout = absl::InfiniteDuration();
};

/// One HTTP/2 connection of either role: nghttp2 between a Transport and its streams. On the loop
/// thread. Roles derive from it.
class Http2Session : public Transport::Handler {
 public:
  Http2Session(std::shared_ptr<Transport> transport, const SessionOptions& options);
  ~Http2Session() override;

  absl::Status OnInput(std::span<char> bytes) override;
  void ProduceOutput(OutQueue& out) override;
  void OnClosed(const absl::Status& why) override;

  bool answered() const override { return server_ && unanswered_ == 0; }

  // What streams ask for.
  void ResumeData(Stream& stream);
  void ConsumeStream(std::int32_t id, std::size_t count);
  void ResetStream(std::int32_t id, std::uint32_t error_code);
  void SubmitResponse(Stream& stream, const nghttp2_nv* headers, std::size_t count, bool with_data);
  void SubmitTrailers(Stream& stream, const nghttp2_nv* headers, std::size_t count);
  /// A server's stream needs nothing any more but the sending of what is there.
  void Answered(Stream& stream);
  /// Whether trailers may pass nghttp2 by: not once the peer changed its settings, because the next
  /// header block may have to begin with the new size of HPACK's table (RFC 7541 section 4.2).
  bool may_send_plain_trailers() const { return settings_received_ <= 1; }
  /// Negative when no stream may be opened any more.
  std::int32_t SubmitRequest(std::shared_ptr<Stream> stream, const nghttp2_nv* headers,
                             std::size_t count, bool with_data);

  /// When bytes came last.
  Loop::Clock::time_point last_input() const { return last_input_; }
  std::size_t stream_count() const { return streams_.size(); }
  const std::shared_ptr<Transport>& transport() const { return transport_; }

 protected:
  /// Server: a stream for a request whose headers begin; null refuses it.
  virtual std::shared_ptr<Stream> AcceptStream() { return nullptr; }
  virtual void OnPeerSettings() {}
  virtual void OnGoaway(std::int32_t last_stream_id, std::uint32_t error_code) {
    static_cast<void>(last_stream_id + static_cast<std::int32_t>(error_code));
  }
  virtual void OnPingAck() {}
  virtual void OnStreamCount() {}
  virtual void OnSessionClosed(const absl::Status& why) = 0;

  nghttp2_session* raw() { return session_; }
  bool closed() const { return closed_; }
  void MarkOutput() {
    if (!closed_) transport_->MarkOutput();
  }

 private:
  struct Callbacks;
  friend struct Callbacks;
  template <void (Http2Session::*kMethod)()>
  struct MethodTimer final : Loop::Timer {
    explicit MethodTimer(Http2Session* s) : session(s) {}
    void OnTimer() override { (session->*kMethod)(); }
    Http2Session* session;
  };

  void SubmitSettings(const SessionOptions& options);
  void CloseIfFinished();
  void WatchHeaders();
  Loop::Clock::duration TickPeriod() const;
  void OnKeepaliveTimer();
  void OnHeaderTimer();
  Stream* Find(std::int32_t id);
  void Keep(std::shared_ptr<Stream> stream);
  std::shared_ptr<Stream> LetGo(Stream& stream);
  int OnFrameReceived(const nghttp2_frame& frame);

  std::shared_ptr<Transport> transport_;  // Null once closed.
  const std::shared_ptr<Loop> loop_;
  nghttp2_session* session_ = nullptr;
  Streams streams_;
  Stream* last_found_ = nullptr;  // Of streams_, or null.
  std::size_t unanswered_ = 0;    // Server: of streams_.
  std::uint64_t settings_received_ = 0;
  HeaderMemo memo_;
  OutQueue* out_ = nullptr;  // While output is produced.
  Loop::Clock::time_point output_began_;
  std::size_t unconsumed_ = 0;  // Received bytes that the connection's window has not got back.
  const bool server_;
  const std::size_t metadata_bytes_max_;
  const absl::Duration keepalive_interval_;
  const absl::Duration keepalive_timeout_;
  const absl::Duration header_timeout_;
  const absl::Duration idle_timeout_;
  Loop::Clock::time_point last_input_;
  Loop::Clock::time_point last_stream_end_;
  bool in_headers_ = false;  // A header block has begun and not ended.
  bool header_timer_armed_ = false;
  bool ping_outstanding_ = false;
  bool closed_ = false;
  MethodTimer<&Http2Session::OnKeepaliveTimer> keepalive_timer_{this};
  MethodTimer<&Http2Session::OnHeaderTimer> header_timer_{this};
};

/// `duration` as the loop's clock counts it; an infinite one is about a century.
inline Loop::Clock::duration ToLoopDuration(absl::Duration duration) {
  constexpr absl::Duration kForever = absl::Hours(24 * 365 * 100);
  return absl::ToChronoNanoseconds(duration < kForever ? duration : kForever);
}

}  // namespace trireme::rpc
