#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "rpc/server.h"

namespace trireme::rpc {

/// What all connections of a server share. Immutable after Start but for the counters.
struct ServerContext {
  ServerOptions options;
  absl::flat_hash_map<std::string, Method> methods;
  std::map<std::string, HttpHandler> pages;  // "/path" or "/prefix/*".
  TlsContext tls;

  std::atomic<std::size_t> received_bytes_held{0};
  std::atomic<std::uint64_t> live_connections{0};
  std::atomic<std::uint64_t> live_streams{0};
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> calls_started{0};

  /// The registered path and method of `path`; null when there is none.
  const std::pair<const std::string, Method>* FindMethod(std::string_view path) const {
    const auto found = methods.find(absl::string_view(path.data(), path.size()));
    return found == methods.end() ? nullptr : &*found;
  }
};

}  // namespace trireme::rpc
