#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/metadata.h"

namespace trireme::rpc {

/// What one block of a reply's headers or trailers says.
struct ReplyHead {
  int http_status = 0;  // 0: it says none.
  bool is_grpc = false;
  std::optional<absl::StatusCode> grpc_status;
  std::string grpc_message;
  Metadata metadata;

  /// The next header, of hostile bytes.
  void Add(std::string_view name, std::string_view value);
};

}  // namespace trireme::rpc
