#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "rpc/server_session.h"

namespace trireme::rpc {

/// An HTTP/1.1 connection that serves the server's pages, one request after another. On the loop
/// thread. Requests are GET or HEAD without a body, or POST; anything else is answered and closed.
class Http1Session final : public Transport::Handler,
                           public std::enable_shared_from_this<Http1Session> {
 public:
  Http1Session(std::shared_ptr<Transport> transport, std::shared_ptr<ServerContext> context,
               ConnectionClosed closed);

  absl::Status OnInput(std::span<char> bytes) override;
  void ProduceOutput(OutQueue& out) override;
  void OnClosed(const absl::Status& why) override;
  void Drain() override;

 private:
  class Responder;
  struct Timeout final : Loop::Timer {
    explicit Timeout(Http1Session* s) : session(s) {}
    void OnTimer() override { session->OnTimeout(); }
    Http1Session* session;
  };

  void ParseNext();
  void Answer(const HttpRequest& request, bool post);
  static const HttpHandler* FindPage(const std::map<std::string, HttpHandler>& pages,
                                     const std::string& path);
  void Refuse(int status, std::string_view text);
  void SendHead(const HttpReply& reply, std::string_view length_header);
  void SendWhole(const HttpReply& reply);
  void BeginStream(const HttpReply& head);
  void SendChunk(std::string_view bytes);
  void EndResponse();
  void OnTimeout();
  void ArmTimeout(absl::Duration after);

  std::shared_ptr<Transport> transport_;  // Null once closed.
  const std::shared_ptr<ServerContext> context_;
  ConnectionClosed closed_;
  std::string in_;
  std::string out_;
  std::shared_ptr<Responder> responder_;  // Of the request being answered.
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool draining_ = false;
  Timeout timeout_{this};
};

}  // namespace trireme::rpc
