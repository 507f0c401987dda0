#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/address.h"
#include "rpc/client_call.h"
#include "rpc/limits.h"
#include "rpc/loop.h"
#include "rpc/tls.h"

namespace trireme::rpc {

struct ChannelOptions {
  std::size_t receive_message_bytes_max = kReceiveMessageBytesMax;
  std::size_t send_queue_bytes_max = kSendQueueBytesMax;
  std::size_t metadata_bytes_max = kMetadataBytesMax;
  absl::Duration connect_timeout = kConnectTimeout;
  absl::Duration reconnect_delay_min = kReconnectDelayMin;
  absl::Duration reconnect_delay_max = kReconnectDelayMax;
  absl::Duration keepalive_interval = kClientKeepaliveInterval;
  absl::Duration keepalive_timeout = kKeepaliveTimeout;
  std::optional<TlsClientOptions> tls;
  /// The io thread; null: one thread shared by all channels of the process that name none.
  std::shared_ptr<Loop> loop;
};

/// One HTTP/2 connection to one server, made at the first call and made again, with back-off, when
/// it is lost. Thread-safe. A call started while connecting waits for the attempt; one started
/// during a back-off fails at once with UNAVAILABLE (Outcome::kNotExecuted) unless wait_for_ready.
class Channel {
 public:
  /// Never connects by itself. INVALID_ARGUMENT: TLS material that does not load.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(Address address,
                                                         ChannelOptions options = {});
  ~Channel();  // Close().
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Starts a call; its events go to `handler` on the io thread. `method` is the path; its bytes
  /// must outlive the call (generated code passes literals).
  std::shared_ptr<ClientCall> Start(std::string_view method, CallOptions options,
                                    std::unique_ptr<ReplyHandler> handler);
  /// A call with one request and one reply; `done` runs on the io thread, once.
  std::shared_ptr<ClientCall> StartUnary(
      std::string_view method, Payload request, CallOptions options,
      absl::AnyInvocable<void(absl::StatusOr<std::string>, ReplyMetadata)> done);

  /// Ends every call with CANCELLED and closes the connection. Later calls fail likewise.
  void Close();

  const Address& address() const;
  /// The thread on which the channel's callbacks run.
  const std::shared_ptr<Loop>& loop() const;

 private:
  class Core;
  explicit Channel(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace trireme::rpc
