#pragma once

#include <memory>

#include "rpc/http2_session.h"

namespace trireme::rpc {

/// The client's end of an HTTP/2 connection. On the loop thread.
class ClientSession final : public Http2Session {
 public:
  /// Who uses the connection; it outlives the session or detaches.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// The server's SETTINGS have come: calls may start.
    virtual void OnSessionReady(ClientSession& session) = 0;
    /// The server takes no new calls; running ones go on.
    virtual void OnSessionDraining(ClientSession& session) = 0;
    virtual void OnSessionLost(ClientSession& session, const absl::Status& why) = 0;
  };

  ClientSession(std::shared_ptr<Transport> transport, const SessionOptions& options,
                std::weak_ptr<Owner> owner)
      : Http2Session(std::move(transport), options), owner_(std::move(owner)) {}

  void Close(const absl::Status& why) {
    if (const std::shared_ptr<Transport> held = transport()) held->Close(why);
  }

 private:
  void OnPeerSettings() override {
    const auto owner = owner_.lock();
    if (!std::exchange(ready_, true) && owner) owner->OnSessionReady(*this);
  }
  void OnGoaway(std::int32_t, std::uint32_t) override {
    if (const auto owner = owner_.lock()) owner->OnSessionDraining(*this);
  }
  void OnSessionClosed(const absl::Status& why) override {
    if (const auto owner = owner_.lock()) owner->OnSessionLost(*this, why);
  }

  const std::weak_ptr<Owner> owner_;
  bool ready_ = false;
};

}  // namespace trireme::rpc
