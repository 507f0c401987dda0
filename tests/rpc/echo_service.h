#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "trireme/test/v1/echo.trireme.h"

/// The echo service on our server, and what tests observe of it.
namespace trireme::test {

using v1::EchoReply;
using v1::EchoRequest;

/// Waits until `condition` holds; false after half a minute, which fails a test.
bool WaitUntil(const std::function<bool()>& condition);

inline absl::Status RequestedError(const EchoRequest& request) {
  return absl::Status(static_cast<absl::StatusCode>(request.error_code()), request.error_message());
}

inline EchoReply ReplyTo(const EchoRequest& request, std::uint32_t index = 0) {
  EchoReply reply;
  reply.set_payload(request.reply_size_bytes() != 0 ? std::string(request.reply_size_bytes(), 'r')
                                                    : request.payload());
  reply.set_index(index);
  return reply;
}

/// Copies each request metadata pair "echo-*" to the initial metadata and "trail-*" to the
/// trailing.
class EchoService final : public v1::EchoService {
 public:
  void Say(rpc::UnaryCall<EchoRequest, EchoReply> call) override;
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Collect(
      rpc::ReplyWriter<EchoReply> replies) override;
  void Expand(EchoRequest request, rpc::ReplyWriter<EchoReply> replies) override;
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Chat(
      rpc::ReplyWriter<EchoReply> replies) override;

  std::atomic<int> started{0};
  std::atomic<int> cancelled{0};
  std::atomic<bool> saw_deadline{false};

 private:
  void Hang(rpc::UnaryCall<EchoRequest, EchoReply> call);
};

}  // namespace trireme::test
