#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

/// Every default limit of the room, by name. docs/rpc.md has the table.
namespace trireme::rpc {

/// A received message's bytes; a longer one ends its call with RESOURCE_EXHAUSTED.
inline constexpr std::size_t kReceiveMessageBytesMax = 4u << 20;
/// Bytes a server holds of requests not yet complete, over all calls; a call that would hold more
/// ends with RESOURCE_EXHAUSTED.
inline constexpr std::size_t kReceiveBufferBytesMax = 1u << 30;
/// Bytes queued for sending on one call; above it the call ends with RESOURCE_EXHAUSTED (its reader
/// is too slow and its writer ignores back-pressure). A single message on an empty queue may exceed
/// it.
inline constexpr std::size_t kSendQueueBytesMax = 64u << 20;
/// Queued bytes from which WriteBlocking waits and below which OnWritable fires.
inline constexpr std::size_t kSendQueueBytesLow = 1u << 20;
/// Calls that may run at once on one connection; SETTINGS_MAX_CONCURRENT_STREAMS.
inline constexpr std::uint32_t kConcurrentStreamsMax = 4096;
/// Headers of one call, names, values and 32 bytes for each; SETTINGS_MAX_HEADER_LIST_SIZE.
inline constexpr std::size_t kMetadataBytesMax = 16u << 10;
/// Flow-control window of a stream and of a connection, in bytes.
inline constexpr std::uint32_t kStreamWindowBytes = 1u << 20;
inline constexpr std::uint32_t kConnectionWindowBytes = 16u << 20;
/// Largest DATA frame accepted, and sent to a peer that accepts it.
inline constexpr std::uint32_t kFrameBytesMax = 256u << 10;
/// Bytes of unread replies a blocking reader holds before its window stops growing.
inline constexpr std::size_t kReadQueueBytesMax = 1u << 20;
/// Connections a server holds; further ones are closed at once and counted.
inline constexpr std::size_t kConnectionsMax = 16384;
/// From accept to the end of the TLS handshake and HTTP/2 preface and SETTINGS, or a whole HTTP/1.1
/// request header.
inline constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
/// From the first frame of a call's headers to their last.
inline constexpr absl::Duration kHeaderTimeout = absl::Seconds(10);
/// Without a call for so long a server closes the connection (GOAWAY first).
inline constexpr absl::Duration kIdleTimeout = absl::Minutes(60);
/// A connection on which nothing was received for the interval is sent a PING and closed when
/// nothing arrives within the timeout.
inline constexpr absl::Duration kKeepaliveInterval = absl::Seconds(30);
inline constexpr absl::Duration kClientKeepaliveInterval =
    absl::Minutes(5);  // grpc++ servers take no more.
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);
/// One attempt to connect, TLS included.
inline constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
/// Wait after the first failed attempt, doubled after each further one, with 20 % jitter.
inline constexpr absl::Duration kReconnectDelayMin = absl::Milliseconds(50);
inline constexpr absl::Duration kReconnectDelayMax = absl::Seconds(5);
/// An HTTP/1.1 request's line and headers, in bytes.
inline constexpr std::size_t kHttpHeaderBytesMax = 16u << 10;
/// A POST's body, in bytes; other requests have none.
inline constexpr std::size_t kHttpBodyBytesMax = 4u << 10;
/// Unsent bytes of one streamed HTTP/1.1 response; above it the connection is closed.
inline constexpr std::size_t kHttpQueueBytesMax = 8u << 20;

}  // namespace trireme::rpc
