#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trireme::rpc {

/// Headers or trailers of a call, in wire order, duplicates kept. Keys are lower case; a key that
/// ends in "-bin" carries any bytes, any other key printable ASCII (0x20-0x7e). Keys beginning with
/// "grpc-" and ":" are reserved and dropped. Values here are raw: base64 exists only on the wire.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// The first value under `key`, or nullptr. The pointer lives as long as `metadata` is unchanged.
const std::string* FindMetadata(const Metadata& metadata, std::string_view key);

/// Whether the pair may go on the wire as metadata (see Metadata).
bool ValidMetadata(std::string_view key, std::string_view value);

}  // namespace trireme::rpc
