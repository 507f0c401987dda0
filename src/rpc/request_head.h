#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rpc/metadata.h"
#include "rpc/server_context.h"

namespace trireme::rpc {

/// What the headers of a request say. Calls with the same headers share one.
class RequestHead {
 public:
  /// The next header, of hostile bytes.
  void Add(std::string_view name, std::string_view value, const ServerContext& context);

  std::string_view path() const { return path_; }
  /// Null: no method is registered for the path.
  const RegisteredMethod* method() const { return method_; }
  const Metadata& metadata() const { return metadata_; }
  std::optional<std::chrono::nanoseconds> timeout() const { return timeout_; }
  bool bad_timeout() const { return bad_timeout_; }
  const std::string& grpc_encoding() const { return grpc_encoding_; }
  bool is_post() const { return is_post_; }
  bool is_grpc() const { return is_grpc_; }

 private:
  void AddPseudo(std::string_view name, std::string_view value, const ServerContext& context);
  void AddReserved(std::string_view name, std::string_view value);

  std::string_view path_;     // Of the registered method, or of unknown_path_.
  std::string unknown_path_;  // Only when no method is registered.
  const RegisteredMethod* method_ = nullptr;
  Metadata metadata_;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::string grpc_encoding_;
  bool is_post_ = false;
  bool is_grpc_ = false;
  bool bad_timeout_ = false;
};

}  // namespace trireme::rpc
