#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace trireme::rpc {

/// A plain HTTP/1.1 GET (or HEAD) request.
struct HttpRequest {
  std::string path;   // Without the query.
  std::string query;  // What follows '?', undecoded.
};

/// The answer to one HttpRequest. Every method may be called from any thread, in the handler or
/// later; use either Send, or Begin, Write... and End. Dropping it unanswered sends 500.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;
  /// A whole response, e.g. Send(200, "text/html; charset=utf-8", page).
  virtual void Send(int status, std::string content_type, std::string body) = 0;
  /// Starts a response of unknown length (server-sent events: "text/event-stream").
  virtual void Begin(int status, std::string content_type) = 0;
  /// Appends to a begun response. False once the client is gone or too slow (kHttpQueueBytesMax).
  virtual bool Write(std::string bytes) = 0;
  virtual void End() = 0;
  /// True once the client's connection is closed.
  virtual bool gone() const = 0;
};

/// Called on the io thread; must not block. It may keep the responder and answer later.
using HttpHandler = std::function<void(const HttpRequest&, std::shared_ptr<HttpResponder>)>;

}  // namespace trireme::rpc
