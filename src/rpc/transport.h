#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "rpc/loop.h"
#include "rpc/out_queue.h"
#include "rpc/socket.h"

namespace trireme::rpc {

/// A connected socket on a loop: reads are pushed to a handler, output is pulled from it once per
/// turn and leaves in one gather write. Everything on the loop thread. Always held by shared_ptr.
class Transport final : public Loop::Watcher,
                        public Loop::Flushable,
                        public std::enable_shared_from_this<Transport> {
 public:
  /// The protocol above. The transport keeps it alive until OnClosed has returned.
  class Handler {
   public:
    virtual ~Handler() = default;
    /// Bytes as they come, to do with as it likes; they are gone after the call. An error closes
    /// the connection with it, after what can be flushed.
    virtual absl::Status OnInput(std::span<char> bytes) = 0;
    /// Appends output until `out` holds kOutputBytesMax or nothing is left.
    virtual void ProduceOutput(OutQueue& out) = 0;
    /// Whether all that was asked is answered, so that output need not wait for more of it.
    virtual bool answered() const { return false; }
    /// Finish what runs, take nothing new, then close.
    virtual void Drain() {}
    /// Once, last.
    virtual void OnClosed(const absl::Status& why) = 0;
  };

  /// Output is produced up to this size before it is written.
  static constexpr std::size_t kOutputBytesMax = 512u << 10;
  /// What CloseWhenFlushed waits for a peer that does not read.
  static constexpr std::chrono::seconds kLingerTimeout{5};

  /// Takes over `descriptor`, a connected non-blocking socket.
  Transport(std::shared_ptr<Loop> loop, int descriptor, const TlsRole& tls, std::string peer);
  ~Transport() override;

  void Start(std::shared_ptr<Handler> handler);
  /// Replaces the handler from within its OnInput; the old one gets no OnClosed.
  void SwitchHandler(std::shared_ptr<Handler> handler) { handler_ = std::move(handler); }

  /// There is output to pull.
  void MarkOutput() {
    if (!closed_) loop_->Mark(*this);
  }
  /// Closes now; OnClosed runs before it returns.
  void Close(const absl::Status& why);
  /// Closes once all output is written.
  void CloseWhenFlushed(const absl::Status& why);

  bool closed() const { return closed_; }
  const std::shared_ptr<Loop>& loop() const { return loop_; }
  const std::string& peer() const { return peer_; }
  /// Copy it before calling: the call may replace it. Null once closed.
  const std::shared_ptr<Handler>& handler() const { return handler_; }
  /// Bytes produced that the socket has not taken.
  std::size_t unsent_bytes() const { return out_.size(); }

  void Flush() override;

 private:
  struct Linger final : Loop::Timer {
    explicit Linger(Transport* t) : transport(t) {}
    void OnTimer() override { transport->Close(transport->close_status_); }
    Transport* transport;
  };

  void OnReady(std::uint32_t events) override;
  void WatchAgain();
  void FlushRounds();
  bool ContinueHandshake();
  void ReadSome();
  bool WriteAll();

  std::shared_ptr<Loop> loop_;
  OwnedDescriptor descriptor_;  // Watched from Start to Close.
  Socket socket_;
  std::string peer_;
  std::shared_ptr<Handler> handler_;
  OutQueue out_;
  bool open_ = false;
  bool closed_ = false;
  bool awaiting_writable_ = false;     // The socket is full.
  bool read_awaits_writable_ = false;  // TLS: so reading must go on when it is not any more.
  bool close_when_flushed_ = false;
  absl::Status close_status_;
  Linger linger_{this};
};

}  // namespace trireme::rpc
