// Hostile bytes for src/rpc: the text and frame decoders, and a server connection's input.
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "rpc/address.h"
#include "rpc/descriptor.h"
#include "rpc/frame.h"
#include "rpc/headers.h"
#include "rpc/loop.h"
#include "rpc/server_context.h"
#include "rpc/server_session.h"
#include "rpc/transport.h"
#include "rpc/wire.h"

namespace trireme::rpc {
namespace {

constexpr std::string_view kOpening("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33);

void DecodeTexts(std::string_view text) {
  TRIREME_CHECK(PercentDecode(PercentEncode(text)) == text);
  TRIREME_CHECK(Base64Decode(Base64Encode(text)) == text);
  PercentDecode(text);
  ParseTimeout(text);
  ParseStatusCode(text);
  if (const auto address = ParseAddress(text); address.ok()) {
    TRIREME_CHECK(*ParseAddress(address->ToString()) == *address);
  }
  Metadata metadata;
  AppendReceivedMetadata("x-bin", text, metadata);
}

/// However the bytes are cut, the messages are the same.
void DecodeFrames(std::string_view bytes) {
  std::string whole;
  std::string pieces;
  FrameDecoder at_once(1000);
  FrameDecoder in_pieces(1000);
  const bool fine = at_once.Feed(bytes, [&](std::string m) { whole += m + "|"; }).ok();
  bool pieces_fine = true;
  for (std::size_t at = 0; at < bytes.size() && pieces_fine; at += 3) {
    pieces_fine =
        in_pieces.Feed(bytes.substr(at, 3), [&](std::string m) { pieces += m + "|"; }).ok();
  }
  TRIREME_CHECK(fine == pieces_fine && whole == pieces);
}

/// A server without sockets to listen on, whose connections get their input by hand.
class Connections {
 public:
  Connections() {
    Method method;
    method.one = [](std::shared_ptr<ServerCall> call, std::string request) {
      call->FinishWith(std::move(request));
    };
    context_->methods.emplace("/a.B/C", method);
    context_->pages.emplace("/page", [](const HttpRequest&, auto responder) {
      responder->Send(200, "text/plain", "page");
    });
  }
  ~Connections() { loop_->Stop(); }

  void Feed(std::string_view bytes) {
    std::promise<void> done;
    loop_->Post([&] {
      FeedOnLoop(bytes);
      done.set_value();
    });
    done.get_future().wait();
    TRIREME_CHECK(context_->live_streams.load() == 0);
    TRIREME_CHECK(context_->received_bytes_held.load() == 0);
  }

 private:
  void FeedOnLoop(std::string_view bytes) {
    int pair[2];
    TRIREME_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    const OwnedDescriptor peer(pair[1]);
    auto transport = std::make_shared<Transport>(loop_, pair[0], TlsRole(), "fuzz");
    transport->Start(std::make_shared<Sniffer>(transport, context_, [](Transport*) {}));
    for (std::size_t at = 0; at < bytes.size() && transport->handler() != nullptr; at += 100) {
      const std::shared_ptr<Transport::Handler> handler = transport->handler();
      std::string some(bytes.substr(at, 100));
      const bool fine = handler->OnInput(some).ok();
      transport->Flush();
      if (!fine) break;
    }
    transport->Close(absl::OkStatus());
  }

  std::shared_ptr<Loop> loop_ = Loop::Create();
  std::shared_ptr<ServerContext> context_ = std::make_shared<ServerContext>();
};

}  // namespace
}  // namespace trireme::rpc

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::rpc;  // NOLINT
  static Connections connections;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  DecodeTexts(bytes);
  DecodeFrames(bytes);
  connections.Feed(bytes);
  connections.Feed(std::string(kOpening) + std::string(bytes));
  return 0;
}
