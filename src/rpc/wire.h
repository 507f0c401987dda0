#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

/// The small text encodings of gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md). Pure, thread-safe;
/// decoders take hostile bytes.
namespace trireme::rpc {

/// grpc-message: bytes outside printable ASCII, and '%', as %XX.
std::string PercentEncode(std::string_view text);
/// The reverse; a '%' that begins no escape stands for itself, as the specification asks.
std::string PercentDecode(std::string_view text);

/// grpc-timeout: one to eight digits and a unit of H M S m u n. Nothing when malformed.
std::optional<std::chrono::nanoseconds> ParseTimeout(std::string_view text);
/// Rounded up to three digits and zeros, in the finest unit that needs at most eight; negative is
/// zero.
std::string FormatTimeout(std::chrono::nanoseconds timeout);

/// Values of "-bin" metadata; written without padding, read with or without.
std::string Base64Encode(std::string_view bytes);
std::optional<std::string> Base64Decode(std::string_view text);

/// grpc-status: a decimal code; unknown codes are kUnknown, as are malformed ones.
absl::StatusCode ParseStatusCode(std::string_view text);
/// What a reply without grpc-status means (grpc/doc/http-grpc-status-mapping.md).
absl::StatusCode StatusCodeOfHttp(int http_status);
/// What RST_STREAM's error code means for the call.
absl::StatusCode StatusCodeOfReset(std::uint32_t http2_error);

/// application/grpc, application/grpc+proto, application/grpc;...
bool IsGrpcContentType(std::string_view value);

}  // namespace trireme::rpc
