#include "rpc/headers.h"

#include <algorithm>

#include "rpc/wire.h"

namespace trireme::rpc {
namespace {

std::uint8_t* Mutable(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

nghttp2_nv MakeHeader(std::string_view name, std::string_view value, std::uint8_t flags) {
  return {Mutable(name), Mutable(value), name.size(), value.size(), flags};
}

}  // namespace

nghttp2_nv HeaderOf(std::string_view name, std::string_view value) {
  return MakeHeader(name, value, NGHTTP2_NV_FLAG_NONE);
}

nghttp2_nv LiteralHeader(std::string_view name, std::string_view value) {
  return MakeHeader(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

void AddMetadata(const Metadata& metadata, Headers& headers, std::vector<std::string>& encoded) {
  encoded.reserve(metadata.size());  // The headers point into it.
  for (const auto& [key, value] : metadata) {
    if (!ValidMetadata(key, value)) continue;
    encoded.push_back(key.ends_with("-bin") ? Base64Encode(value) : value);
    headers.push_back(HeaderOf(key, encoded.back()));
  }
}

void AppendReceivedMetadata(std::string_view name, std::string_view value, Metadata& metadata) {
  if (!name.ends_with("-bin")) {
    metadata.emplace_back(name, value);
    return;
  }
  while (true) {
    const std::size_t comma = std::min(value.find(','), value.size());
    if (auto decoded = Base64Decode(value.substr(0, comma))) {
      metadata.emplace_back(name, *std::move(decoded));
    }
    if (comma == value.size()) return;
    value.remove_prefix(comma + 1);
  }
}

}  // namespace trireme::rpc
