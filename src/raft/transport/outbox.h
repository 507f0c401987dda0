#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include <trireme/raft/bytes.h>
#include "absl/status/status.h"
#include "raft/transport/frame.h"
#include "rpc/out_queue.h"
#include "rpc/socket.h"

namespace trireme::raft::tcp {

/// The way out of one connection. On a plain socket a frame that finds nothing waiting goes from
/// its pieces to the kernel, without a copy or an allocation; what the socket does not take waits
/// by reference. TLS has to copy anyway, and small pieces share its records. Not thread-safe.
class Outbox {
 public:
  /// `socket` is open, outlives it, and is the one of `descriptor`; on plain ones it is not used.
  Outbox(rpc::Socket& socket, int descriptor, bool tls)
      : socket_(socket), descriptor_(descriptor), tls_(tls) {}

  /// Sends or keeps one frame. An error is the connection's end.
  [[nodiscard]] absl::Status Send(std::span<const SharedBytes> pieces, std::size_t body_bytes);
  /// Goes on with what waits.
  [[nodiscard]] absl::Status Flush();
  /// What waits until the socket can be written (or, TLS, read) again.
  std::size_t waiting_bytes() const { return tls_ ? records_.size() : waiting_bytes_; }

 private:
  class Cursor;

  absl::Status SendPlain(std::string_view header, std::span<const SharedBytes> pieces);
  absl::Status FlushPlain();
  absl::Status FlushTls();

  rpc::Socket& socket_;
  const int descriptor_;
  const bool tls_;
  std::deque<SharedBytes> waiting_;  // Plain.
  std::size_t front_offset_ = 0;     // Of waiting_.front().
  std::size_t waiting_bytes_ = 0;
  rpc::OutQueue records_;  // TLS.
};

}  // namespace trireme::raft::tcp
