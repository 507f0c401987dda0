#include "rpc/reply_head.h"

#include <charconv>

#include "rpc/headers.h"
#include "rpc/wire.h"

namespace trireme::rpc {

void ReplyHead::Add(std::string_view name, std::string_view value) {
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), http_status);
  } else if (name == "content-type") {
    is_grpc = IsGrpcContentType(value);
  } else if (name == "grpc-status") {
    grpc_status = ParseStatusCode(value);
  } else if (name == "grpc-message") {
    grpc_message = PercentDecode(value);
  } else if (!name.starts_with(':') && !name.starts_with("grpc-")) {
    AppendReceivedMetadata(name, value, metadata);
  }
}

}  // namespace trireme::rpc
