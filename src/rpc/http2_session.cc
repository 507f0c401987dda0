#include "rpc/http2_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "fmt/format.h"
#include "rpc/block_pool.h"
#include "rpc/limits.h"

namespace trireme::rpc {
namespace {

constexpr std::uint8_t kKeepaliveOpaque[8] = {'t', 'r', 'i', 'r', 'e', 'm', 'e', 0};
constexpr Loop::Clock::duration kTickMin = std::chrono::milliseconds(1);
constexpr int kHeaderOverheadBytes = 32;  // RFC 9113 section 6.5.2.

constexpr std::size_t kPrefaceBytes = 24;  // RFC 9113 section 3.4.
constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::size_t kFrameFlagsAt = 4, kFrameStreamAt = 5;
/// "grpc-status: 0" as a HEADERS frame that ends a stream, whose number is missing. A literal that
/// is not indexed (RFC 7541 section 6.2.2) needs no table, so nghttp2 need not make the frame.
constexpr std::string_view kPlainTrailers{
    "\0\0\x0f\1\5\0\0\0\0"
    "\0\x0bgrpc-status\1"
    "0",
    kFrameHeaderBytes + 15};

}  // namespace

/// nghttp2's callbacks; `user` is always the session.
struct Http2Session::Callbacks {
  static Http2Session& Of(void* user) { return *static_cast<Http2Session*>(user); }
  /// A callback may have closed the connection; nghttp2 must not go on then.
  static int Result(const Http2Session& session) {
    return session.closed_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int OnBeginHeaders(nghttp2_session* raw, const nghttp2_frame* frame, void* user) {
    Http2Session& session = Of(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    session.in_headers_ = true;
    const HeaderMemo::Meaning* const known = session.memo_.Begin(frame->hd.stream_id);
    if (session.server_ && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      std::shared_ptr<Stream> stream = session.AcceptStream();
      if (stream == nullptr) {
        session.in_headers_ = false;
        nghttp2_submit_rst_stream(raw, 0, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      }
      stream->Attach(&session, frame->hd.stream_id);
      nghttp2_session_set_stream_user_data(raw, frame->hd.stream_id, stream.get());
      ++session.unanswered_;
      session.Keep(std::move(stream));
      session.OnStreamCount();
    }
    if (Stream* stream = session.Find(frame->hd.stream_id)) {
      stream->header_bytes = 0;
      if (known != nullptr) stream->OnKnownHeaders(*known);
    }
    return 0;
  }

  static int OnHeader(nghttp2_session* raw, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) {
    Stream* stream = Of(user).Find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->header_bytes += name_size + value_size + kHeaderOverheadBytes;
    if (stream->header_bytes > Of(user).metadata_bytes_max_) {
      Of(user).in_headers_ = false;
      nghttp2_submit_rst_stream(raw, 0, frame->hd.stream_id, NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    stream->OnHeader({reinterpret_cast<const char*>(name), name_size},
                     {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }

  static int OnInvalidFrame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    Of(user).in_headers_ = false;
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Of(user).OnFrameReceived(*frame);
  }

  static int OnDataChunk(nghttp2_session* raw, std::uint8_t, std::int32_t id,
                         const std::uint8_t* bytes, std::size_t size, void* user) {
    Http2Session& session = Of(user);
    session.unconsumed_ += size;
    if (Stream* stream = session.Find(id)) {
      stream->OnData({reinterpret_cast<const char*>(bytes), size});
    } else {
      nghttp2_session_consume_stream(raw, id, size);
    }
    return Result(session);
  }

  static int OnStreamClose(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
    Http2Session& session = Of(user);
    Stream* const closed = session.Find(id);
    if (closed == nullptr) return 0;
    const std::shared_ptr<Stream> stream = session.LetGo(*closed);
    session.last_stream_end_ = session.last_input_;
    stream->closed_at = session.out_ != nullptr ? session.output_began_ : session.last_input_;
    stream->OnClosed(error, absl::OkStatus());
    if (!session.closed_) session.OnStreamCount();
    return Result(session);
  }

  /// Of a server's frames the last counts, which is DATA when it went out with its trailers; of a
  /// client's, HEADERS.
  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& session = Of(user);
    const bool data = frame->hd.type == NGHTTP2_DATA;
    if (!data && frame->hd.type != NGHTTP2_HEADERS) return 0;
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (session.server_ ? !end : data) return 0;
    if (Stream* stream = session.Find(frame->hd.stream_id)) stream->OnHeadersSent(end);
    return 0;
  }

  static ssize_t ReadData(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                          std::uint32_t* flags, nghttp2_data_source* source, void*) {
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const std::size_t count = std::min(length, stream.pending_bytes());
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    const Stream::End end =
        count == stream.pending_bytes() ? stream.EndOfOutput() : Stream::End::kNotYet;
    if (end != Stream::End::kNotYet) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (end == Stream::End::kTrailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    } else if (count == 0) {
      stream.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const std::uint8_t* header,
                      std::size_t length, nghttp2_data_source* source, void* user) {
    OutQueue& out = *Of(user).out_;
    if (out.size() >= Transport::kOutputBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
    Stream& stream = *static_cast<Stream*>(source->ptr);
    Of(user).last_found_ = &stream;
    // The stream gave up and dropped its queue after the frame was planned.
    if (stream.pending_bytes() < length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string_view frame{reinterpret_cast<const char*>(header), kFrameHeaderBytes};
    if (Of(user).server_ && (header[kFrameFlagsAt] & NGHTTP2_FLAG_END_STREAM) != 0) {
      EmitWithTrailers(frame, length, stream, out);
    } else {
      out.Append(frame);
      stream.Emit(length, out);
    }
    return 0;
  }

  /// nghttp2 takes the DATA for the stream's end; on the wire the trailers are.
  static void EmitWithTrailers(std::string_view frame, std::size_t length, Stream& stream,
                               OutQueue& out) {
    char header[kFrameHeaderBytes];
    frame.copy(header, kFrameHeaderBytes);
    header[kFrameFlagsAt] = 0;
    out.Append({header, kFrameHeaderBytes});
    stream.Emit(length, out);
    char trailers[kPlainTrailers.size()];
    kPlainTrailers.copy(trailers, kPlainTrailers.size());
    frame.copy(trailers + kFrameStreamAt, 4, kFrameStreamAt);
    out.Append({trailers, kPlainTrailers.size()});
  }

  static ssize_t FrameLength(nghttp2_session*, std::uint8_t, std::int32_t,
                             std::int32_t session_room, std::int32_t stream_room,
                             std::uint32_t remote_frame_max, void*) {
    return std::min<std::int64_t>({session_room, stream_room, remote_frame_max, kFrameBytesMax});
  }

  static const nghttp2_session_callbacks* Table() {
    static const nghttp2_session_callbacks* const table = [] {
      nghttp2_session_callbacks* t = nullptr;
      nghttp2_session_callbacks_new(&t);
      nghttp2_session_callbacks_set_on_begin_headers_callback(t, OnBeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(t, OnHeader);
      nghttp2_session_callbacks_set_on_frame_recv_callback(t, OnFrame);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(t, OnInvalidFrame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(t, OnDataChunk);
      nghttp2_session_callbacks_set_on_stream_close_callback(t, OnStreamClose);
      nghttp2_session_callbacks_set_on_frame_send_callback(t, OnFrameSent);
      nghttp2_session_callbacks_set_send_data_callback(t, SendData);
      nghttp2_session_callbacks_set_data_source_read_length_callback(t, FrameLength);
      return t;
    }();
    return table;
  }

  /// Streams look at headers themselves: nghttp2 would miss those that are known, and reset a
  /// request of some clients, etcdctl among them, that send a whole URL as :authority, which no
  /// server of theirs minds.
  static const nghttp2_option* Options() {
    static const nghttp2_option* const options = [] {
      nghttp2_option* o = nullptr;
      nghttp2_option_new(&o);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_no_closed_streams(o, 1);
      nghttp2_option_set_no_http_messaging(o, 1);
      return o;
    }();
    return options;
  }
};

Http2Session::Http2Session(std::shared_ptr<Transport> transport, const SessionOptions& options)
    : transport_(std::move(transport)),
      loop_(transport_->loop()),
      memo_(options.server ? kPrefaceBytes : 0),
      server_(options.server),
      metadata_bytes_max_(options.metadata_bytes_max),
      keepalive_interval_(options.keepalive_interval),
      keepalive_timeout_(options.keepalive_timeout),
      header_timeout_(options.header_timeout),
      idle_timeout_(options.idle_timeout),
      last_input_(Loop::Clock::now()),
      last_stream_end_(last_input_) {
  const auto make = server_ ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  make(&session_, Callbacks::Table(), this, Callbacks::Options(), PooledMemory());
  SubmitSettings(options);
  loop_->Arm(keepalive_timer_, last_input_ + TickPeriod());
}

Http2Session::~Http2Session() {
  nghttp2_session_del(session_);
}

void Http2Session::SubmitSettings(const SessionOptions& options) {
  std::vector<nghttp2_settings_entry> entries = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytesMax},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(metadata_bytes_max_)}};
  if (server_) {
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.concurrent_streams_max});
  } else {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  MarkOutput();
}

/// What is done with a stream mostly comes together: the last one is remembered.
Stream* Http2Session::Find(std::int32_t id) {
  if (last_found_ != nullptr && last_found_->id() == id) return last_found_;
  if (closed_) return nullptr;  // nghttp2 may still know what is gone.
  auto* const found = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
  if (found != nullptr) last_found_ = found;
  return found;
}

void Http2Session::Keep(std::shared_ptr<Stream> stream) {
  Stream& kept = *stream;
  kept.place = streams_.insert(streams_.end(), std::move(stream));
  last_found_ = &kept;
}

std::shared_ptr<Stream> Http2Session::LetGo(Stream& stream) {
  if (server_) Answered(stream);
  if (last_found_ == &stream) last_found_ = nullptr;
  std::shared_ptr<Stream> kept = std::move(*stream.place);
  streams_.erase(stream.place);
  return kept;
}

void Http2Session::Answered(Stream& stream) {
  if (!std::exchange(stream.counted_answered, true)) --unanswered_;
}

absl::Status Http2Session::OnInput(std::span<char> bytes) {
  last_input_ = Loop::Clock::now();
  bytes = memo_.Shorten(bytes);
  const ssize_t used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (closed_) return absl::OkStatus();
  nghttp2_session_consume_connection(session_, std::exchange(unconsumed_, 0));
  MarkOutput();
  if (used < 0) {
    return absl::UnavailableError(fmt::format("connection lost: the peer breaks HTTP/2: {}",
                                              nghttp2_strerror(static_cast<int>(used))));
  }
  WatchHeaders();
  CloseIfFinished();
  return absl::OkStatus();
}

void Http2Session::WatchHeaders() {
  if (in_headers_ == header_timer_armed_) return;
  header_timer_armed_ = in_headers_;
  if (in_headers_) {
    loop_->Arm(header_timer_, last_input_ + ToLoopDuration(header_timeout_));
  } else {
    loop_->Disarm(header_timer_);
  }
}

void Http2Session::CloseIfFinished() {
  if (closed_) return;
  if (nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0) return;
  transport_->CloseWhenFlushed(absl::UnavailableError("connection closed after GOAWAY"));
}

void Http2Session::ProduceOutput(OutQueue& out) {
  out_ = &out;
  output_began_ = Loop::Clock::now();
  while (!closed_ && out.size() < Transport::kOutputBytesMax) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) {
      transport_->Close(absl::InternalError(
          fmt::format("HTTP/2 output failed: {}", nghttp2_strerror(static_cast<int>(size)))));
      break;
    }
    if (size == 0) break;
    out.Append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
  out_ = nullptr;
  CloseIfFinished();
}

void Http2Session::OnClosed(const absl::Status& why) {
  closed_ = true;
  last_found_ = nullptr;
  loop_->Disarm(keepalive_timer_);
  loop_->Disarm(header_timer_);
  const Loop::Clock::time_point now = Loop::Clock::now();
  auto streams = std::exchange(streams_, {});
  for (auto& stream : streams) {
    stream->closed_at = now;
    stream->OnClosed(NGHTTP2_CANCEL, why);
  }
  OnSessionClosed(why);
  // This may run inside a callback of one of them.
  loop_->Post([streams = std::move(streams)] {});
  transport_ = nullptr;
}

int Http2Session::OnFrameReceived(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      in_headers_ = false;
      if (Stream* stream = Find(frame.hd.stream_id)) {
        const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        stream->OnHeaders(end);
        if (memo_.wants()) memo_.Learn(stream->headers_meaning());
        if (end && !closed_) stream->OnEndStream();
      }
      break;
    case NGHTTP2_DATA:
      if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) break;
      if (Stream* stream = Find(frame.hd.stream_id)) stream->OnEndStream();
      break;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
      ++settings_received_;
      OnPeerSettings();
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) break;
      ping_outstanding_ = false;
      OnPingAck();
      break;
    case NGHTTP2_GOAWAY:
      OnGoaway(frame.goaway.last_stream_id, frame.goaway.error_code);
      break;
    default:
      break;
  }
  return Callbacks::Result(*this);
}

Loop::Clock::duration Http2Session::TickPeriod() const {
  return ToLoopDuration(std::min(keepalive_interval_, idle_timeout_));
}

void Http2Session::OnKeepaliveTimer() {
  const Loop::Clock::time_point now = Loop::Clock::now();
  // A call may be on its way while we give up waiting for one, so not at once.
  if (streams_.empty() && now - last_stream_end_ >= ToLoopDuration(idle_timeout_)) Drain();
  const auto interval = ToLoopDuration(keepalive_interval_);
  const auto timeout = ToLoopDuration(keepalive_timeout_);
  const bool silent = now - last_input_ >= interval;
  if (silent && ping_outstanding_) {
    transport_->Close(absl::UnavailableError(
        fmt::format("connection lost: {} answers no keepalive ping for {}", transport_->peer(),
                    absl::FormatDuration(keepalive_timeout_))));
    return;
  }
  ping_outstanding_ = false;
  if (silent && (server_ || !streams_.empty())) {
    ping_outstanding_ = true;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kKeepaliveOpaque);
    MarkOutput();
    loop_->Arm(keepalive_timer_, now + timeout);
    return;
  }
  loop_->Arm(keepalive_timer_, now + std::max(TickPeriod() / 4, kTickMin));
}

void Http2Session::OnHeaderTimer() {
  transport_->Close(absl::UnavailableError(
      fmt::format("connection closed: {} left a header block unfinished for {}", transport_->peer(),
                  absl::FormatDuration(header_timeout_))));
}

void Http2Session::ResumeData(Stream& stream) {
  if (closed_ || !stream.deferred) return;
  stream.deferred = false;
  nghttp2_session_resume_data(session_, stream.id());
  MarkOutput();
}

void Http2Session::ConsumeStream(std::int32_t id, std::size_t count) {
  if (closed_ || count == 0) return;
  nghttp2_session_consume_stream(session_, id, count);
  MarkOutput();
}

void Http2Session::ResetStream(std::int32_t id, std::uint32_t error_code) {
  if (closed_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error_code);
  MarkOutput();
}

void Http2Session::SubmitResponse(Stream& stream, const nghttp2_nv* headers, std::size_t count,
                                  bool with_data) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Callbacks::ReadData;
  nghttp2_submit_response(session_, stream.id(), headers, count, with_data ? &provider : nullptr);
  MarkOutput();
}

void Http2Session::SubmitTrailers(Stream& stream, const nghttp2_nv* headers, std::size_t count) {
  nghttp2_submit_trailer(session_, stream.id(), headers, count);
}

std::int32_t Http2Session::SubmitRequest(std::shared_ptr<Stream> stream, const nghttp2_nv* headers,
                                         std::size_t count, bool with_data) {
  nghttp2_data_provider provider{};
  provider.source.ptr = stream.get();
  provider.read_callback = Callbacks::ReadData;
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, headers, count,
                                                 with_data ? &provider : nullptr, stream.get());
  if (id < 0) return id;
  stream->Attach(this, id);
  Keep(std::move(stream));
  MarkOutput();
  return id;
}

}  // namespace trireme::rpc
