#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "rpc/latency.h"
#include "rpc/server.h"

namespace trireme::rpc {

struct MethodCounters {
  std::atomic<std::uint64_t> started{0};
  std::array<std::atomic<std::uint64_t>, kStatusCodes> handled{};
  Latencies latencies;  // Of calls with one request, from its headers to the last of the answer.
};

struct RegisteredMethod {
  Method method;
  std::unique_ptr<MethodCounters> counters = std::make_unique<MethodCounters>();
};

/// What all connections of a server share. Immutable after Start but for the counters.
struct ServerContext {
  ServerOptions options;
  absl::flat_hash_map<std::string, RegisteredMethod> methods;
  std::map<std::string, HttpHandler> pages;  // "/path" or "/prefix/*".
  std::map<std::string, HttpHandler> posts;  // The same for POST.
  TlsContext tls;

  std::atomic<std::size_t> received_bytes_held{0};
  std::atomic<std::uint64_t> live_connections{0};
  std::atomic<std::uint64_t> live_streams{0};
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> calls_started{0};
  std::atomic<std::uint64_t> message_bytes_received{0};
  std::atomic<std::uint64_t> message_bytes_sent{0};

  /// The registered path and method of `path`; null when there is none.
  const std::pair<const std::string, RegisteredMethod>* FindMethod(std::string_view path) const {
    const auto found = methods.find(absl::string_view(path.data(), path.size()));
    return found == methods.end() ? nullptr : &*found;
  }
};

}  // namespace trireme::rpc
