#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "rpc/http2_session.h"
#include "rpc/server_context.h"
#include "rpc/transport.h"

namespace trireme::rpc {

/// Told when an accepted connection is closed, by whichever protocol it has come to speak.
using ConnectionClosed = std::function<void(Transport*)>;

/// Waits for the first bytes and hands the connection to HTTP/2 or HTTP/1.1.
class Sniffer final : public Transport::Handler {
 public:
  Sniffer(std::shared_ptr<Transport> transport, std::shared_ptr<ServerContext> context,
          ConnectionClosed closed);

  absl::Status OnInput(std::span<char> bytes) override;
  void ProduceOutput(OutQueue&) override {}
  void OnClosed(const absl::Status& why) override;
  void Drain() override;

 private:
  struct Timeout final : Loop::Timer {
    explicit Timeout(Sniffer* s) : sniffer(s) {}
    void OnTimer() override { sniffer->OnTimeout(); }
    Sniffer* sniffer;
  };
  void OnTimeout();

  std::shared_ptr<Transport> transport_;
  std::shared_ptr<ServerContext> context_;
  ConnectionClosed closed_;
  std::string seen_;
  Timeout timeout_{this};
};

/// The server's end of an HTTP/2 connection.
class ServerSession final : public Http2Session {
 public:
  ServerSession(std::shared_ptr<Transport> transport, std::shared_ptr<ServerContext> context,
                ConnectionClosed closed);
  void Drain() override;

 private:
  struct Timeout final : Loop::Timer {
    explicit Timeout(ServerSession* s) : session(s) {}
    void OnTimer() override { session->OnTimeout(); }
    ServerSession* session;
  };

  std::shared_ptr<Stream> AcceptStream() override;
  void OnPeerSettings() override;
  void OnPingAck() override;
  void OnSessionClosed(const absl::Status& why) override;
  void OnTimeout();

  const std::shared_ptr<ServerContext> context_;
  const std::shared_ptr<const std::string> peer_;
  ConnectionClosed closed_callback_;
  Timeout timeout_{this};
  bool settled_ = false;   // The client's SETTINGS have come.
  bool draining_ = false;  // The notice is sent.
  bool last_goaway_sent_ = false;
};

}  // namespace trireme::rpc
