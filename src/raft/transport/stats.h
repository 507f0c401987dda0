#pragma once

#include <atomic>
#include <cstdint>

namespace trireme::raft {

/// What a transport has done since it began.
struct TransportStats {
  std::uint64_t connections_made = 0;     ///< Handshakes that ended well, of either side's dialing.
  std::uint64_t connections_lost = 0;     ///< Of those, ended by anything but Stop and RemovePeer.
  std::uint64_t connections_refused = 0;  ///< By this side, for whatever reason.
  std::uint64_t dials_failed = 0;
  std::uint64_t frames_sent = 0;     ///< Taken by Send.
  std::uint64_t frames_refused = 0;  ///< Send was false.
  std::uint64_t frames_received = 0;
  std::uint64_t bytes_received = 0;   ///< Of frames.
  std::uint64_t writes_deferred = 0;  ///< Frames that found the socket full.
  std::uint64_t bytes_copied = 0;     ///< Received, out of the buffer that is read ahead into.
};

/// The same while it counts.
struct TransportCounters {
  std::atomic<std::uint64_t> connections_made{0};
  std::atomic<std::uint64_t> connections_lost{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> dials_failed{0};
  std::atomic<std::uint64_t> frames_sent{0};
  std::atomic<std::uint64_t> frames_refused{0};
  std::atomic<std::uint64_t> frames_received{0};
  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> writes_deferred{0};
  std::atomic<std::uint64_t> bytes_copied{0};

  TransportStats Read() const {
    return {connections_made, connections_lost, connections_refused, dials_failed,    frames_sent,
            frames_refused,   frames_received,  bytes_received,      writes_deferred, bytes_copied};
  }
};

}  // namespace trireme::raft
