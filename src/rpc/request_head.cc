#include "rpc/request_head.h"

#include "rpc/headers.h"
#include "rpc/wire.h"

namespace trireme::rpc {

void RequestHead::Add(std::string_view name, std::string_view value, const ServerContext& context) {
  if (name.starts_with(':')) return AddPseudo(name, value, context);
  if (name.starts_with("grpc-")) return AddReserved(name, value);
  if (name == "content-type") {
    is_grpc_ = IsGrpcContentType(value);
  } else if (name != "te") {
    AppendReceivedMetadata(name, value, metadata_);
  }
}

void RequestHead::AddPseudo(std::string_view name, std::string_view value,
                            const ServerContext& context) {
  if (name == ":method") {
    is_post_ = value == "POST";
  } else if (name == ":path") {
    const auto* found = context.FindMethod(value);
    if (found == nullptr) {
      unknown_path_ = value;
      path_ = unknown_path_;
      return;
    }
    path_ = found->first;
    method_ = &found->second;
  }
}

void RequestHead::AddReserved(std::string_view name, std::string_view value) {
  if (name == "grpc-timeout") {
    timeout_ = ParseTimeout(value);
    bad_timeout_ = !timeout_.has_value();
  } else if (name == "grpc-encoding") {
    grpc_encoding_ = value;
  }
}

}  // namespace trireme::rpc
