#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace trireme::rpc {

/// A plain HTTP/1.1 request: GET (or HEAD, which looks the same), or POST where HandlePost says so.
struct HttpRequest {
  std::string path;   // Without the query.
  std::string query;  // What follows '?', undecoded.
  std::string body;   // Of a POST; at most kHttpBodyBytesMax.
  bool head = false;  // Only the head of the answer is sent.
  std::string peer;   // "host:port" of the other end, or "unix:".
  // Headers as they came; empty where the client sent none.
  std::string host, origin, content_type;
};

struct HttpReply {
  int status = 200;
  std::string content_type;
  std::string body;
  std::string headers = {};  // Further ones, each with its \r\n.
};

/// The answer to one HttpRequest. Every method may be called from any thread, in the handler or
/// later; use either Send, or Begin, Write... and End. Dropping it unanswered sends 500.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;
  /// A whole response.
  virtual void Reply(HttpReply reply) = 0;
  /// E.g. Send(200, "text/html; charset=utf-8", page).
  void Send(int status, std::string content_type, std::string body) {
    Reply({status, std::move(content_type), std::move(body)});
  }
  /// Starts a response of unknown length (server-sent events: "text/event-stream") with a first
  /// piece of its body. The connection ends with it.
  virtual void BeginReply(HttpReply head) = 0;
  void Begin(int status, std::string content_type) {
    BeginReply({status, std::move(content_type), {}});
  }
  /// Appends to a begun response. False once the client is gone or too slow (kHttpQueueBytesMax).
  virtual bool Write(std::string bytes) = 0;
  /// True when the socket has taken all that was written: who writes only then never fills a queue,
  /// however slow the reader is.
  virtual bool drained() const = 0;
  virtual void End() = 0;
  /// True once the client's connection is closed.
  virtual bool gone() const = 0;
};

/// Called on the io thread; must not block. It may keep the responder and answer later.
using HttpHandler = std::function<void(const HttpRequest&, std::shared_ptr<HttpResponder>)>;

}  // namespace trireme::rpc
